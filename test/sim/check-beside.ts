/**
 * G1: an event is not run by one node while another one runs it, or after it has, as long as the nodes that
 * had the session can hear each other. Excused is what happens when one of them is gone, stands still, or is
 * not heard: then the event runs again, and that is what the deadlines are for.
 */

import type { Report } from "./checkers.ts";
import type { Fact, History } from "./history.ts";
import { copyOf } from "./seats.ts";

export function checkBeside(history: History, report: Report): void {
  const beside = new Beside(report);
  for (const { at, fact } of history.lines) beside.read(fact, at);
}

type Run = Extract<Fact, { kind: "run" }>;
type Begun = { readonly id: string; readonly node: string; readonly at: number };

class Beside {
  readonly #report: Report;
  /** By session and sequence: the runs that are under way, or whose handlers are done. */
  readonly #runs = new Map<string, Begun[]>();
  readonly #holders = new Map<string, { readonly node: string; readonly at: number }[]>();
  /** By node: until when it is known to be no good to others. */
  readonly #silentUntil = new Map<string, number>();
  #storeFailsUntil = 0;
  #rewoundAt = Number.NEGATIVE_INFINITY;
  /** Sessions that have had more than one page. */
  readonly #shared = new Set<string>();
  readonly #sessions = new Map<string, string>();

  constructor(report: Report) {
    this.#report = report;
  }

  read(fact: Fact, at: number): void {
    switch (fact.kind) {
      case "connect":
        this.#sessions.set(fact.page, fact.session);
        return;
      case "page":
        // What the page before had begun can publish nothing any more, and is run again.
        if (fact.from !== "") this.#shared.add(this.#sessions.get(fact.from) ?? "");
        return;
      case "copied":
        this.#shared.add(this.#sessions.get(fact.page) ?? "");
        this.#sessions.set(copyOf(fact), this.#sessions.get(fact.page) ?? "");
        return;
      case "resumed":
        this.#holdersOf(fact.session).push({ node: fact.node.slice(0, 3), at });
        return;
      case "frozen":
        this.#silence(fact.process, fact.until);
        return;
      case "node":
        if (fact.what === "crash" || fact.what === "closed")
          this.#silence(fact.node, Number.POSITIVE_INFINITY);
        return;
      case "word":
        if (fact.what === "unheard") this.#silence(fact.node, at);
        return;
      case "fault":
        if (/^store(Slow|Refuses|Full)$/.test(fact.what))
          this.#storeFailsUntil = Math.max(this.#storeFailsUntil, at + Number.parseInt(fact.detail, 10));
        return;
      case "rewound":
        this.#rewoundAt = at;
        this.#storeFailsUntil = Math.max(this.#storeFailsUntil, at);
        return;
      case "full":
        this.#storeFailsUntil = Math.max(this.#storeFailsUntil, at);
        return;
      case "run":
        this.#run(fact, at);
        return;
      // It is to run again: its handler has failed, or asks for it.
      case "ran":
        if (fact.how !== "done") this.#forget(fact);
        return;
      default:
    }
  }

  #run({ node, session, sequence, id }: Run, at: number): void {
    const name = `${session} ${sequence}`;
    const runs = this.#runs.get(name) ?? [];
    const isShared = this.#shared.has(session);
    for (const before of runs) {
      if (before.node === node || before.id !== id) continue;
      if (isShared || this.#excuses(session, before.at, [before.node, node])) continue;
      this.#report("G1", `${id} ran on ${node}, and on ${before.node}, which is alive and can be heard`);
    }
    const holder = this.#holdersOf(session).at(-1);
    const isLost = holder !== undefined && holder.node !== node && at > holder.at + toldMs;
    if (isLost && !isShared && !this.#excuses(session, holder.at, [node]))
      this.#report("G1", `${id} ran on ${node}, which had been told that ${holder.node} has the session`);
    this.#runs.set(name, [...runs, { id, node, at }]);
  }

  /** Whether something has kept the nodes from hearing each other since then. */
  #excuses(session: string, since: number, nodes: readonly string[]): boolean {
    if (this.#storeFailsUntil >= since) return true;
    // The store may have forgotten that this node has held the session, and name another to ask.
    const lastHeld = this.#holdersOf(session).findLast(({ node }) => node === nodes[0])?.at ?? 0;
    if (lastHeld <= this.#rewoundAt) return true;
    const all = [...this.#holdersOf(session).map((holder) => holder.node), ...nodes];
    return all.some((node) => (this.#silentUntil.get(node) ?? 0) >= since);
  }

  #holdersOf(session: string): { readonly node: string; readonly at: number }[] {
    const holders = this.#holders.get(session) ?? [];
    this.#holders.set(session, holders);
    return holders;
  }

  #forget({ node, session, sequence }: Extract<Fact, { kind: "ran" }>): void {
    const name = `${session} ${sequence}`;
    this.#runs.set(
      name,
      (this.#runs.get(name) ?? []).filter((run) => run.node !== node),
    );
  }

  #silence(node: string, until: number): void {
    this.#silentUntil.set(node, Math.max(this.#silentUntil.get(node) ?? 0, until));
  }
}

/** A word takes two ways through a store that is not slow, and the first one goes with a resume. */
const toldMs = 1_000;
