/** G1: which events were handed to handlers, in which order, and how often. */

import type { Report } from "./checkers.ts";
import type { Emitted } from "./check-outcomes.ts";
import type { Fact, History } from "./history.ts";

/** First runs in order, none after the outcome is recorded, none beside another of the same event. */
export function checkRuns(history: History, report: Report, emitted: readonly Emitted[]): void {
  const runs = new Runs(report, emitted);
  for (const { at, fact } of history.lines) runs.read(fact, at);
  for (const emit of emitted) runs.finish(emit);
}

type Run = Extract<Fact, { kind: "run" }>;

class Runs {
  readonly #report: Report;
  readonly #events: ReadonlyMap<string, Emitted>;
  /** When. */
  readonly #recorded = new Map<string, number>();
  /** Which event a sequence of a session was when it ran first. */
  readonly #started = new Map<string, string>();
  readonly #last = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #holders = new Map<string, { readonly node: string; readonly since: number }>();
  readonly #underWay = new Set<string>();
  #copied = false;

  constructor(report: Report, emitted: readonly Emitted[]) {
    this.#report = report;
    this.#events = new Map(emitted.map((emit) => [emit.id, emit]));
  }

  read(fact: Fact, at: number): void {
    if (fact.kind === "copied") this.#copied = true;
    if (fact.kind === "resumed") this.#holders.set(fact.session, { node: fact.node.slice(0, 3), since: at });
    if (fact.kind === "recorded") this.#recorded.set(`${fact.session} ${fact.sequence}`, at);
    if (fact.kind === "rewound") this.#rewound(fact.to);
    if (fact.kind === "ran") this.#underWay.delete(`${fact.node} ${fact.session} ${fact.sequence}`);
    if (fact.kind === "run") this.#run(fact, at);
  }

  /** Success means that it was run, and a handler that asks for retries has been run as often as it wants. */
  finish({ id, plan, settled }: Emitted): void {
    const [end] = settled;
    const count = this.#counts.get(id) ?? 0;
    if (end?.error === "" && count < leastRuns(plan))
      this.#report("G1", `${id} (${plan}) succeeded and ran ${count} times`);
    if (plan.startsWith("nobody") && count > 0) this.#report("G1", `${id} (${plan}) ran`);
  }

  /** An outcome that the store has lost is no reason not to run. */
  #rewound(to: number): void {
    for (const [name, at] of this.#recorded) if (at > to) this.#recorded.delete(name);
  }

  #run({ node, session, sequence, id }: Run, at: number): void {
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
    const emit = this.#events.get(id);
    if (emit === undefined) this.#report("G1", `${id} ran and was never emitted`);
    const name = `${session} ${sequence}`;
    if (this.#underWay.has(`${node} ${name}`)) this.#report("G1", `${id} ran on ${node} beside itself`);
    this.#underWay.add(`${node} ${name}`);
    // A node that does not know yet that another one holds the session: there is no word between nodes so
    // far. What was still on a link when its client went elsewhere is run, what was long in a buffer is not.
    const holder = this.#holders.get(session);
    if (holder !== undefined && holder.node !== node) {
      if (at > holder.since + linkMs)
        this.#report("G1", `${id} ran on ${node}, which lost the session long ago`);
      return;
    }
    if (this.#recorded.has(name)) this.#report("G1", `${id} ran again after its outcome was recorded`);
    const known = this.#started.get(name);
    // What a page has begun that then loses its session to a copy of it is not recorded, and the copy numbers
    // its own events alike.
    if (known !== undefined && known !== id && !this.#copied)
      this.#report("G1", `sequence ${sequence} ran as ${known} and as ${id}`);
    if (known !== undefined) return;
    this.#started.set(name, id);
    if (emit?.plan.includes(" aside") === true) return;
    const line = this.#copied ? `${session} ${emit?.page ?? ""}` : session;
    const before = this.#last.get(line) ?? 0;
    if (sequence < before) this.#report("G1", `${id} (sequence ${sequence}) ran after sequence ${before}`);
    this.#last.set(line, Math.max(before, sequence));
  }
}

function leastRuns(plan: string): number {
  const [, retries = "0"] = /^retry:(\d+)/.exec(plan) ?? [];
  return 1 + Number(retries);
}

/** A link stalls for at most 12 s, and a slow one takes 16 s more for what it holds. */
const linkMs = 30_000;
