/** G6: a client keeps its session, over connections, nodes and saved pages, until that has ended. */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";
import { copyOf, seatOf } from "./seats.ts";

type Connect = Extract<Fact, { kind: "connect" }>;

/** `livePages`: those that are connected at the end, after everything had the time to come to rest. */
export function checkSessions(history: History, report: Report, livePages: readonly string[]): void {
  const sessions = new Sessions(report);
  for (const { fact } of history.lines) sessions.read(fact);
  sessions.finish();
  sessions.finishCopies(livePages);
}

class Sessions {
  readonly #report: Report;
  /** What each page had last; a page with a saved session begins with that. */
  readonly #held = new Map<string, { readonly session: string; readonly generation: number }>();
  /** The page that is open in each seat, or was last. */
  readonly #pages = new Map<string, string>();
  /** Seats that have a claim to a session: of copies of one page any may go on with it, and one does. */
  readonly #claims = new Map<string, Set<string>>();
  /** Sessions that a page has held and that it has gone away from for good. */
  readonly #left = new Set<string>();
  readonly #ended = new Set<string>();
  readonly #opened = new Set<string>();
  readonly #lost = new Set<string>();
  /** Those of them that have been told of it on this connection. */
  readonly #told = new Set<string>();
  readonly #reset = new Set<string>();
  /** Rooms that a session may not be in any more, until the store has taken them from it. */
  readonly #denied = new Map<string, Extract<Fact, { kind: "denied" }>>();

  constructor(report: Report) {
    this.#report = report;
  }

  read(fact: Fact): void {
    switch (fact.kind) {
      case "page": {
        if (fact.what === "open") this.#open(fact);
        return;
      }
      case "copied":
        this.#copied(fact);
        return;
      case "opened":
        this.#opened.add(fact.session);
        return;
      case "unfenced": {
        const { session, operation, generation, held } = fact;
        this.#report("G6", `${operation} of ${session} was taken from ${generation}, and ${held} holds it`);
        return;
      }
      // From then on its node takes nobody for it, and the others when the store has ended it.
      case "ending":
      case "ended":
      case "overdue":
        this.#ended.add(fact.session);
        return;
      case "reset":
        this.#leave(fact.page);
        this.#held.delete(fact.page);
        this.#reset.add(fact.page);
        return;
      case "denied":
        this.#denied.set(`${fact.session} ${fact.room}`, fact);
        return;
      case "left":
      case "joined":
        this.#denied.delete(`${fact.session} ${fact.room}`);
        return;
      case "connect":
        this.#connect(fact);
        return;
      case "gap":
        if (fact.reason !== "session_lost") return;
        if (!this.#lost.delete(fact.page) && !this.#told.has(fact.page))
          this.#report("G3", `${fact.page} was told that its session is lost, which it is not`);
        this.#told.add(fact.page);
        return;
      case "refused":
        this.#refused(fact);
        return;
      default:
    }
  }

  /** Whoever has lost its session is told so at once. */
  finish(): void {
    for (const page of this.#lost) this.#report("G3", `${page} was not told that its session is lost`);
    this.#lost.clear();
  }

  /** In the end each session has one page. */
  finishCopies(livePages: readonly string[]): void {
    const pages = new Map<string, string>();
    for (const page of livePages) {
      const { session } = this.#held.get(page) ?? { session: "" };
      const other = pages.get(session);
      if (session !== "" && other !== undefined)
        this.#report("G6", `${other} and ${page} both have ${session}`);
      pages.set(session, page);
    }
  }

  #open({ page, from }: Extract<Fact, { kind: "page" }>): void {
    const saved = this.#held.get(from);
    const before = this.#pages.get(seatOf(page));
    this.#pages.set(seatOf(page), page);
    if (saved !== undefined) this.#held.set(page, saved);
    else if (before !== undefined && before !== page) this.#leave(before);
  }

  #copied(copied: Extract<Fact, { kind: "copied" }>): void {
    const held = this.#held.get(copied.page);
    if (held === undefined) return;
    this.#held.set(copyOf(copied), held);
    this.#pages.set(copied.seat, copyOf(copied));
    const claims = this.#claims.get(held.session) ?? new Set([seatOf(copied.page)]);
    this.#claims.set(held.session, claims.add(copied.seat));
  }

  #leave(page: string): void {
    const held = this.#held.get(page);
    if (held !== undefined) this.#left.add(held.session);
  }

  /** Whether a session could be lost: it has ended, or a copy has it, or had it and has gone away with it. */
  #mayLose(session: string): boolean {
    const claims = this.#claims.get(session) ?? [];
    const pages = [...claims].map((seat) => this.#pages.get(seat) ?? "");
    const hasHolder = pages.some((page) => this.#held.get(page)?.session === session);
    return this.#ended.has(session) || hasHolder || (pages.length > 1 && this.#left.has(session));
  }

  #refused({ page, code, detail = "" }: Extract<Fact, { kind: "refused" }>): void {
    // The answer to a hello from before the page forgot its session.
    const isLate = this.#reset.has(page) && detail.includes("does not answer the hello");
    if (!refusals.has(code) && !isLate) this.#report("G8", `${page} was refused with ${code}: ${detail}`);
  }

  #connect({ page, session, resumed, generation }: Connect): void {
    const before = this.#held.get(page);
    this.#held.set(page, { session, generation });
    this.#told.delete(page);
    this.finish();
    for (const denied of this.#denied.values()) {
      if (denied.session === session && resumed)
        this.#report("G6", `${page} is back in ${denied.room}, where it may not be`);
    }
    const name = `${page} ${session}`;
    if (!this.#opened.has(session))
      this.#report("G6", `${name} is connected to a session that nobody opened`);
    if (before === undefined) {
      if (resumed) this.#report("G6", `${name} goes on with a session that it never had`);
      return;
    }
    if (before.session !== session) {
      this.#lost.add(page);
      if (!this.#mayLose(before.session)) this.#report("G6", `${page} lost its session ${before.session}`);
      return;
    }
    if (!resumed) this.#report("G6", `${name} was told that its session is new`);
    if (generation <= before.generation) this.#report("G6", `${name} went back to generation ${generation}`);
  }
}

/** Why a connection may end that has kept to the protocol. */
const refusals: ReadonlySet<string> = new Set(["store_unavailable", "stale_generation"]);
