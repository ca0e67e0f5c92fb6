/** Runs of seeds in worker processes, which share them out by remainder. */

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { EngineName } from "./engines.ts";
import type { Violation } from "./checkers.ts";

export type SeedReport = {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly events: number;
  readonly steps: number;
  readonly virtualMs: number;
  /** With `trace` only. */
  readonly plan?: object;
  readonly history?: string;
  /** The same in words, as far as it is about the violation. */
  readonly story?: string;
  /** What is left of the run, see `less.ts`. */
  readonly less?: string;
};

export type SeedRuns = {
  readonly first: number;
  readonly count: number;
  readonly jobs: number;
  readonly trace?: boolean;
  /** With `trace`: seeds that fail are made small, which takes up to some 20 s each. */
  readonly shrink?: boolean;
  /** What is left of each run, see `less.ts`. */
  readonly less?: string;
  /** Faults that happen only when they are asked for, by commas. */
  readonly also?: string;
  /** Default memory. */
  readonly store?: EngineName;
  /** Name of a deliberate fault, see `mutant.ts`. */
  readonly mutant?: string;
  /** `"enough"` ends the worker that has reported. */
  readonly take: (report: SeedReport) => unknown;
};

/** Resolves when all seeds have run; rejects when a worker cannot run. */
export async function runSeeds(runs: SeedRuns): Promise<void> {
  const jobs = Math.max(1, Math.min(runs.jobs, runs.count));
  const workers = Array.from({ length: jobs }, (_, index) => {
    const count = Math.ceil((runs.count - index) / jobs);
    return runStride(runs, runs.first + index, count, jobs);
  });
  await Promise.all(workers);
}

/** A seed that never ends has failed; the others of its worker are run by another one. */
async function runStride(runs: SeedRuns, first: number, count: number, stride: number): Promise<void> {
  let next = first;
  for (let left = count; left > 0; left--, next += stride) {
    const take = (report: SeedReport) => {
      next = report.seed + stride;
      left -= 1;
      return runs.take(report);
    };
    const ended = await runWorker({ ...runs, take }, [next, left, stride]);
    if (ended === "all") return;
    const violations = [{ guarantee: "G7", what: `the run does not end, or ends its process: ${ended}` }];
    runs.take({ seed: next, violations, events: 0, steps: 0, virtualMs: 0 });
  }
}

function runWorker(
  { trace = false, shrink = false, less = "", also = "", store = "memory", mutant, take }: SeedRuns,
  numbers: readonly number[],
): Promise<string> {
  const task = shrink ? "shrink" : trace ? "trace" : "";
  const worker = fileURLToPath(new URL("worker.ts", import.meta.url));
  const loader = mutant === undefined ? [] : ["--import", mutantLoader(mutant)];
  const given = [...numbers.map(String), task, also, store, less];
  const child = spawn(process.execPath, [...loader, worker, ...given], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let isEnough = false;
  let last = `none of those from ${numbers[0]}`;
  let left = numbers[1] ?? 0;
  let silence: ReturnType<typeof setTimeout> | undefined;
  const listen = () => {
    clearTimeout(silence);
    silence = setTimeout(() => child.kill("SIGKILL"), mutant === undefined ? silenceMs : mutantSilenceMs);
  };
  listen();
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => {
    if (isEnough) return;
    listen();
    const report = JSON.parse(line) as SeedReport;
    last = String(report.seed);
    left -= 1;
    isEnough = take(report) === "enough";
    if (isEnough) child.kill("SIGKILL");
  });
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      clearTimeout(silence);
      process.off("exit", end);
      const how = code === 0 ? "in the middle of a seed" : `with ${String(signal ?? code)}`;
      // What a run throws after its end is nobody's: the process then ends with nothing left to do.
      if (isEnough || (code === 0 && left === 0)) resolve("all");
      else if (mutant === undefined && (signal === "SIGKILL" || code === 0)) resolve(how);
      else reject(new Error(`a worker ended ${how}; its last finished seed is ${last}`));
    });
  });
}

function mutantLoader(mutant: string): string {
  const url = new URL("mutant-loader.ts", import.meta.url);
  url.searchParams.set("mutant", mutant);
  return url.href;
}

/** A seed takes some 30 ms, and the largest ones a second. */
const silenceMs = 120_000;
/** A run that a mutant keeps from ending is of no use. */
const mutantSilenceMs = 30_000;
