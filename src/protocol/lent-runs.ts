/**
 * What this process still runs of sessions that have gone on elsewhere: events that had begun here, and
 * answers that were brought from there. Whoever holds the session now is told what runs, that it still runs,
 * and how it ended: the outcome is for the new holder to record, because a write of the old one is refused.
 *
 * - getters: `size`, `running`, `isTaken`, `knows`;
 * - inputs: `handleLeft`, `handleTaken`, `lend`, `handleAnswered`, `handleEnded`, `handleTimeout`;
 * - outputs: words and whom they are for, returned by the inputs.
 */

import { type Claimed, judge, unclaimed } from "./holder.ts";
import type { InboxOutcome } from "./inbox.ts";
import type { DoneWord, EntryPlace, NodeWord, TakeWord } from "./node-words.ts";

export type WordFor = { readonly to: string; readonly word: NodeWord };

/** A session as it was here when it went on elsewhere. */
export type Leaving = {
  /** The last one in which it was held here. */
  readonly generation: number;
  readonly claimed: Pick<Claimed, "holder" | "heard" | "low" | "last">;
  /** What has begun and is not known to be recorded. */
  readonly running: readonly number[];
  /** Processes that were still waited for here. */
  readonly ask: readonly string[];
};

export type BroughtAnswer = {
  readonly namespace: string;
  readonly session: string;
  readonly since: number;
  readonly sequence: number;
  readonly request: string;
};

/** How a run has ended; without an outcome the event is to be run again. */
export type RunEnd = {
  readonly sequence: number;
  readonly outcome: InboxOutcome | undefined;
  readonly places: readonly EntryPlace[];
};

type End = Pick<DoneWord, "outcome" | "places">;

type Lent = {
  namespace: string;
  generation: number;
  claimed: Leaving["claimed"];
  ask: readonly string[];
  /** How each run has ended; undefined while it runs. */
  readonly runs: Map<number, End | undefined>;
  /** Answers that were brought from elsewhere, by what was asked: two lives of a client number them alike. */
  readonly answers: Map<string, { readonly sequence: number; end: End | undefined }>;
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
    for (const lent of this.#sessions.values()) {
      for (const [, end] of runsOf(lent)) if (end === undefined) running += 1;
    }
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
    const { generation, claimed, running, ask } = leaving;
    if (running.length === 0 && ask.length === 0 && !this.knows(at.session)) return;
    const lent = this.#change(now, at);
    lent.generation = generation;
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
    const isPart = goesOn(lent, word);
    if (!isPart) {
      lent.runs.clear();
      lent.ask = [];
    }
    // Whoever goes on with it next has it from this one.
    lent.generation = since;
    lent.claimed = { ...lent.claimed, holder: word.holder ?? lent.claimed.holder };
    const known = isPart ? runsOf(lent).filter(([sequence]) => sequence >= low) : [];
    const sequences = known.map(([sequence]) => sequence);
    const { ask } = lent;
    const held = { kind: "held", namespace, session, since, sequences, ask } as const;
    const ended = known.flatMap(([sequence, end]) => this.#done(session, lent, sequence, end));
    return [{ to: from, word: held }, ...ended];
  }

  /**
   * An answer was brought from the process that holds the session; `isWaitedFor`: a callback waits for it.
   * Returns whether it is new here; what becomes of one that is not is said again.
   */
  lend(now: number, to: string, at: BroughtAnswer, isWaitedFor: boolean): "new" | readonly WordFor[] {
    const { session, since, sequence, request } = at;
    const lent = this.#change(now, at);
    if (since >= lent.taken) lent.holder = { node: to, since };
    const known = lent.answers.get(request);
    if (known !== undefined) return this.#done(session, lent, sequence, known.end);
    // It came before the session went on elsewhere, and its callback runs.
    if (!isWaitedFor && lent.runs.has(sequence))
      return this.#done(session, lent, sequence, lent.runs.get(sequence));
    lent.answers.set(request, { sequence, end: undefined });
    return "new";
  }

  /** The callback of an answer that was brought is through. */
  handleAnswered(now: number, at: BroughtAnswer, outcome: InboxOutcome | undefined): WordFor[] {
    const { session, request } = at;
    const lent = this.#sessions.get(session);
    const answer = lent?.answers.get(request);
    if (lent === undefined || answer === undefined) return [];
    this.#change(now, at);
    answer.end = endOf(outcome, []);
    return this.#done(session, lent, answer.sequence, answer.end);
  }

  handleEnded(now: number, session: string, { sequence, outcome, places }: RunEnd): WordFor[] {
    const lent = this.#sessions.get(session);
    if (lent === undefined || !lent.runs.has(sequence)) return [];
    this.#change(now, { namespace: lent.namespace, session });
    const end = endOf(outcome, places);
    lent.runs.set(sequence, end);
    return this.#done(session, lent, sequence, end);
  }

  /** Says that it lives to everyone who waits, and forgets what nobody has asked for in time. */
  handleTimeout(now: number): WordFor[] {
    const waiting = new Set<string>();
    for (const [session, lent] of this.#sessions) {
      const { holder, changedAt } = lent;
      const isRunning = runsOf(lent).some(([, end]) => end === undefined);
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
    return [{ to, word: { kind: "done", namespace, session, since, sequence, ...end } }];
  }

  /** The session's entry, made where there is none. */
  #change(now: number, at: { readonly namespace: string; readonly session: string }): Lent {
    const { namespace, session } = at;
    const lent = this.#sessions.get(session) ?? {
      namespace,
      generation: 0,
      claimed: { holder: undefined, heard: 0, low: 0, last: 0 },
      ask: [],
      runs: new Map<number, End | undefined>(),
      answers: new Map<string, { readonly sequence: number; end: End | undefined }>(),
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

function runsOf({ runs, answers }: Lent): (readonly [sequence: number, end: End | undefined])[] {
  return [...runs, ...[...answers.values()].map(({ sequence, end }) => [sequence, end] as const)];
}

function endOf(outcome: InboxOutcome | undefined, places: readonly EntryPlace[]): End {
  return { places, ...(outcome && { outcome: { status: outcome.status, body: outcome.body } }) };
}

/**
 * Whether what runs here is part of the session as the client knows it. Another life of the client goes on
 * with what the one before had begun, as a reloaded page does, if it comes right from there: once it was
 * welcomed elsewhere it has numbered events of its own, and its number for one of them may run here as
 * another's.
 */
function goesOn({ generation, claimed }: Lent, claim: TakeWord): boolean {
  const { holder } = claim;
  const isAnotherLife = (holder?.instance ?? "") !== (claimed.holder?.instance ?? holder?.instance ?? "");
  if (isAnotherLife && holder?.generation !== generation) return false;
  return judge({ ...unclaimed, ...claimed }, claim) === "goes on";
}

/** The one who waits gives up after three of them. */
const aliveMs = 1_000;
/** A client that has left is back elsewhere by then, or its events are run again. */
const keptMs = 10_000;
