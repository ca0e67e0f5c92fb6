/** Writes the report: the page, and beside it what it was made of. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "../command-line.ts";
import type { RunResult } from "../run.ts";
import type { Scenario } from "../scenarios/scenario.ts";
import { sentenceOf, threeNodes } from "../topology/topology.ts";
import type { Outcome } from "./outcome.ts";
import { pageOf } from "./page.ts";
import type { Report } from "./report.ts";

/** Returns the names of the files, as seen from the working directory. */
export function writeReport(input: ReportInput): readonly string[] {
  const { command, results, startedAt, k6Version, outcome, target } = input;
  const { scenario, text, seed, clients, rate, store, raw } = command;
  const report: Report = {
    outcome,
    scenario: scenario.name,
    title: scenario.title,
    command: text,
    seed,
    clients,
    rate,
    store,
    topology: `${sentenceOf(scenario.topology ?? threeNodes)}${replicasOf(scenario)}`,
    raw,
    startedAt: startedAt.toISOString(),
    commit: commit(),
    versions: { "socket.io": versionOf("socket.io"), Node: process.version.slice(1), k6: k6Version },
    machine: machine(),
    lateAfterMs: scenario.lateAfterMs,
    results,
    ...(target === undefined ? {} : { target }),
  };
  const path = resultPath(scenario.name, startedAt);
  writeFileSync(`${path}.json`, `${JSON.stringify(report)}\n`);
  writeFileSync(`${path}.html`, pageOf(report));
  return [`${path}.html`, `${path}.json`].map((file) => relative(process.cwd(), file));
}

function replicasOf({ redis }: Scenario): string {
  return redis === "sentinel" ? ", and a Redis with two replicas and three Sentinels" : "";
}

/** Of all files of a run, without what their names end in. */
export function resultPath(scenario: string, startedAt: Date): string {
  mkdirSync(folder, { recursive: true });
  return join(folder, `${scenario}-${startedAt.toISOString().replaceAll(/[:T]/g, "-").slice(0, 19)}`);
}

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync("git", args, { encoding: "utf8", cwd: import.meta.dirname }).trim();
  try {
    const isClean = git("status", "--porcelain") === "";
    return `${git("rev-parse", "--short", "HEAD")}${isClean ? "" : ", with changes"}`;
  } catch {
    return "unknown";
  }
}

function versionOf(name: string): string {
  const path = fileURLToPath(new URL(`../../node_modules/${name}/package.json`, import.meta.url));
  return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
}

function machine(): string {
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  return `${cpus().length} cores (${cpu?.model.trim()}), ${memory}, Linux ${release()}`;
}

const folder = fileURLToPath(new URL("../results", import.meta.url));

/** A page is made again from its JSON with `node loadtest/report/write.ts FILE.json`. */
if (import.meta.main) {
  for (const file of process.argv.slice(2)) {
    const report = JSON.parse(readFileSync(file, "utf8")) as Report;
    writeFileSync(file.replace(/json$/, "html"), pageOf(report));
  }
}

// --- types ---

export type ReportInput = {
  readonly command: Omit<Command, "store" | "controls" | "talkMs"> & { readonly store: string };
  readonly results: readonly RunResult[];
  readonly startedAt: Date;
  readonly k6Version: string;
  readonly outcome: Outcome;
  readonly target?: Report["target"];
};
