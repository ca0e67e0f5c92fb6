/** Carries out a command with a `--target`: one run, its verdict and its report. */

import { Scope } from "../../test/harness/owner.ts";
import type { K6 } from "../k6/binary.ts";
import type { ProgressLine } from "../progress-line.ts";
import { resultPath, writeReport } from "../report/write.ts";
import type { TargetCommand } from "./command.ts";
import { TargetRun, type TargetResult } from "./run-target.ts";

/** Resolves with the exit code. */
export async function performTarget(
  command: TargetCommand,
  { k6, line, signal }: { readonly k6: K6; readonly line: ProgressLine; readonly signal: AbortSignal },
): Promise<number> {
  const scope = new Scope();
  const startedAt = new Date();
  const { scenario, url, text, seed, clients, rate } = command;
  try {
    const run = new TargetRun(scope, {
      ...command,
      k6Path: k6.path,
      evidenceFile: `${resultPath(scenario.name, startedAt)}.evidence.json.gz`,
      tell: (told) => line.tell(`${scenario.name}, ${url}: ${told}`),
    });
    const { outcome, run: result } = await resultOf(run, signal);
    const files = writeReport({
      command: { scenario, text, seed, clients, rate, raw: false, store: "" },
      results: [result],
      startedAt,
      k6Version: k6.version,
      outcome,
      target: { url, remarks: outcome.remarks },
    });
    line.end();
    console.log(`${outcome.word}: ${outcome.sentence}`);
    const written = files.map((file) => `written: ${file}`);
    for (const told of [...outcome.objections, ...outcome.remarks, ...written]) console.log(told);
    if (outcome.exitCode === 1) console.log(result.judgement?.verdict.examples.join("\n") ?? "");
    return outcome.exitCode;
  } catch (error) {
    line.end();
    // Clients that are not let in prove nothing.
    console.error(`invalid: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  } finally {
    await scope.end();
  }
}

async function resultOf(run: TargetRun, signal: AbortSignal): Promise<TargetResult> {
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
  const whole = run.begin().then(async () => await run.result());
  const result = await Promise.race([whole, stopped]);
  if (result !== undefined) return result;
  // What it waits for ends with its owner, and nobody asks for it any more.
  whole.catch(() => undefined);
  return await run.judge(true);
}
