/**
 * The simulation itself: it repeats itself to the byte, and a few seeds of it hold. `npm run sim` runs many.
 */

import { describe, expect, test } from "vitest";
import { runSeeds, type SeedReport, type SeedRuns } from "./seed-runs.ts";

async function reports(runs: Omit<SeedRuns, "jobs" | "take">): Promise<SeedReport[]> {
  const all: SeedReport[] = [];
  await runSeeds({ ...runs, jobs: 1, take: (report) => all.push(report) });
  return all;
}

describe("the simulation", () => {
  test("of a seed is the same to the byte, alone or after others", async () => {
    const [alone] = await reports({ first: 12, count: 1, trace: true });
    const afterOthers = (await reports({ first: 8, count: 5, trace: true })).at(-1);
    expect(alone?.history?.length).toBeGreaterThan(1_000);
    expect(afterOthers).toEqual(alone);
  });

  test("G1-G7: 40 seeds hold", async () => {
    const all = await reports({ first: 1, count: 40 });
    expect(all.map(({ seed }) => seed)).toEqual(Array.from({ length: 40 }, (_, index) => index + 1));
    expect(all.filter(({ violations }) => violations.length > 0)).toEqual([]);
    expect(all.reduce((sum, { events }) => sum + events, 0)).toBeGreaterThan(400);
  });

  test("G1-G7: seeds hold on SQLite, and have the same history as in memory, to the byte", async () => {
    const runs = { first: 3, count: 8, trace: true };
    const memory = await reports(runs);
    const sqlite = await reports({ ...runs, store: "sqlite" });
    expect(sqlite.map(({ violations }) => violations)).toEqual(memory.map(() => []));
    expect(sqlite.map(({ history }) => history)).toEqual(memory.map(({ history }) => history));
  });
});
