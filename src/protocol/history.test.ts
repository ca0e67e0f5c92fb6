import { expect, test } from "vitest";
import { carriedOver } from "./history.ts";

const history = {
  epoch: "third",
  earlier: [
    { epoch: "first", offset: 95 },
    { epoch: "second", offset: 90 },
  ],
};

test("G3: a reader goes on in a new epoch as far as the log has kept what it read", () => {
  const standsAt = (epoch: string, offset: number) => carriedOver(history, { epoch, offset }).epoch;
  expect(standsAt("third", 500)).toBe("third");
  expect(standsAt("second", 90)).toBe("third");
  expect(standsAt("second", 91)).toBe("second");
  expect(standsAt("unknown", 1)).toBe("unknown");
  expect(carriedOver({ epoch: "only" }, { epoch: "other", offset: 0 }).epoch).toBe("other");
});

test("G3: what a later change has cut does not hold, however long ago it was read", () => {
  expect(carriedOver(history, { epoch: "first", offset: 90 })).toEqual({ epoch: "third", offset: 90 });
  expect(carriedOver(history, { epoch: "first", offset: 93 })).toEqual({ epoch: "first", offset: 93 });
});
