/**
 * `npm run sim -- --seeds N [--from S]` runs seeds, and tells the story of those that fail, made small. `npm
 * run sim -- --seed S` runs one of them and prints its whole history; with `--less TEXT` what is left of it
 * (see `less.ts`), with `--shrink` its story. The last line is JSON: `seeds`, `events`, `violations`,
 * `virtualHours`. Exit code 1 when a guarantee is broken. `npm run sim -- --mutants [NAME]` runs deliberate
 * faults instead; exit code 1 when the checkers miss one. `npm run sim -- --model [--wide]` explores the
 * model of resume and fencing.
 */

import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { printModel } from "../model/print-model.ts";
import type { EngineName } from "./engines.ts";
import { printMutants } from "./mutant-runs.ts";
import { runSeeds, type SeedReport } from "./seed-runs.ts";

const { values, positionals } = parseArgs({
  options: {
    seeds: { type: "string", default: "1000" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    less: { type: "string", default: "" },
    /** The name of one deliberate fault, for `--seed`. */
    mutant: { type: "string" },
    shrink: { type: "boolean", default: false },
    /** Faults that happen in every run, those included that happen only when they are asked for. */
    also: { type: "string", default: "" },
    /** `memory`, or `sqlite`: the real engine on a temporary file, with the same history. */
    store: { type: "string", default: "memory" },
    /** Deliberate faults; with a name after it, those that have the name in theirs. */
    mutants: { type: "boolean", default: false },
    /** The model of resume and fencing, whole; `wide` takes minutes. */
    model: { type: "boolean", default: false },
    wide: { type: "boolean", default: false },
    jobs: { type: "string", default: String(Math.min(8, availableParallelism())) },
  },
  allowPositionals: true,
});

if (values.model) process.exit(printModel({ wide: values.wide }));
if (values.mutants) process.exit(await printMutants(positionals[0] ?? "", number("jobs")));

const also = values.also === "" ? "" : ` --also ${values.also}`;
const store = engineName();
const mutant = values.mutant === undefined ? {} : { mutant: values.mutant };
const options = [
  also,
  store === "memory" ? "" : ` --store ${store}`,
  values.mutant === undefined ? "" : ` --mutant ${values.mutant}`,
].join("");
const totals = { seeds: 0, events: 0, violations: 0, virtualMs: 0, steps: 0 };
const failed: SeedReport[] = [];
const startedAt = performance.now();
const progressMs = 20_000;
let toldAt = startedAt;

function take(report: SeedReport): void {
  totals.seeds += 1;
  totals.events += report.events;
  totals.violations += report.violations.length;
  totals.virtualMs += report.virtualMs;
  totals.steps += report.steps;
  tellProgress(report);
  if (report.violations.length > 0) failed.push(report);
}

/** On standard error: a seed that fails when it does, and how far a long run is. */
function tellProgress({ seed, violations: [first] }: SeedReport): void {
  if (first !== undefined) process.stderr.write(`seed ${seed}: ${first.guarantee}: ${first.what}\n`);
  const now = performance.now();
  if (now - toldAt < progressMs) return;
  toldAt = now;
  process.stderr.write(`${totals.seeds} of ${values.seeds} seeds, ${failed.length} failed\n`);
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
    less: values.less,
    ...mutant,
    take: (report) => {
      console.log(report.history);
      console.log(`plan ${JSON.stringify(report.plan)}`);
      for (const { guarantee, what } of report.violations) console.log(`BROKEN ${guarantee}: ${what}`);
      if (values.less !== "") console.log(`\n${report.story ?? ""}`);
      take(report);
    },
  });
  if (values.shrink && failed.length > 0) await tell(seed);
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

/** Makes a failed seed small, and tells its story. */
async function tell(seed: number): Promise<void> {
  const show = ({ less = "", story = "" }: SeedReport) => {
    const left = less === "" ? "" : ` --less ${less}`;
    console.log(`\nseed ${seed} commit ${commit()}\nwhole: npm run sim -- --seed ${seed}${options}`);
    console.log(`replay: npm run sim -- --seed ${seed}${options}${left}\n${story}`);
  };
  const { also: faults, less } = values;
  const what = {
    ...mutant,
    first: seed,
    count: 1,
    jobs: 1,
    trace: true,
    shrink: true,
    also: faults,
    store,
    less,
  };
  await runSeeds({ ...what, take: show });
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
