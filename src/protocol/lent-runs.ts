/**
 * What this process still runs of sessions that have gone on elsewhere: events that had begun here, and
 * answers that were brought from there. Whoever holds the session now is told what runs, that it still runs,
 * and how it ended: the outcome is for the new holder to record, because a write of the old one is refused.
 *
 * - getters: `size`, `running`, `isTaken`, `knows`;
 * - inputs: `handleLeft`, `handleTaken`, `lend`, `handleEnded`, `handleTimeout`;
 * - outputs: words and whom they are for, returned by the inputs.
 */

import { type Claimed, judge, unclaimed } from "./holder.ts";
import type { InboxOutcome } from "./inbox.ts";
import type { NodeWord, TakeWord } from "./node-words.ts";

export type WordFor = { readonly to: string; readonly word: NodeWord };

/** A session as it was here when it went on elsewhere. */
export type Leaving = {
  readonly claimed: Pick<Claimed, "holder" | "heard" | "low" | "last">;
  /** What has begun and is not known to be recorded. */
  readonly running: readonly number[];
  /** Processes that were still waited for here. */
  readonly ask: readonly string[];
};

type End = Pick<InboxOutcome, "status" | "body"> | "none";

type Lent = {
  namespace: string;
  claimed: Leaving["claimed"];
  ask: readonly string[];
  /** How each run has ended; undefined while it runs. */
  readonly runs: Map<number, End | undefined>;
  holder: { readonly node: string; readonly since: number } | undefined;
  /** The highest generation that another process was heard to hold it in. */
  taken: number;
  changedAt: number;
};

export class LentRuns {
  /** The one that changed last stands last. */
  readonly #sessions = new Map<string, Lent>();
  readonly #limit: number;
  #saidAt = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly limit: number }) {
    this.#limit = options.limit;
  }

  /** Sessions that are remembered. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Runs that have not ended. */
  get running(): number {
    let running = 0;
    for (const { runs } of this.#sessions.values())
      for (const end of runs.values()) if (end === undefined) running += 1;
    return running;
  }

  knows(session: string): boolean {
    return this.#sessions.has(session);
  }

  /** Whether another process is known to hold the session in a later generation. */
  isTaken(session: string, generation: number): boolean {
    return (this.#sessions.get(session)?.taken ?? 0) > generation;
  }

  /** The session has ended here and goes on elsewhere. */
  handleLeft(
    now: number,
    at: { readonly namespace: string; readonly session: string },
    leaving: Leaving,
  ): void {
    const { claimed, running, ask } = leaving;
    if (running.length === 0 && ask.length === 0 && !this.knows(at.session)) return;
    const lent = this.#change(now, at);
    lent.claimed = claimed;
    lent.ask = ask;
    for (const sequence of running) lent.runs.set(sequence, undefined);
  }

  /** Another process holds the session now, or this one again, and asks what runs. */
  handleTaken(now: number, from: string, word: TakeWord): WordFor[] {
    const { namespace, session, generation: since, low } = word;
    if (this.isTaken(session, since)) return [];
    const lent = this.#change(now, word);
    lent.taken = since;
    lent.holder = { node: from, since };
    // What another life of the client had begun is no longer part of the session; its numbers are used anew.
    if (judge({ ...unclaimed, ...lent.claimed }, word) !== "goes on") {
      lent.runs.clear();
      lent.ask = [];
    }
    const known = [...lent.runs].filter(([sequence]) => sequence >= low);
    const sequences = known.map(([sequence]) => sequence);
    const { ask } = lent;
    const held = { kind: "held", namespace, session, since, sequences, ask } as const;
    const ended = known.flatMap(([sequence, end]) => this.#done(session, lent, sequence, end));
    return [{ to: from, word: held }, ...ended];
  }

  /**
   * An answer was brought from the process that holds the session. Returns whether it is new here; what
   * becomes of one that is not is said again.
   */
  lend(
    now: number,
    to: string,
    at: { namespace: string; session: string; since: number; sequence: number },
  ): "new" | readonly WordFor[] {
    const { session, since, sequence } = at;
    const lent = this.#change(now, at);
    if (since >= lent.taken) lent.holder = { node: to, since };
    if (lent.runs.has(sequence)) return this.#done(session, lent, sequence, lent.runs.get(sequence));
    lent.runs.set(sequence, undefined);
    return "new";
  }

  /** A run has ended. Without an outcome the event is to be run again. */
  handleEnded(now: number, session: string, sequence: number, outcome: InboxOutcome | undefined): WordFor[] {
    const lent = this.#sessions.get(session);
    if (lent === undefined || !lent.runs.has(sequence)) return [];
    this.#change(now, { namespace: lent.namespace, session });
    const end = outcome === undefined ? "none" : { status: outcome.status, body: outcome.body };
    lent.runs.set(sequence, end);
    return this.#done(session, lent, sequence, end);
  }

  /** Says that it lives to everyone who waits, and forgets what nobody has asked for in time. */
  handleTimeout(now: number): WordFor[] {
    const waiting = new Set<string>();
    for (const [session, { runs, holder, changedAt }] of this.#sessions) {
      const isRunning = [...runs.values()].includes(undefined);
      if (!isRunning && now - changedAt >= keptMs) this.#sessions.delete(session);
      if (isRunning && holder !== undefined) waiting.add(holder.node);
    }
    if (waiting.size === 0 || now - this.#saidAt < aliveMs) return [];
    this.#saidAt = now;
    return [...waiting].map((to) => ({ to, word: { kind: "alive" } }));
  }

  #done(session: string, lent: Lent, sequence: number, end: End | undefined): WordFor[] {
    const { namespace, holder } = lent;
    if (holder === undefined || end === undefined) return [];
    const { node: to, since } = holder;
    const outcome = end === "none" ? {} : { outcome: end };
    return [{ to, word: { kind: "done", namespace, session, since, sequence, ...outcome } }];
  }

  /** The session's entry, made where there is none. */
  #change(now: number, at: { readonly namespace: string; readonly session: string }): Lent {
    const { namespace, session } = at;
    const lent = this.#sessions.get(session) ?? {
      namespace,
      claimed: { holder: undefined, heard: 0, low: 0, last: 0 },
      ask: [],
      runs: new Map<number, End | undefined>(),
      holder: undefined,
      taken: 0,
      changedAt: now,
    };
    lent.changedAt = now;
    this.#sessions.delete(session);
    this.#sessions.set(session, lent);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= this.#limit) break;
      this.#sessions.delete(oldest);
    }
    return lent;
  }
}

/** The one who waits gives up after three of them. */
const aliveMs = 1_000;
/** A client that has left is back elsewhere by then, or its events are run again. */
const keptMs = 10_000;
