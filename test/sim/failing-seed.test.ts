/** A seed that fails, made small and told, with a deliberate fault in the product. */

import { describe, expect, test } from "vitest";
import { runSeeds, type SeedReport, type SeedRuns } from "./seed-runs.ts";
import { verdictOf } from "./shrink.ts";

describe("a seed that fails", () => {
  test("is told in few lines that repeat themselves to the byte", async () => {
    const runs = { count: 1, trace: true, mutant };
    const failing = await firstFailing();
    const [whole] = await reports({ ...runs, first: failing });
    const [small] = await reports({ ...runs, first: failing, shrink: true });
    const [again] = await reports({ ...runs, first: failing, less: small?.less ?? "" });
    const [first] = whole?.violations ?? [];
    expect(small?.violations.map(verdictOf)).toContain(first && verdictOf(first));
    expect(small?.history?.length).toBeLessThan((whole?.history?.length ?? 0) / 3);
    expect(small?.story?.split("\n").length).toBeLessThan(60);
    expect(small?.story).toContain("BROKEN");
    expect(again).toEqual(small);
  }, 180_000);
});

/** Caught within a few seeds. */
const mutant = "17-inbox-per-connection";

async function firstFailing(): Promise<number> {
  let failing: number | undefined;
  const take = ({ seed, violations }: SeedReport) => {
    if (violations.length > 0) failing ??= seed;
    return failing === undefined ? undefined : "enough";
  };
  await runSeeds({ first: 1, count: 200, jobs: 1, mutant, take });
  if (failing === undefined) throw new Error(`200 seeds hold with ${mutant}`);
  return failing;
}

async function reports(runs: Omit<SeedRuns, "jobs" | "take">): Promise<SeedReport[]> {
  const all: SeedReport[] = [];
  await runSeeds({ ...runs, jobs: 1, take: (report) => all.push(report) });
  return all;
}
