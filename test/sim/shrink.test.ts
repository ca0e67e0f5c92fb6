/** What is left of a failing run, as text and as a smaller run. */

import { describe, expect, test } from "vitest";
import { Less } from "./less.ts";
import { planOf } from "./plan.ts";
import { shrink, type Trial, verdictOf } from "./shrink.ts";

describe("what is left of a run", () => {
  test("is the same as text and read again", () => {
    const text = "pages=2,delivery.windowEvents=4,crash:2,c0:3-5.9,n00:";
    const less = Less.parse(text);
    expect(less.text()).toBe(text);
    expect(less.kept.get("c0")).toEqual([3, 4, 5, 9]);
    expect(less.kept.get("n00")).toEqual([]);
    expect(Less.parse("").text()).toBe("");
  });

  test("is refused when it is none", () => {
    for (const text of ["pages", "pages=", "c0:x", ",", "c0;1"]) {
      expect(() => Less.parse(text), text).toThrow(TypeError);
    }
    expect(() => Less.parse("colour=1").reduce(planOf(1, [], "memory"))).toThrow("colour");
  });

  test("leaves out of a row what is not kept, and whole rows that are not named", () => {
    const less = Less.parse("crash:2");
    expect([1, 2, 3].map(() => less.next("crash").happens)).toEqual([false, true, false]);
    expect(less.next("reset")).toEqual({ turn: 1, happens: true });
    expect([...less.taken]).toEqual([
      ["crash", [2]],
      ["reset", [1]],
    ]);
  });

  test("makes the plan's numbers smaller", () => {
    const plan = Less.parse("rooms=1,trims=0,latencyMs=7,delivery.windowChunks=3,endMs=9").reduce(
      planOf(7, [], "memory"),
    );
    expect(plan.rooms).toEqual(["red"]);
    expect(plan).toMatchObject({ trims: false, latencyMs: 7, delivery: { windowChunks: 3 } });
  });
});

describe("shrinking", () => {
  /** Fails when the third crash, and both the second and the seventh event of `c0` happen. */
  function run(less: Less): Promise<Trial> {
    const rows = { crash: 9, reset: 40, c0: 30, c1: 30, n00: 20 };
    for (const [row, turns] of Object.entries(rows)) {
      for (let turn = 1; turn <= turns; turn++) less.next(row);
    }
    const took = (row: string, turn: number) => less.taken.get(row)?.includes(turn) === true;
    const fails = took("crash", 3) && took("c0", 2) && took("c0", 7);
    const count = [...less.taken.values()].flat().length;
    const violations = fails ? [{ guarantee: "G1", what: `c0e7 ran again after ${count}` }] : [];
    return Promise.resolve({ violations, taken: less.taken, plan: less.reduce(planOf(7, [], "memory")) });
  }

  test("leaves what the verdict needs and nothing else", async () => {
    const options = { run, isOver: () => false, tell: () => undefined };
    const { less, runs } = await shrink(new Less(), options);
    const left = await run(Less.parse(less.text()));
    expect(Object.fromEntries(left.taken)).toEqual({ crash: [3], c0: [2, 7] });
    expect(runs).toBeLessThan(120);
  });

  test("does not begin with a run that holds, and ends when its time is over", async () => {
    const options = { run, isOver: () => true, tell: () => undefined };
    await expect(shrink(Less.parse("crash:"), options)).rejects.toThrow("holds");
    expect((await shrink(new Less(), options)).less.text()).toBe("");
  });

  test("compares verdicts without names and numbers", () => {
    const verdict = (what: string) => verdictOf({ guarantee: "G1", what });
    expect(verdict("c0e7 (publish:red reply) ran again")).toBe(verdict("c2e19 (plain) ran again"));
    expect(verdict("c0e7 ran again")).not.toBe(verdict("c0e7 never ran"));
  });
});
