/**
 * G1 and G4: every emit ends exactly once, in a way that its plan allows, and as the store has recorded it.
 */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";
import { copyOf } from "./seats.ts";

type Settled = Extract<Fact, { kind: "settled" }>;

/** One event of a page, and how it ended. */
export type Emitted = Extract<Fact, { kind: "emit" }> & { readonly settled: Settled[] };

/** `complete`: everything had the time to end. Returns all events with their ends. */
export function checkOutcomes(history: History, report: Report, complete: boolean): Emitted[] {
  const outcomes = new Outcomes(report);
  for (const { fact } of history.lines) outcomes.read(fact);
  if (complete) outcomes.finish();
  return outcomes.all;
}

class Outcomes {
  readonly all: Emitted[] = [];
  readonly #report: Report;
  /**
   * By page, then by the sequence that the event has now. A page with a saved session goes on with its own.
   */
  readonly #pages = new Map<string, Map<number, Emitted>>();
  readonly #successor = new Map<string, string>();
  readonly #gone = new Set<string>();
  /** The first outcome that was recorded for a sequence of a session. */
  readonly #recorded = new Map<string, string>();
  readonly #ended = new Set<string>();
  readonly #reset = new Set<string>();
  readonly #sessions = new Map<string, Set<string>>();

  /** Sessions that more than one page has a claim to. */
  readonly #shared = new Set<string>();
  /**
   * Which event ran last on a node as a sequence of a session, and which one it was when its end was
   * recorded.
   */
  readonly #ran = new Map<string, string>();
  readonly #recordedAs = new Map<string, string>();

  constructor(report: Report) {
    this.#report = report;
  }

  read(fact: Fact): void {
    switch (fact.kind) {
      case "page":
        if (fact.what === "gone") this.#gone.add(fact.page);
        else if (fact.from !== "") this.#goOn(fact.from, fact.page);
        return;
      case "copied":
        this.#fork(fact);
        return;
      case "run":
        this.#ran.set(`${fact.node} ${fact.session} ${fact.sequence}`, fact.id);
        return;
      case "connect":
        this.#sessionsOf(fact.page).add(fact.session);
        return;
      case "emit": {
        const emit = { ...fact, settled: [] };
        this.all.push(emit);
        this.#eventsOf(fact.page).set(fact.sequence, emit);
        return;
      }
      case "renumbered":
        this.#renumber(this.#eventsOf(fact.page), fact.from, fact.to);
        return;
      case "recorded": {
        const name = `${fact.session} ${fact.sequence}`;
        if (this.#recorded.has(name)) return;
        this.#recorded.set(name, fact.status);
        this.#recordedAs.set(name, this.#ran.get(`${fact.node} ${name}`) ?? "");
        return;
      }
      // From then on its node takes nobody for it, and the others when the store has ended it.
      case "ending":
      case "ended":
      case "overdue":
        this.#ended.add(fact.session);
        return;
      case "reset":
        this.#reset.add(fact.page);
        return;
      case "settled":
        this.#settle(fact);
        return;
      default:
    }
  }

  finish(): void {
    for (const { id, page, plan, settled } of this.all) {
      if (settled.length === 0 && !this.#gone.has(this.#lastOf(page)))
        this.#report("G1", `${id} (${plan}) has no end`);
    }
  }

  #goOn(from: string, page: string): void {
    this.#successor.set(from, page);
    this.#pages.set(page, this.#eventsOf(from));
    this.#sessions.set(page, this.#sessionsOf(from));
  }

  /** A copy has all that had no end yet, and sees an end of each of them as well. */
  #fork(copied: Extract<Fact, { kind: "copied" }>): void {
    const copy = copyOf(copied);
    const events = this.#eventsOf(copy);
    for (const [sequence, emit] of this.#eventsOf(copied.page)) {
      if (emit.settled.length > 0) continue;
      const forked = { ...emit, page: copy, settled: [] };
      this.all.push(forked);
      events.set(sequence, forked);
    }
    const sessions = this.#sessionsOf(copied.page);
    const session = [...sessions].at(-1);
    if (session !== undefined) this.#shared.add(session);
    this.#sessions.set(copy, new Set(sessions));
  }

  #lastOf(page: string): string {
    const next = this.#successor.get(page);
    return next === undefined ? page : this.#lastOf(next);
  }

  #renumber(events: Map<number, Emitted>, from: number, to: number): void {
    const emit = events.get(from);
    // A reply has a sequence too, which may be that of an event of an earlier session.
    if (emit === undefined || emit.settled.length > 0) return;
    if (to > from) this.#report("G1", `${emit.id} had sequence ${from} and has ${to}`);
    events.delete(from);
    events.set(to, emit);
  }

  #settle(fact: Settled): void {
    const emit = this.#eventsOf(fact.page).get(fact.sequence);
    const [before] = emit?.settled ?? [];
    // What is settled in a later session under this sequence is a reply, which has one too.
    const isOver = before !== undefined && (before.session !== fact.session || endsSession.has(before.error));
    if (emit === undefined || isOver) return;
    const { id, plan } = emit;
    emit.settled.push(fact);
    const name = `${id} (${plan})`;
    if (emit.settled.length > 1) this.#report("G1", `${name} has ended ${emit.settled.length} times`);
    if (!this.#allows(emit, fact)) this.#report("G1", `${name} has ended with ${fact.error || "success"}`);
    const expected = statusOf(fact.error);
    const recorded = this.#recorded.get(`${fact.session} ${fact.sequence}`) ?? "nothing";
    if (expected !== undefined && recorded !== expected)
      this.#report("G1", `${name} has ended with ${fact.error || "success"}, and ${recorded} is recorded`);
    const ran = this.#recordedAs.get(`${fact.session} ${fact.sequence}`) ?? "";
    if (expected !== undefined && !endsUnrun.has(fact.error) && ran !== "" && ran !== id)
      this.#report("G1", `${name} has ended as ${ran} has, which had its sequence`);
    // Its sequence is used again in the session that follows, perhaps by a reply.
    if (fact.error === "session_lost") this.#eventsOf(fact.page).delete(fact.sequence);
    if (fact.error !== "" || !plan.includes(" reply")) return;
    if (fact.value.replace(/=\d+$/, "") !== `reply:${id}`)
      this.#report("G4", `${name} was answered with ${fact.value}`);
  }

  #allows({ plan }: Emitted, { page, error }: Settled): boolean {
    if (error === "session_lost") {
      const isLost = (session: string) => this.#ended.has(session) || this.#shared.has(session);
      return [...this.#sessionsOf(page)].some(isLost);
    }
    if (error === "session_closed") return this.#reset.has(page);
    return allowedErrors(plan).has(error);
  }

  #eventsOf(page: string): Map<number, Emitted> {
    const events = this.#pages.get(page) ?? new Map<number, Emitted>();
    this.#pages.set(page, events);
    return events;
  }

  #sessionsOf(page: string): Set<string> {
    const sessions = this.#sessions.get(page) ?? new Set<string>();
    this.#sessions.set(page, sessions);
    return sessions;
  }
}

/**
 * What the store has to have recorded before an event may end so; undefined where the client decides alone.
 */
function statusOf(error: string): string | undefined {
  if (error === "") return "ok";
  return endsAtClient.has(error) ? undefined : "rejected";
}

/** The server says so without running anything. */
const endsUnrun: ReadonlySet<string> = new Set(["unhandled_event", "event_too_large"]);

const endsSession: ReadonlySet<string> = new Set(["session_lost", "session_closed"]);

const endsAtClient: ReadonlySet<string> = new Set([
  "expired",
  "operation has timed out",
  "session_lost",
  "session_closed",
  "event_too_large",
  "outbox_full",
]);

function allowedErrors(plan: string): Set<string> {
  const allowed = new Set<string>();
  const [kind = ""] = plan.split(/[: ]/);
  if (plan.includes(" deadline")) allowed.add("expired").add("operation has timed out");
  if (plan.includes(" oversize")) return allowed.add("event_too_large");
  if (plan.includes(" borderline")) allowed.add("event_too_large");
  const certain = certainErrors[kind];
  if (kind === "bulky") allowed.add("reply_too_large");
  if (kind === "hang") allowed.add(plan.includes(" reply") ? "handler_timeout" : "");
  else allowed.add(certain ?? "");
  // Waiting for a store that is slow counts as the handler's time.
  if (plan.includes(" reply") && takesTime.has(kind)) allowed.add("handler_timeout");
  return allowed;
}

const certainErrors: Readonly<Record<string, string>> = {
  throw: "application_error",
  nobody: "unhandled_event",
};

/** A frozen process does not notice that its handler would have been done in time. */
const takesTime = new Set([
  "publish",
  "slow",
  "long",
  "both",
  "others",
  "join",
  "leave",
  "mail",
  "quietly",
  "bothbut",
  "last",
  "after",
  "remail",
  "later",
  "throw",
]);
