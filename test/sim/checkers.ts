/** The verdict over a run, from its history alone. */

import { checkAnswers } from "./check-answers.ts";
import { checkBeside } from "./check-beside.ts";
import { checkAuthorization } from "./check-authorization.ts";
import { checkDelivery } from "./check-delivery.ts";
import { entriesWithTrims } from "./check-streams.ts";
import { checkExpiry } from "./check-expiry.ts";
import { checkEffects } from "./check-effects.ts";
import { checkLimits } from "./check-limits.ts";
import { checkKeys, checkVolatile } from "./check-once.ts";
import { checkOutcomes } from "./check-outcomes.ts";
import { checkRewind } from "./check-rewind.ts";
import { checkRuns } from "./check-runs.ts";
import { checkSessions } from "./check-sessions.ts";
import type { History } from "./history.ts";
import type { Figures } from "./run.ts";
import { quietRoom } from "./usage.ts";
import type { World } from "./world.ts";

export type Violation = { readonly guarantee: string; readonly what: string };

export type Evidence = {
  readonly history: History;
  readonly world: World;
  /** Whether everything had come to rest within the time allowed. */
  readonly settled: boolean;
  readonly figures: readonly Figures[];
};

export function check(evidence: Evidence): Violation[] {
  const violations: Violation[] = [];
  const report = (guarantee: string, what: string) => violations.push({ guarantee, what });
  const { history, world, settled } = evidence;
  for (const { what } of history.of("wrong")) report("uncaught", what);
  for (const { node, page, what } of history.of("written")) report("G2", `${node} to ${page}: ${what}`);
  if (!settled) report("liveness", describeUnsettled(world));
  const { rooms, trims, delivery, usage } = world.plan;
  const pages = settled ? livePages(world) : [];
  const emitted = checkOutcomes(history, report, settled);
  checkRuns(history, report, emitted);
  checkBeside(history, report);
  checkEffects({ history, emitted, rooms, handlerTimeoutMs: delivery.handlerTimeoutMs }, report);
  checkKeys(history, report);
  checkVolatile(history, report);
  checkAnswers({ history, livePages: pages, mayForget: usage.delivery.repliesLimit < 100 }, report);
  const keeping = { entriesPerStream: trims ? entriesWithTrims : undefined };
  if (history.of("rewound").length === 0)
    checkDelivery({ history, keeping, livePages: pages, exceptedRoom: quietRoom }, report);
  else checkRewind({ history, livePages: pages, noticedWithinMs: delivery.sweepIntervalMs + 5_000 }, report);
  checkSessions(history, report, pages);
  checkAuthorization(history, report);
  checkLimits(history, world.plan, report);
  const storedSessions = evidence.figures.flatMap(({ figures }) => figures?.store.sessions ?? []);
  checkExpiry({ history, plan: world.plan, storedSessions, livePages: pages }, report);
  checkRest(evidence, report);
  return violations;
}

function livePages(world: World): string[] {
  return world.seats.flatMap(({ page }) => (page === undefined ? [] : [page.name]));
}

function describeUnsettled(world: World): string {
  const pages = world.seats.map(({ name, page }) =>
    page === undefined
      ? `${name} has no page`
      : `${page.name} connected=${page.socket.connected} pending=${page.pending}`,
  );
  return pages.join(", ");
}

/** Once all is settled and confirmed, next to nothing is remembered. */
function checkRest({ figures, settled, world }: Evidence, report: Report): void {
  if (!settled) return;
  const { suspendedSessionsLimit } = world.plan.delivery;
  for (const { node, figures: found } of figures) {
    if (found === undefined) {
      report("liveness", `${node} does not answer for its figures`);
      continue;
    }
    if (found.suspendedSessions > suspendedSessionsLimit)
      report("G7", `${node} keeps ${found.suspendedSessions} suspended sessions`);
    if (found.runningHandlers > 0) report("G7", `${node} has ${found.runningHandlers} handlers running`);
    // A session whose page has gone for good keeps what it last had, until it expires.
    const { inboxDepth, suspendedSessions } = found;
    if (suspendedSessions === 0 && inboxDepth > 0) report("G7", `${node} remembers ${inboxDepth} outcomes`);
  }
}

export type Report = (guarantee: string, what: string) => void;
