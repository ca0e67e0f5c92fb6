/**
 * What the server has on its disk, in the smallest form that keeps its promises: operations commit in the
 * order in which they were asked for, after a while; a crash loses those that have not; a fence refuses older
 * generations.
 */

import type { InboxOutcome } from "../inbox.ts";
import type { Schedule } from "./schedule.ts";

export type ModelEntry = { readonly epoch: string; readonly offset: number; readonly payload: string };

export class StoreModel {
  readonly commitMs: number;
  generation = 0;
  inboxLow = 1;
  outcomes = new Map<number, InboxOutcome>();
  uploads = new Map<number, string[]>();
  epoch = "e1";
  low = 1;
  log: ModelEntry[] = [];
  /** The next so many operations fail, each with its own callback told. */
  failures = 0;
  readonly #schedule: Schedule;
  #lastCommit = 0;

  constructor(schedule: Schedule, commitMs: number) {
    this.#schedule = schedule;
    this.commitMs = commitMs;
  }

  get head(): number {
    return this.log.at(-1)?.offset ?? this.low - 1;
  }

  /**
   * Commits later. `isAlive` is asked then: what a process that has crashed by then had asked for is lost.
   */
  commit<T>(options: {
    readonly isAlive: () => boolean;
    readonly apply: () => T;
    readonly done: (result: T) => void;
    readonly failed?: () => void;
  }): void {
    // First in, first out, whatever the moment of the call.
    const at = Math.max(this.#schedule.now + this.commitMs, this.#lastCommit);
    this.#lastCommit = at;
    this.#schedule.after(at - this.#schedule.now, () => {
      if (!options.isAlive()) return;
      if (this.failures > 0 && options.failed !== undefined) {
        this.failures -= 1;
        options.failed();
        return;
      }
      options.done(options.apply());
    });
  }

  record(generation: number, outcome: InboxOutcome, low: number): InboxOutcome | undefined {
    if (generation !== this.generation) return undefined;
    this.inboxLow = Math.max(this.inboxLow, low);
    for (const sequence of this.outcomes.keys()) if (sequence < this.inboxLow) this.outcomes.delete(sequence);
    if (outcome.sequence < this.inboxLow) return outcome;
    const recorded = this.outcomes.get(outcome.sequence) ?? outcome;
    this.outcomes.set(outcome.sequence, recorded);
    this.uploads.delete(outcome.sequence);
    return recorded;
  }

  putChunk(generation: number, sequence: number, index: number, text: string): number | undefined {
    if (generation !== this.generation) return undefined;
    if (sequence < this.inboxLow || this.outcomes.has(sequence)) return 0;
    const chunks = this.uploads.get(sequence) ?? [];
    if (index === chunks.length) this.uploads.set(sequence, [...chunks, text]);
    return this.uploads.get(sequence)?.length ?? 0;
  }

  append(payload: string): ModelEntry {
    const entry = { epoch: this.epoch, offset: this.head + 1, payload };
    this.log.push(entry);
    return entry;
  }

  trim(low: number): void {
    this.low = low;
    this.log = this.log.filter(({ offset }) => offset >= low);
  }

  /** Goes back to an earlier state of the log: another history begins. */
  rewind(head: number, epoch: string): void {
    this.log = this.log.filter(({ offset }) => offset <= head).map((entry) => ({ ...entry, epoch }));
    this.epoch = epoch;
  }

  page(after: number, limit: number) {
    const entries = this.log.filter(({ offset }) => offset > after).slice(0, limit);
    return { head: { epoch: this.epoch, low: this.low, head: this.head }, entries };
  }
}
