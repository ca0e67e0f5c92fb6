/** G6: a client keeps its session, over connections, nodes and saved pages, until that has ended. */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";

type Connect = Extract<Fact, { kind: "connect" }>;

export function checkSessions(history: History, report: Report): void {
  const sessions = new Sessions(report);
  for (const { fact } of history.lines) sessions.read(fact);
}

class Sessions {
  readonly #report: Report;
  /** What each page had last; a page with a saved session begins with that. */
  readonly #held = new Map<string, { readonly session: string; readonly generation: number }>();
  readonly #ended = new Set<string>();
  readonly #opened = new Set<string>();
  readonly #lost = new Set<string>();

  constructor(report: Report) {
    this.#report = report;
  }

  read(fact: Fact): void {
    switch (fact.kind) {
      case "page": {
        const saved = this.#held.get(fact.from);
        if (fact.what === "open" && saved !== undefined) this.#held.set(fact.page, saved);
        return;
      }
      case "opened":
        this.#opened.add(fact.session);
        return;
      case "ended":
        this.#ended.add(fact.session);
        return;
      case "reset":
        this.#held.delete(fact.page);
        return;
      case "connect":
        this.#connect(fact);
        return;
      case "gap":
        if (fact.reason === "session_lost" && !this.#lost.has(fact.page))
          this.#report("G3", `${fact.page} was told that its session is lost, which it is not`);
        return;
      case "refused":
        if (!refusals.has(fact.code))
          this.#report("G8", `${fact.page} was refused with ${fact.code}: ${fact.detail ?? ""}`);
        return;
      default:
    }
  }

  #connect({ page, session, resumed, generation }: Connect): void {
    const before = this.#held.get(page);
    this.#held.set(page, { session, generation });
    this.#lost.delete(page);
    const name = `${page} ${session}`;
    if (!this.#opened.has(session))
      this.#report("G6", `${name} is connected to a session that nobody opened`);
    if (before === undefined) {
      if (resumed) this.#report("G6", `${name} goes on with a session that it never had`);
      return;
    }
    if (before.session !== session) {
      this.#lost.add(page);
      if (!this.#ended.has(before.session)) this.#report("G6", `${page} lost its session ${before.session}`);
      return;
    }
    if (!resumed) this.#report("G6", `${name} was told that its session is new`);
    if (generation <= before.generation) this.#report("G6", `${name} went back to generation ${generation}`);
  }
}

/** Why a connection may end that has kept to the protocol. */
const refusals: ReadonlySet<string> = new Set(["store_unavailable", "stale_generation"]);
