/** The benchmark runs, in seconds and with tiny numbers: whether it works, never how fast anything is. */

import { expect, test } from "vitest";
import { programPath, startChild } from "../test/harness/child.ts";
import { redisPath } from "../test/harness/redis-program.ts";
import { compare, type Comparison, median } from "./comparison.ts";
import { rows } from "./rows.ts";

const program = programPath("./main.ts", import.meta.url);
/** Some hundred processes, trial after trial, on a machine that may be busy with other tests as well. */
const timeout = 240_000;
const deadlineMs = timeout - 10_000;

test("every row runs on both sides and prints comparisons as JSON lines", { timeout }, async (t) => {
  const bench = startChild(t, { program, args: ["--tiny", "--rounds", "1"], deadlineMs });
  const exit = await bench.exited(deadlineMs);
  expect(exit, bench.report()).toEqual({ code: 0, signal: null });
  const lines = bench.stdout.trim().split("\n");
  const comparisons = lines.map((line) => JSON.parse(line) as Comparison);
  for (const { name, setups } of rows) {
    if (setups?.ours.redis !== undefined && redisPath === undefined) {
      expect(bench.stderr).toContain(`skipped: ${name}: needs redis-server`);
      continue;
    }
    const some = comparisons.filter((comparison) => comparison.name.startsWith(`${name}: `));
    expect(some.length, name).toBeGreaterThan(0);
  }
  for (const { name, ours, control, rounds, durability } of comparisons) {
    const promised = name.includes("in memory") ? "memory" : "fsynced";
    expect({ name, rounds, durability }).toEqual({ name, rounds: 1, durability: promised });
    expect([Number.isFinite(ours), Number.isFinite(control)], name).toEqual([true, true]);
  }
});

test("a row that does not exist is refused with the names of those that do", async (t) => {
  const bench = startChild(t, { program, args: ["fan-in"] });
  expect((await bench.exited()).code).toBe(2);
  expect(bench.stderr).toContain(rows[0]?.name);
});

test("ratios are made round by round, and the middle one is reported", () => {
  const rounds = (values: readonly number[]) => values.map((value) => ({ x: { value, unit: "s", better } }));
  const better = "lower" as const;
  // The second round was slow for both; the medians alone would compare 10 with 2.
  const about = { name: "row", durability: "fsynced" };
  const [line] = compare(about, rounds([10, 40, 6]), rounds([2, 8, 2]));
  expect(line).toMatchObject({ name: "row: x", ours: 10, control: 2, ratio: 5, min: 3, max: 5, rounds: 3 });
  expect(line).toMatchObject({ oursRange: [6, 40], controlRange: [2, 8] });
  expect(median([4, 1, 3, 2])).toBe(2.5);
});
