/**
 * Sessions that end because nobody was there: not before their time, not long after it, and never with an
 * event that was not sent yet.
 */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";
import type { Plan } from "./plan.ts";

export type ExpiryEvidence = {
  readonly history: History;
  readonly plan: Plan;
  /** Sessions that the store has at the end, as each process says. */
  readonly storedSessions: readonly number[];
  readonly livePages: readonly string[];
};

export function checkExpiry(evidence: ExpiryEvidence, report: Report): void {
  const { history, plan, storedSessions, livePages } = evidence;
  const { sessionLifeMs } = plan.hazards;
  checkUnsent(history, report);
  // Where clocks differ, or a process that stands still keeps nobody's session, life is what they make of it.
  const isByTheClock = plan.skewMs === 0 && !plan.faults.some((kind) => disturbing.has(kind));
  if (sessionLifeMs === undefined || !isByTheClock) return;
  checkTooEarly(history, leastMs(plan, sessionLifeMs), report);
  if (livePages.length === 0 || sessionLifeMs > shortLifeMs) return;
  for (const stored of storedSessions) {
    if (stored > livePages.length)
      report("G7", `${stored} sessions are stored, of ${livePages.length} pages`);
  }
}

/** So long at the least after its client was heard a session is there, sweeps and a slow store deducted. */
function leastMs(plan: Plan, sessionLifeMs: number): number {
  const { faults, storeLatencyMs, delivery } = plan;
  const storeMs = faults.some((kind) => kind.startsWith("store")) ? storeTroubleMs : 1_000;
  const touchMs = sessionLifeMs / 4 + Math.min(sessionLifeMs / 4, delivery.sweepIntervalMs);
  return sessionLifeMs - touchMs - storeMs - 4 * storeLatencyMs;
}

function checkTooEarly(history: History, least: number, report: Report): void {
  const heard = new Map<string, number>();
  const connected = new Map<string, { readonly session: string; readonly since: number }>();
  let faultAt = 0;
  for (const { at, fact } of history.lines) {
    if (fact.kind === "fault" || fact.kind === "node") faultAt = at;
    if (fact.kind === "connect") connected.set(fact.page, { session: fact.session, since: at });
    if (fact.kind === "disconnect" || fact.kind === "page") connected.delete(fact.page);
    if (fact.kind === "opened" || fact.kind === "resumed" || fact.kind === "run") heard.set(fact.session, at);
    const isOver = fact.kind === "overdue" || (fact.kind === "ended" && fact.why === "expired");
    if (!isOver) continue;
    const sinceMs = Math.round(at - (heard.get(fact.session) ?? 0));
    const page = [...connected.entries()].find(([, { session }]) => session === fact.session);
    if (page !== undefined && at - Math.max(faultAt, page[1].since) > quietMs)
      report("G6", `${fact.session} has expired, and ${page[0]} is connected`);
    if (sinceMs < least) report("G6", `${fact.session} has expired ${sinceMs} ms after it was heard`);
  }
}

/** What was emitted without a connection has no unknown outcome: it goes on in the session that follows. */
function checkUnsent(history: History, report: Report): void {
  const connected = new Set<string>();
  /** By page: sequences that no connection can have carried yet. */
  const unsent = new Map<string, Set<number>>();
  for (const { fact } of history.lines) {
    if (!("page" in fact)) continue;
    const { page } = fact;
    if (fact.kind === "emit" && !connected.has(page))
      unsent.set(page, (unsent.get(page) ?? new Set()).add(fact.sequence));
    else if (fact.kind === "connect") connected.add(page);
    else if (fact.kind === "disconnect") {
      connected.delete(page);
      unsent.delete(page);
    } else if (fact.kind === "settled") checkSettled(fact, unsent.get(page), report);
  }
}

/** A loss is told right after the welcome, with the sequences of the session that is lost. */
function checkSettled(
  { page, sequence, error }: Extract<Fact, { kind: "settled" }>,
  unsent: Set<number> | undefined,
  report: Report,
): void {
  if (error === "session_lost" && unsent?.has(sequence) === true)
    report("G1", `sequence ${sequence} of ${page} was lost with its session, and was never sent`);
}

const disturbing: ReadonlySet<string> = new Set([
  "clockJump",
  "freezeNode",
  "freezePage",
  "storeRewinds",
  "storeRewindsSilently",
]);
/** A store may be slow for 4 s, refuse for 4 s, and be full for 13 s. */
const storeTroubleMs = 15_000;
/** Whatever looks connected when nothing has gone wrong for so long is connected, or has woken up. */
const quietMs = 30_000;
/** Of sessions that live so long none is left, unless its page is there, when a run is over. */
const shortLifeMs = 12_000;
