/**
 * What other processes run of a session that is held here: events that had begun where the session was
 * before, and answers that another process waits for. They are waited for instead of being run a second time.
 *
 * - getters: `size`, `since`, `unheard`, `waits(sequence)`;
 * - inputs: `ask`, `forward`, `handleHeld`, `handleAlive`, `handleDone`, `handleTimeout`;
 * - outputs: returned by the inputs.
 *
 * A process that does not answer in 500 ms, or says nothing for 3 s while it runs something, is taken for
 * gone, and what it was waited for is run here. So an event may run beside itself only while the process that
 * began it is gone, stands still, or is not heard.
 */

import type { Claim } from "./holder.ts";
import type { InboxOutcome } from "./inbox.ts";
import type { DoneWord, EntryPlace, HeldWord } from "./node-words.ts";

export type ElsewhereOutput =
  /** Ask this process, too. */
  | { readonly kind: "take"; readonly node: string }
  /** This event has ended there: its outcome is to be recorded, behind the entries at these places. */
  | { readonly kind: "outcome"; readonly outcome: InboxOutcome; readonly places: readonly EntryPlace[] }
  /** The process that was given this answer says nothing, or knows nobody who waits for it. */
  | { readonly kind: "unanswered"; readonly sequence: number };

type Elsewhere = {
  /** Whether it has said what it runs. */
  heard: boolean;
  deadline: number;
  readonly runs: Set<number>;
  /** Answers that were given to it, and that want a reply. */
  readonly answers: Set<number>;
};

export class RunsElsewhere {
  /** The generation in which this process began to hold the session: words about another are not for it. */
  readonly since: number;
  /** What the client said of itself when it came here; what it had never sent by then runs nowhere else. */
  readonly claim: Claim;
  readonly #nodes = new Map<string, Elsewhere>();
  readonly #asked = new Set<string>();

  constructor(options: { readonly since: number; readonly claim: Claim }) {
    this.since = options.since;
    this.claim = options.claim;
  }

  /** Processes that are waited for. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Processes that have not said yet what they run, or still run something. */
  get unheard(): readonly string[] {
    return [...this.#nodes].filter(([, { heard, runs }]) => !heard || runs.size > 0).map(([node]) => node);
  }

  /** True while the event may be running in another process. */
  waits(sequence: number): boolean {
    for (const { heard, runs } of this.#nodes.values()) {
      if (heard ? runs.has(sequence) : sequence < this.claim.next) return true;
    }
    return false;
  }

  /** Returns whether the process is to be asked: not twice, and not the whole fleet. */
  ask(now: number, node: string): boolean {
    if (this.#asked.has(node) || this.#asked.size >= askedLimit) return false;
    this.#asked.add(node);
    const elsewhere = this.#of(node);
    elsewhere.heard = false;
    elsewhere.deadline = now + answerMs;
    return true;
  }

  /** An answer that wants a reply is about to be given to a process; it has the time of a slow store. */
  forward(now: number, node: string, sequence: number): void {
    const elsewhere = this.#of(node);
    elsewhere.answers.add(sequence);
    elsewhere.deadline = Math.max(elsewhere.deadline, now + storeMs);
  }

  handleHeld(
    now: number,
    node: string,
    { since, sequences, ask }: Omit<HeldWord, "kind">,
  ): ElsewhereOutput[] {
    // One that comes late still counts for the events that have not begun here.
    if (since !== this.since || !this.#asked.has(node)) return [];
    const elsewhere = this.#of(node);
    elsewhere.heard = true;
    elsewhere.deadline = now + silenceMs;
    for (const sequence of sequences) elsewhere.runs.add(sequence);
    this.#forgetIdle(node, elsewhere);
    return ask.filter((other) => this.ask(now, other)).map((other) => ({ kind: "take", node: other }));
  }

  handleAlive(now: number, node: string): void {
    const elsewhere = this.#nodes.get(node);
    if (elsewhere !== undefined) elsewhere.deadline = now + (elsewhere.heard ? silenceMs : answerMs);
  }

  handleDone(node: string, { since, sequence, outcome, places }: Omit<DoneWord, "kind">): ElsewhereOutput[] {
    if (since !== this.since) return [];
    const elsewhere = this.#nodes.get(node);
    elsewhere?.runs.delete(sequence);
    const isAnswer = elsewhere?.answers.delete(sequence) === true;
    if (elsewhere !== undefined) this.#forgetIdle(node, elsewhere);
    if (outcome !== undefined) return [{ kind: "outcome", outcome: { sequence, ...outcome }, places }];
    return isAnswer ? [{ kind: "unanswered", sequence }] : [];
  }

  /** Gives up those that have been silent for too long. */
  handleTimeout(now: number): ElsewhereOutput[] {
    const outputs: ElsewhereOutput[] = [];
    for (const [node, { deadline, answers }] of this.#nodes) {
      if (deadline > now) continue;
      this.#nodes.delete(node);
      for (const sequence of answers) outputs.push({ kind: "unanswered", sequence });
    }
    return outputs;
  }

  #of(node: string): Elsewhere {
    let elsewhere = this.#nodes.get(node);
    if (elsewhere === undefined) {
      elsewhere = { heard: true, deadline: 0, runs: new Set(), answers: new Set() };
      this.#nodes.set(node, elsewhere);
    }
    return elsewhere;
  }

  #forgetIdle(node: string, { heard, runs, answers }: Elsewhere): void {
    if (heard && runs.size === 0 && answers.size === 0) this.#nodes.delete(node);
  }
}

/** Two ways through the log take some 20 ms on one machine; a client that waits notices more than this. */
export const answerMs = 500;
/** Three of the words that it says every second. */
export const silenceMs = 3_000;
/** A store that takes longer to take an answer refuses it. */
const storeMs = 30_000;
/** A client that changes between so many processes while one event runs has its event run again. */
const askedLimit = 8;
