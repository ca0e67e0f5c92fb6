/** What a run against a target has shown, what it could not show, and how often clients reconnected. */

import type { RunResult } from "../run.ts";
import { type Outcome, outcomeOf } from "../report/outcome.ts";
import type { Scenario } from "../scenarios/scenario.ts";

export function targetOutcome(run: RunResult, { scenario, url }: About): TargetOutcome {
  const outcome = outcomeOf([run], scenario.title, new URL(url).host);
  const reconnects = run.judgement?.course.reconnects ?? [];
  return { ...outcome, remarks: remarksOf(run), reconnectsMax: Math.max(0, ...reconnects) };
}

function remarksOf({ judgement, kind }: RunResult): readonly string[] {
  if (judgement === undefined) return [];
  const { course, emissionLagMs, handlersReported, verdict } = judgement;
  const { reconnects, absenceMs, downgrades } = course;
  const often = Math.max(0, ...reconnects);
  const spared = reconnects.filter((count) => count === 0).length;
  const away = absenceMs.count === 0 ? "" : `, away for ${Math.round(absenceMs.max)} ms at most`;
  return [
    often === 0
      ? "No client lost its connection: whatever was done to the servers, if anything was, did not reach them."
      : `Clients reconnected ${often} ${often === 1 ? "time" : "times"} at most, ${spared} of ${reconnects.length} never${away}.`,
    ...(handlersReported
      ? []
      : [
          "Not judged: how often handlers ran, and whether under the same key, because no server reported to the ledger. " +
            "What they published shows what was lost or done twice.",
        ]),
    ...(emissionLagMs.p99 > 250
      ? [
          `This machine was busy: clients emitted up to ${Math.round(emissionLagMs.p99)} ms late, so latencies say little.`,
        ]
      : []),
    ...(verdict.toServers.reruns > 0
      ? [`${verdict.toServers.reruns} handlers ran again elsewhere under their key, as after a kill.`]
      : []),
    ...(verdict.gapsReported > 0
      ? [
          `${verdict.gapsReported} gaps were reported; entries in them count as lost where their place is not known.`,
        ]
      : []),
    ...(kind === "holdfast" && downgrades > 0
      ? [`To ${downgrades} clients the server was plain Socket.IO, which promises none of this.`]
      : []),
  ];
}

// --- types ---

type About = { readonly scenario: Scenario; readonly url: string };

export type TargetOutcome = Outcome & {
  /** What a reader has to know beside the verdict: reconnects, and what could not be judged. */
  readonly remarks: readonly string[];
  /** Of the client that lost its connection most often. */
  readonly reconnectsMax: number;
};
