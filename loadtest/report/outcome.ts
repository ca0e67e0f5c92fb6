/** The outcome of a run, in one word, one sentence and an exit code. */

import { type faultNames, holds, type Verdict } from "../ledger/verdict.ts";
import type { RunResult } from "../run.ts";
import { kindTitles } from "./report.ts";
import { grouped } from "./text.ts";

export function outcomeOf(results: readonly RunResult[], title: string, name = "Holdfast"): Outcome {
  const objections = results.flatMap((result) =>
    objectionsOf(result).map((text) => `${kindTitles[result.kind]}: ${text}`),
  );
  const verdict = results[0]?.judgement?.verdict;
  const outcome = (exitCode: Outcome["exitCode"], word: Outcome["word"], sentence: string): Outcome => ({
    exitCode,
    word,
    sentence,
    objections,
  });
  if (results.some(({ interrupted }) => interrupted))
    return {
      exitCode: 2,
      word: "interrupted",
      sentence: "The run was interrupted: there is no verdict.",
      objections: [],
    };
  if (verdict === undefined) return outcome(2, "invalid", "The run is invalid: nothing was judged.");
  const found = `${name} ${countsOf(verdict)} while ${title}${reportedOf(verdict)}`;
  if (isBroken(verdict)) return outcome(1, "broken", `${found}.`);
  if (objections.length > 0) {
    const why = objections.length === 1 ? "one reason" : `${objections.length} reasons`;
    const still = undeliveredOf(verdict);
    // What a slow machine excuses, somebody should look at all the same.
    const rest = still === 0 ? "" : `, but ${grouped(still)} messages of Holdfast had not come at its end`;
    return outcome(2, "invalid", `The run is invalid, for ${why}: it proves nothing${rest}.`);
  }
  if (!holds(verdict)) return outcome(1, "broken", `${found}; ${lateOf(verdict)}.`);
  return outcome(0, "holds", `${found}${comparison(results.slice(1))}.`);
}

/** "lost 0, duplicated 0 and reordered 0 of 12,345 messages". */
function countsOf({ toClients, toServers }: Verdict): string {
  const total = (name: (typeof faultNames)[number]) => grouped(toClients[name] + toServers[name]);
  const owed = grouped(toClients.owed + toServers.owed);
  return `lost ${total("lost")}, duplicated ${total("duplicated")} and reordered ${total("reordered")} of ${owed} messages`;
}

function reportedOf({ toClients: { reported } }: Verdict): string {
  return reported === 0 ? "" : `; ${grouped(reported)} that were no longer kept were reported as gaps`;
}

function comparison(controls: readonly RunResult[]): string {
  const texts = controls.flatMap(({ kind, judgement }) => {
    if (judgement === undefined) return [];
    const { toClients, toServers } = judgement.verdict;
    const duplicated = toClients.duplicated + toServers.duplicated;
    const doubled = duplicated === 0 ? "" : ` and duplicated ${grouped(duplicated)}`;
    return [`${kindTitles[kind]} lost ${grouped(toClients.lost + toServers.lost)}${doubled}`];
  });
  return texts.map((text) => `; ${text}`).join("");
}

function lateOf({ toClients, toServers }: Verdict): string {
  const late = `${grouped(toClients.late + toServers.late)} came late, ${grouped(toServers.unanswered)} had no reply`;
  const still = undeliveredOf({ toClients, toServers });
  return still === 0 ? late : `${late}, ${grouped(still)} were still to come`;
}

function undeliveredOf({ toClients, toServers }: Pick<Verdict, "toClients" | "toServers">): number {
  return toClients.undelivered + toServers.undelivered;
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

// --- types ---

export type Outcome = {
  /** 0 holds, 1 a guarantee is broken, 2 the run proves nothing. */
  readonly exitCode: 0 | 1 | 2;
  readonly word: "holds" | "broken" | "invalid" | "interrupted";
  readonly sentence: string;
  readonly objections: readonly string[];
};
