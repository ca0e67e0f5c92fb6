/**
 * Runs of mutants: each until a checker notices it. A seed that fails without the mutant as well says nothing
 * of it, and the next one is tried.
 */

import type { Violation } from "./checkers.ts";
import { type Mutant, mutate, readMutants, sourceOf } from "./mutant.ts";
import { runSeeds, type SeedReport } from "./seed-runs.ts";

export type Verdict = {
  readonly mutant: Mutant;
  /** What was noticed first; undefined when nothing was. */
  readonly violation: Violation | undefined;
  /** Seeds that were run, from 1 on, the last of them included. */
  readonly seeds: number;
  readonly seconds: number;
  /** What went wrong besides, such as a worker that hung. */
  readonly remarks: readonly string[];
};

/** Runs mutants on several workers. Verdicts come in the order of the names. */
export async function runMutants(
  part: string,
  options: { readonly jobs: number; readonly seedsMax?: number; readonly tell?: (verdict: Verdict) => void },
): Promise<readonly Verdict[]> {
  const mutants = readMutants(part);
  if (mutants.length === 0) throw new Error(`there is no mutant ${part}`);
  const verdicts = new Map<Mutant, Verdict>();
  const waiting = [...mutants];
  const work = async () => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await runMutant(mutant, options.seedsMax ?? mutantSeedsMax);
      verdicts.set(mutant, verdict);
      options.tell?.(verdict);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return mutants.flatMap((mutant) => verdicts.get(mutant) ?? []);
}

/** Prints each verdict as it comes, and returns the exit code. */
export async function printMutants(part: string, jobs: number): Promise<number> {
  const startedAt = performance.now();
  const tell = (verdict: Verdict) => console.log(describeVerdict(verdict));
  const verdicts = await runMutants(part, { jobs, tell });
  const missed = verdicts.filter(({ violation }) => violation === undefined).length;
  const seconds = Number(((performance.now() - startedAt) / 1000).toFixed(1));
  console.log(
    JSON.stringify({ mutants: verdicts.length, caught: verdicts.length - missed, missed, seconds }),
  );
  return missed === 0 ? 0 : 1;
}

async function runMutant(mutant: Mutant, seedsMax: number): Promise<Verdict> {
  const startedAt = performance.now();
  const { name, also, patches } = mutant;
  // Said here and once, instead of by every worker that cannot start.
  for (const patch of patches) mutate(sourceOf(patch), patch, name);
  const remarks: string[] = [];
  const unfit: number[] = [];
  let broken = 0;
  let violation: Violation | undefined;
  let last = 0;
  while (violation === undefined && last < seedsMax && broken <= brokenMax) {
    const first = last + 1;
    let failed: SeedReport | undefined;
    const take = (report: SeedReport) => {
      last = report.seed;
      if (report.violations.every((found) => !isOfChecker(found))) return "go on";
      failed = report;
      return "enough";
    };
    try {
      await runSeeds({ first, count: seedsMax - last, jobs: 1, also, mutant: name, take });
    } catch (error) {
      last += 1;
      broken += 1;
      remarks.push((error as Error).message);
    }
    if (failed === undefined) continue;
    if (await holds(failed.seed, also)) violation = failed.violations.find(isOfChecker);
    else unfit.push(failed.seed);
  }
  if (unfit.length > 0) remarks.push(`seeds that fail without the mutant as well: ${unfit.join(" ")}`);
  const seconds = (performance.now() - startedAt) / 1000;
  return { mutant, violation, seeds: last, seconds, remarks };
}

/** That a mutant makes the code throw is no merit of the checks, unless it is an invariant that says so. */
function isOfChecker({ guarantee, what }: Violation): boolean {
  return guarantee !== "uncaught" || what.includes("Invariant broken") || what.includes("Unexpected variant");
}

async function holds(seed: number, also: string): Promise<boolean> {
  let violations = 0;
  const take = (report: SeedReport) => void (violations += report.violations.length);
  await runSeeds({ first: seed, count: 1, jobs: 1, also, take });
  return violations === 0;
}

function describeVerdict({ mutant, violation, seeds, seconds, remarks }: Verdict): string {
  const how =
    violation === undefined
      ? "NOT CAUGHT"
      : `${violation.guarantee.padEnd(10)} ${violation.what.slice(0, whatCharactersMax)}`;
  const after = `${String(seeds).padStart(5)} seeds ${seconds.toFixed(1).padStart(5)} s`;
  const lines = [`${mutant.name.padEnd(34)} ${after}  ${how}`, `    pitfall: ${mutant.pitfall}`];
  return [...lines, ...remarks.map((remark) => `    remark: ${remark}`)].join("\n");
}

const mutantSeedsMax = 2_000;
const whatCharactersMax = 120;
/** A mutant whose workers hang or crash again and again is no good as one. */
const brokenMax = 5;
