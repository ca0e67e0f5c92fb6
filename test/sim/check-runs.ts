/** G1: which events were handed to handlers, in which order, and how often. */

import type { Report } from "./checkers.ts";
import type { Emitted } from "./check-outcomes.ts";
import type { Fact, History } from "./history.ts";
import { copyOf } from "./seats.ts";

/** First runs in order, none after the outcome is recorded, none beside another of the same event. */
export function checkRuns(history: History, report: Report, emitted: readonly Emitted[]): void {
  const runs = new Runs(report, emitted);
  for (const { at, fact } of history.lines) runs.read(fact, at);
  for (const emit of emitted) runs.finish(emit);
}

type Run = Extract<Fact, { kind: "run" }>;
type Begun = { readonly id: string; readonly generation: number };

class Runs {
  readonly #report: Report;
  readonly #events: ReadonlyMap<string, Emitted>;
  /** When. */
  readonly #recorded = new Map<string, number>();
  /** By session, then by sequence: which event it was when it ran first, and in which generation. */
  readonly #started = new Map<string, Map<number, Begun>>();
  /** Of each session, the highest sequence that has run. */
  readonly #last = new Map<string, { readonly sequence: number; readonly generation: number }>();
  /** As the node has heard of it that holds the session. */
  readonly #generations = new Map<string, number>();
  /** Sessions that more than one page has a claim to. */
  readonly #copied = new Set<string>();
  readonly #sessions = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #holders = new Map<string, { readonly node: string; readonly since: number }>();
  /** Runs, with the generation in which they began. */
  readonly #underWay = new Map<string, number>();

  constructor(report: Report, emitted: readonly Emitted[]) {
    this.#report = report;
    this.#events = new Map(emitted.map((emit) => [emit.id, emit]));
  }

  read(fact: Fact, at: number): void {
    if (fact.kind === "connect") this.#sessions.set(fact.page, fact.session);
    if (fact.kind === "page" && fact.from !== "")
      this.#sessions.set(fact.page, this.#sessions.get(fact.from) ?? "");
    if (fact.kind === "copied") this.#share(fact);
    if (fact.kind === "resumed") this.#holders.set(fact.session, { node: fact.node.slice(0, 3), since: at });
    if (fact.kind === "holding") this.#generations.set(fact.session, fact.generation);
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
    const generation = this.#generations.get(session) ?? 1;
    const underWay = this.#underWay.get(`${node} ${name}`);
    // The copy of a page has the events that waited in its outbox, and emits them as its own.
    const isCopys = this.#copied.has(session) && underWay !== generation;
    if (underWay !== undefined && !isCopys) this.#report("G1", `${id} ran on ${node} beside itself`);
    this.#underWay.set(`${node} ${name}`, generation);
    // A node that does not know yet that another one holds the session, because it has not been told or does
    // not hear (see `check-beside.ts`). What was on a link when its client went elsewhere is run, what was
    // long in a buffer is not.
    const holder = this.#holders.get(session);
    if (holder !== undefined && holder.node !== node) {
      if (at > holder.since + linkMs)
        this.#report("G1", `${id} ran on ${node}, which lost the session long ago`);
      return;
    }
    if (this.#recorded.has(name)) this.#report("G1", `${id} ran again after its outcome was recorded`);
    if (this.#begins({ session, sequence, id }) && emit?.plan.includes(" aside") !== true)
      this.#inOrder({ session, sequence, id });
  }

  /** Returns whether this is the first run of the event in its session. */
  #begins({ session, sequence, id }: Pick<Run, "session" | "sequence" | "id">): boolean {
    const started = this.#started.get(session) ?? new Map<number, Begun>();
    this.#started.set(session, started);
    const known = started.get(sequence);
    if (known?.id === id) return false;
    const generation = this.#generations.get(session) ?? 1;
    if (known !== undefined) {
      // What a page has begun and not recorded when its session goes to a copy of it is no longer part of the
      // session, and the copy numbers its own events alike.
      if (!this.#copied.has(session) || known.generation === generation)
        this.#report("G1", `sequence ${sequence} ran as ${known.id} and as ${id}`);
      for (const other of started.keys()) if (other >= sequence) started.delete(other);
    }
    started.set(sequence, { id, generation });
    return true;
  }

  #inOrder({ session, sequence, id }: Pick<Run, "session" | "sequence" | "id">): void {
    const generation = this.#generations.get(session) ?? 1;
    const before = this.#last.get(session) ?? { sequence: 0, generation };
    const isHandedOver = this.#copied.has(session) && before.generation < generation;
    if (sequence < before.sequence && !isHandedOver)
      this.#report("G1", `${id} (sequence ${sequence}) ran after sequence ${before.sequence}`);
    if (sequence > before.sequence || isHandedOver) this.#last.set(session, { sequence, generation });
  }

  #share(copied: Extract<Fact, { kind: "copied" }>): void {
    const session = this.#sessions.get(copied.page) ?? "";
    this.#copied.add(session);
    this.#sessions.set(copyOf(copied), session);
  }
}

function leastRuns(plan: string): number {
  const [, retries = "0"] = /^retry:(\d+)/.exec(plan) ?? [];
  return 1 + Number(retries);
}

/** A link stalls for at most 12 s, and a slow one takes 16 s more for what it holds. */
const linkMs = 30_000;
