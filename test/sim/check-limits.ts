/** G7: no table of a process or the store is ever above its limit. */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";
import type { Plan } from "./plan.ts";

export function checkLimits(history: History, plan: Plan, report: Report): void {
  const { windowEvents, suspendedSessionsLimit } = plan.delivery;
  const { outboxLimit } = plan.usage;
  const { repliesLimit, eventCharactersLimit } = plan.usage.delivery;
  for (const { fact } of history.lines) {
    if (fact.kind === "figures") {
      const { sessions, suspendedSessions, inboxDepth } = fact.figures;
      const { waitingReplies, storedSessions, outcomes, waitingOperations } = fact.figures;
      // An upload is counted beside its run.
      const inbox = 2 * 2 * windowEvents;
      // Sessions whose events are not recorded yet stay: the next process would run them a second time.
      const most: readonly (readonly [string, number, number])[] = [
        ["suspended sessions", suspendedSessions, suspendedSessionsLimit + inboxDepth],
        ["remembered events", inboxDepth, inbox * sessions],
        ["waiting callbacks", waitingReplies, repliesLimit],
        ["stored outcomes", outcomes, (inbox + forgetStep) * storedSessions],
        ["waiting writes", waitingOperations, queueLimit],
      ];
      for (const [what, number, limit] of most)
        if (number > limit) report("G7", `${fact.node} has ${number} ${what}, and ${limit} are allowed`);
    }
    if (fact.kind === "untaken")
      checkUntaken(fact, { outboxLimit, eventCharactersLimit, givesUp: plan.deadlines > 0 }, report);
  }
}

/** What a client does not take it refuses for a reason. */
function checkUntaken(
  { page, id, error, pending, characters }: Extract<Fact, { kind: "untaken" }>,
  limits: {
    readonly outboxLimit: number;
    readonly eventCharactersLimit: number;
    readonly givesUp: boolean;
  },
  report: Report,
): void {
  const name = `${page} did not take ${id}`;
  switch (error) {
    case "outbox_full":
      // What was given up keeps its place until the server knows.
      if (pending < (limits.givesUp ? 0 : limits.outboxLimit))
        report("G7", `${name}: full with ${pending} events`);
      return;
    case "event_too_large":
      if (characters + argumentsCharacters < limits.eventCharactersLimit)
        report("G7", `${name}: too large with ${characters} characters`);
      return;
    default:
      report("G7", `${name}: ${error}`);
  }
}

/** A store forgets what a client has confirmed once there is so much of it. */
const forgetStep = 32;
/** Of the simulation's stores. */
const queueLimit = 10_000;
/** At most what stands around the text of an event: its name, its id and its plan. */
const argumentsCharacters = 200;
