import { expect, test } from "vitest";
import { type Claim, type Claimed, judge, takeover, unclaimed } from "./holder.ts";

const held: Claimed = { ...unclaimed, holder: { instance: "a", attempt: 2 }, heard: 3, low: 4, last: 6 };

function claim(instance: string, generation: number, attempt: number, low = 4, next = 7): Claim {
  return { holder: { instance, generation, attempt }, low, next };
}

test("G6 a client goes on with its newest connection, and no older one comes late", () => {
  expect(judge(held, claim("a", 1, 3))).toBe("goes on");
  expect(judge(held, claim("a", 9, 2))).toBe("late");
  expect(judge(held, claim("a", 9, 1))).toBe("late");
});

test("G1 another life goes on unless one has been heard since, whatever was resumed", () => {
  expect(judge(held, claim("b", 3, 1))).toBe("goes on");
  expect(judge(held, claim("b", 2, 1))).toBe("copy");
});

test("G1 whoever would use a sequence again is a copy, named or not", () => {
  for (const [low, next, verdict] of [
    [4, 7, "goes on"],
    [3, 7, "copy"],
    [4, 6, "copy"],
  ] as const) {
    expect(judge(held, claim("b", 3, 1, low, next))).toBe(verdict);
    expect(judge(held, { low, next })).toBe(verdict);
  }
});

test("G6 copies that never get a word in stop taking turns; a page that is reloaded may go on", () => {
  let session: Claimed = { ...held, heard: 1 };
  let generation = 1;
  const turns: string[] = [];
  const welcomed = new Map<string, number>();
  for (let turn = 0; turn < 100; turn++) {
    const instance = turn % 2 === 0 ? "b" : "c";
    const { holder, low, next } = claim(instance, welcomed.get(instance) ?? 1, turn);
    const verdict = judge(session, { holder, low, next });
    turns.push(verdict);
    if (verdict !== "goes on") continue;
    generation += 1;
    session = { ...session, ...takeover(session, holder, generation), holder: { instance, attempt: turn } };
    welcomed.set(instance, generation);
  }
  // From then on one of them goes on, and the other is turned away each time.
  expect(turns.slice(30).filter((verdict) => verdict === "copy")).toHaveLength(35);
  // Every welcome to the page's reloads was lost.
  expect(judge(session, claim("reloaded", 1, 1))).toBe("goes on");
});
