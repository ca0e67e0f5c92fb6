/** The outcome in one sentence, and the files that show it. */

import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "../command-line.ts";
import { faultNames, holds, type Verdict } from "../ledger/verdict.ts";
import type { RunResult } from "../run.ts";

export function outcomeOf(results: readonly RunResult[]): Outcome {
  const [holdfast] = results;
  const objections = results.flatMap((result) =>
    objectionsOf(result).map((text) => `${result.kind}: ${text}`),
  );
  if (results.some(({ interrupted }) => interrupted))
    return { exitCode: 2, word: "interrupted", sentence: "interrupted: no verdict.", objections };
  const verdict = holdfast?.judgement?.verdict;
  if (verdict === undefined)
    return { exitCode: 2, word: "invalid", sentence: "invalid: nothing was judged.", objections };
  const broken = isBroken(verdict);
  if (broken || (!holds(verdict) && objections.length === 0)) {
    return { exitCode: 1, word: "broken", sentence: `broken: Holdfast ${countsOf(verdict)}.`, objections };
  }
  if (objections.length > 0)
    return { exitCode: 2, word: "invalid", sentence: "invalid: the run proves nothing.", objections };
  return { exitCode: 0, word: "holds", sentence: `holds: Holdfast ${countsOf(verdict)}.`, objections };
}

/** Faults for which no slow machine is an excuse. */
function isBroken({ toClients, toServers }: Verdict): boolean {
  return [toClients, toServers].some(
    ({ lost, duplicated, reordered, wrong, madeUp }) => lost + duplicated + reordered + wrong + madeUp > 0,
  );
}

function objectionsOf({ judgement, failure }: RunResult): readonly string[] {
  return [...(failure === undefined ? [] : [failure]), ...(judgement?.objections ?? [])];
}

export function countsOf({ toClients, toServers }: Verdict): string {
  const total = (name: (typeof faultNames)[number]) => toClients[name] + toServers[name];
  return `${total("lost")} lost, ${total("duplicated")} duplicated, ${total("reordered")} reordered of ${
    toClients.owed + toServers.owed
  }`;
}

export function writeReport(input: ReportInput): readonly string[] {
  const { command, results, startedAt, k6Version, outcome } = input;
  const folder = fileURLToPath(new URL("../results", import.meta.url));
  mkdirSync(folder, { recursive: true });
  const stamp = startedAt.toISOString().replaceAll(/[:T]/g, "-").slice(0, 19);
  const report = {
    outcome,
    scenario: command.scenario.name,
    title: command.scenario.title,
    command: command.text,
    seed: command.seed,
    clients: command.clients,
    rate: command.rate,
    store: command.store,
    startedAt: startedAt.toISOString(),
    commit: commit(),
    versions: { node: process.version, k6: k6Version },
    machine: machine(),
    results,
  };
  const path = join(folder, `${command.scenario.name}-${stamp}`);
  writeFileSync(`${path}.json`, `${JSON.stringify(report)}\n`);
  return [relative(process.cwd(), `${path}.json`)];
}

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, { encoding: "utf8", cwd: import.meta.dirname }).trim();
  try {
    return `${git("rev-parse", "--short", "HEAD")}${git("status", "--porcelain") === "" ? "" : " with changes"}`;
  } catch {
    return "unknown";
  }
}

function machine(): string {
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${cpus().length} cores (${cpu?.model.trim()}), ${memory}, Linux ${release()}`;
}

// --- types ---

export type Outcome = {
  readonly exitCode: 0 | 1 | 2;
  readonly word: "holds" | "broken" | "invalid" | "interrupted";
  readonly sentence: string;
  readonly objections: readonly string[];
};

export type ReportInput = {
  readonly command: Command;
  readonly results: readonly RunResult[];
  readonly startedAt: Date;
  readonly k6Version: string;
  readonly outcome: Outcome;
};
