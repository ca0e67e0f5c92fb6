import { expect, test } from "vitest";
import { Allowances } from "./allowance.ts";
import { limits, parseBefore, parseMessage, parseName, parseRoom, parseSecret } from "./input.ts";

test("an allowance is used up by a burst, fills again with time, and takes no memory from the quiet", () => {
  const allowances = new Allowances({ burst: 3, perSecond: 1 });
  for (let count = 0; count < 3; count++) allowances.take("fast", 1000);
  expect(() => allowances.take("fast", 1500)).toThrow(expect.objectContaining({ code: "too_fast" }));
  allowances.take("slow", 1500);
  allowances.take("fast", 2001);
  expect(() => allowances.take("fast", 2001)).toThrow(expect.objectContaining({ code: "too_fast" }));
  for (let user = 0; user < 1000; user++) allowances.take(`user-${user}`, 10_000 + user * 10);
  expect(allowances.size).toBeLessThan(400);
});

test.each([undefined, null, 7, "text", [], {}, { id: "short", text: "x" }, { id: "long-enough", text: 7 }])(
  "a message of %j is refused",
  (input) => {
    expect(() => parseMessage(input)).toThrow(expect.objectContaining({ code: "input_wrong" }));
  },
);

test("a message is trimmed, freed of control characters, and bounded", () => {
  const id = "message-1";
  expect(parseMessage({ id, text: "  one\u0000\u0007\n\ttwo \n" })).toEqual({ id, text: "one\n\ttwo" });
  expect(() => parseMessage({ id, text: " \u0000 " })).toThrow(
    expect.objectContaining({ code: "text_empty" }),
  );
  const longest = "x".repeat(limits.textCharactersMax);
  expect(parseMessage({ id, text: longest }).text).toBe(longest);
  expect(() => parseMessage({ id, text: `${longest}x` })).toThrow(
    expect.objectContaining({ code: "text_too_long" }),
  );
});

test("room names have one spelling, and cannot be mistaken for a mailbox or a session", () => {
  expect(parseRoom({ room: " Lobby-2 " })).toBe("lobby-2");
  expect(parseRoom({ room: "Küche" })).toBe("küche");
  for (const room of ["", "-x", "a b", "user:x", "a/b", "__proto__", "x".repeat(33), 7, undefined]) {
    expect(() => parseRoom({ room })).toThrow(expect.objectContaining({ code: "room_wrong" }));
  }
});

test("names are shown as written, without what would make two names look the same", () => {
  expect(parseName({ name: "  Ada   Lovelace " })).toBe("Ada Lovelace");
  expect(parseName({ name: "Ａda" })).toBe("Ada");
  for (const name of ["", " ", "a\u200Bb", "a\u202Eb", "<b>", "@ada", "x".repeat(25), null]) {
    expect(() => parseName({ name })).toThrow(expect.objectContaining({ code: "name_wrong" }));
  }
});

test("history goes back from a whole number, and a secret has 32 bytes", () => {
  expect(parseBefore({})).toBeUndefined();
  expect(parseBefore({ before: 51 })).toBe(51);
  for (const before of [-1, 1.5, Number.NaN, 2 ** 53, "1", null]) {
    expect(() => parseBefore({ before })).toThrow(expect.objectContaining({ code: "input_wrong" }));
  }
  expect(parseSecret("A".repeat(43))).toMatch(/^[\w-]{22}$/);
  expect(parseSecret("A".repeat(43))).not.toBe(parseSecret("B".repeat(43)));
  for (const secret of [undefined, "", "A".repeat(42), "A".repeat(44), { length: 43 }]) {
    expect(() => parseSecret(secret)).toThrow(expect.objectContaining({ code: "secret_wrong" }));
  }
});
