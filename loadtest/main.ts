/**
 * `npm run loadtest -- SCENARIO [--control KIND]... [--clients N] [--rate R] [--seed S] [--raw]
 * [--store sqlite|redis]`, or with `--target URL` against servers that are there already
 *
 * Exit code 0: Holdfast kept its guarantees. 1: it broke one. 2: the run proves nothing.
 */

import { whyNoSite } from "../test/deploy/site.ts";
import { Scope } from "../test/harness/owner.ts";
import { type Command, readCommands, UsageError } from "./command-line.ts";
import type { Kind } from "./contract.ts";
import { provideK6 } from "./k6/binary.ts";
import { holds } from "./ledger/verdict.ts";
import { outcomeOf } from "./report/outcome.ts";
import { readReports, tableOf } from "./report/table.ts";
import { resultPath, writeReport } from "./report/write.ts";
import { ProgressLine } from "./progress-line.ts";
import { isForTarget, readTargetCommand } from "./target/command.ts";
import { performTarget } from "./target/perform.ts";
import { type RunResult, runOnce } from "./run.ts";

const args = process.argv.slice(2);
const target = isForTarget(args) ? orExit(() => readTargetCommand(args, process.env)) : undefined;
const commands = target === undefined ? orExit(() => readCommands(args)) : [];
if (target === undefined && whyNoSite !== undefined)
  fail(`The load test needs a machine to load: ${whyNoSite}`);
const line = new ProgressLine();
const k6 = await provideK6((text) => line.tell(text)).catch((error: unknown) => fail(String(error)));

const interruption = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (interruption.signal.aborted) process.exit(2);
    line.print("interrupted: writing what is known, ending what was started");
    interruption.abort();
  });
}

if (target !== undefined)
  process.exit(await performTarget(target, { k6, line, signal: interruption.signal }));
const exitCodes: number[] = [];
const reportFiles: string[] = [];
for (const command of commands) {
  if (interruption.signal.aborted) break;
  exitCodes.push(await perform(command));
}
if (reportFiles.length > 1) console.log(tableOf(readReports(reportFiles)));
// A guarantee that is broken weighs more than a run that proves nothing.
process.exit(exitCodes.includes(1) ? 1 : Math.max(...exitCodes));

/** Holdfast first, then its controls, and the report on all of them. */
async function perform(command: Command): Promise<number> {
  const startedAt = new Date();
  const results: RunResult[] = [];
  for (const kind of ["holdfast", ...command.controls] as const) {
    if (!interruption.signal.aborted) results.push(await runKind(command, kind, startedAt));
  }
  const outcome = outcomeOf(results, command.scenario.title);
  const files = writeReport({ command, results, startedAt, k6Version: k6.version, outcome });
  reportFiles.push(...files.filter((file) => file.endsWith(".json")));
  line.end();
  console.log(`${outcome.word}: ${outcome.sentence}`);
  for (const text of [...outcome.objections, ...files.map((file) => `written: ${file}`)]) console.log(text);
  return outcome.exitCode;
}

async function runKind(command: Command, kind: Kind, startedAt: Date): Promise<RunResult> {
  const scope = new Scope();
  const { clients, rate, seed, store, raw, talkMs } = command;
  const scenario = { ...command.scenario, talkMs };
  try {
    const result = await runOnce(scope, {
      scenario,
      kind,
      clients,
      rate,
      seed,
      store,
      raw,
      k6Path: k6.path,
      evidenceFile: `${resultPath(scenario.name, startedAt)}.evidence.json.gz`,
      signal: interruption.signal,
      tell: (text) => line.tell(`${scenario.name}, ${kind}: ${text}`),
    });
    if (result.failure !== undefined) await scope.show();
    const { verdict } = result.judgement ?? {};
    if (kind === "holdfast" && verdict !== undefined && !holds(verdict))
      line.print(verdict.examples.join("\n"));
    return result;
  } finally {
    await scope.end();
  }
}

function orExit<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UsageError) fail(error.message);
    throw error;
  }
}

function fail(reason: string): never {
  console.error(reason);
  process.exit(2);
}
