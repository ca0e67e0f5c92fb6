/**
 * `npm run sim -- --seeds N [--from S]` runs seeds, `npm run sim -- --seed S` one of them with its whole
 * story. The last line is JSON: `seeds`, `events`, `violations`, `virtualHours`. Exit code 1 when a guarantee
 * is broken. `npm run sim -- --mutants [NAME]` runs deliberate faults instead; exit code 1 when the checkers
 * miss one.
 */

import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import type { EngineName } from "./engines.ts";
import { printMutants } from "./mutant-runs.ts";
import { narrateFailure } from "./narration.ts";
import { runSeeds, type SeedReport } from "./seed-runs.ts";

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    /** Faults that are known to break something: `copy`. */
    also: { type: "string", default: "" },
    /** `memory`, or `sqlite`: the real engine on a temporary file, with the same history. */
    store: { type: "string", default: "memory" },
    /** Deliberate faults; with a name after it, those that have the name in theirs. */
    mutants: { type: "boolean", default: false },
    jobs: { type: "string", default: String(Math.min(8, availableParallelism())) },
  },
  allowPositionals: true,
});

if (values.mutants) process.exit(await printMutants(positionals[0] ?? "", number("jobs")));

const also = values.also === "" ? "" : ` --also ${values.also}`;
const store = engineName();
const options = store === "memory" ? also : `${also} --store ${store}`;
const totals = { seeds: 0, events: 0, violations: 0, virtualMs: 0, steps: 0 };
const failed: SeedReport[] = [];
const startedAt = performance.now();

function take(report: SeedReport): void {
  totals.seeds += 1;
  totals.events += report.events;
  totals.violations += report.violations.length;
  totals.virtualMs += report.virtualMs;
  totals.steps += report.steps;
  if (report.violations.length > 0) failed.push(report);
}

if (values.seed === undefined) {
  await runSeeds({
    first: number("from"),
    count: number("seeds"),
    jobs: number("jobs"),
    also: values.also,
    store,
    take,
  });
  for (const { seed } of failed.slice(0, 3)) await tell(seed);
  if (failed.length > 0) {
    console.log(
      `${failed.length} seeds failed: ${failed
        .map(({ seed }) => seed)
        .join(" ")
        .slice(0, 2_000)}`,
    );
  }
} else {
  const seed = number("seed");
  await runSeeds({
    first: seed,
    count: 1,
    jobs: 1,
    trace: true,
    also: values.also,
    store,
    take: (report) => {
      console.log(report.history);
      console.log(`plan ${JSON.stringify(report.plan)}`);
      for (const { guarantee, what } of report.violations) console.log(`BROKEN ${guarantee}: ${what}`);
      take(report);
    },
  });
}

const seconds = (performance.now() - startedAt) / 1000;
const { seeds, events, violations, virtualMs, steps } = totals;
console.log(
  `${(seeds / seconds).toFixed(1)} seeds/s, ${Math.round(steps / seconds)} steps/s, commit ${commit()}`,
);
console.log(
  JSON.stringify({ seeds, events, violations, virtualHours: Number((virtualMs / 3_600_000).toFixed(3)) }),
);
process.exitCode = violations === 0 ? 0 : 1;

/** Runs a failed seed again, for its story. */
async function tell(seed: number): Promise<void> {
  const show = (report: SeedReport) => {
    console.log(`\nseed ${seed} commit ${commit()}\nreplay: npm run sim -- --seed ${seed}${options}`);
    console.log(narrateFailure(report));
  };
  await runSeeds({ first: seed, count: 1, jobs: 1, trace: true, also: values.also, store, take: show });
}

function number(name: "seeds" | "from" | "seed" | "jobs"): number {
  const value = Number(values[name]);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new TypeError(`--${name} must be a whole number, not ${String(values[name])}`);
}

function engineName(): EngineName {
  if (values.store === "memory" || values.store === "sqlite") return values.store;
  throw new TypeError(`--store must be memory or sqlite, not ${values.store}`);
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}
