/** What the store holds of every stream, as its commits told it; and that it gives up no more than it may. */

import type { Report } from "./checkers.ts";
import type { Fact } from "./history.ts";

export type Stored = Extract<Fact, { kind: "appended" }> & { readonly at: number };

/** What a run's plan allows the store to give up; undefined: nothing by number. */
export type Keeping = { readonly entriesPerStream: number | undefined };

export class StoredStreams {
  readonly #report: Report;
  readonly #keeping: Keeping;
  readonly #entries = new Map<number, Map<number, Stored>>();
  readonly #heads = new Map<number, number>();
  readonly #lows = new Map<number, number>();
  readonly #keys = new Map<number, string>();
  /** By stream, then by consumer. */
  readonly #cursors = new Map<number, Map<string, number>>();

  constructor(keeping: Keeping, report: Report) {
    this.#keeping = keeping;
    this.#report = report;
  }

  entry(stream: number, offset: number): Stored | undefined {
    return this.#entries.get(stream)?.get(offset);
  }

  head(stream: number): number {
    return this.#heads.get(stream) ?? 0;
  }

  /** The first offset that is still held. */
  low(stream: number): number {
    return this.#lows.get(stream) ?? 1;
  }

  cursor(stream: number, consumer: string): number | undefined {
    return this.#cursors.get(stream)?.get(consumer);
  }

  /** A consumer that is new to a stream begins in front of everything that is held. */
  createCursor(stream: number, consumer: string, offset: number): void {
    const cursors = this.#cursors.get(stream) ?? new Map<string, number>();
    this.#cursors.set(stream, cursors);
    cursors.set(consumer, offset);
  }

  appended(fact: Extract<Fact, { kind: "appended" }>, at: number): void {
    const { stream, offset, key } = fact;
    const entries = this.#entries.get(stream) ?? new Map<number, Stored>();
    this.#entries.set(stream, entries);
    const expected = this.head(stream) + 1;
    if (offset !== expected)
      this.#report("store", `stream ${stream} got ${offset} where ${expected} was next`);
    if ((this.#keys.get(stream) ?? key) !== key) this.#report("store", `stream ${stream} has two keys`);
    this.#keys.set(stream, key);
    entries.set(offset, { ...fact, at });
    this.#heads.set(stream, offset);
  }

  /** As the store does it: a cursor goes forward, and not beyond the head. Returns false when it stays. */
  moveCursor({ stream, consumer, offset }: Extract<Fact, { kind: "cursor" }>): boolean {
    const before = this.cursor(stream, consumer);
    if (before === undefined || offset <= before || offset > this.head(stream)) return false;
    this.createCursor(stream, consumer, offset);
    return true;
  }

  /** Entries go when there are too many of them, or when every cursor has passed them. */
  trimmed({ stream, low }: Extract<Fact, { kind: "trimmed" }>): void {
    const before = this.low(stream);
    this.#lows.set(stream, low);
    if (low < before) this.#report("store", `stream ${stream} began at ${before} and begins at ${low}`);
    const { entriesPerStream = Number.POSITIVE_INFINITY } = this.#keeping;
    const cursors = [...(this.#cursors.get(stream)?.values() ?? [])];
    const passed = cursors.length === 0 ? 0 : Math.min(...cursors);
    const allowed = Math.max(1, this.head(stream) - entriesPerStream + 1, passed + 1);
    if (low > allowed)
      this.#report("G2", `stream ${stream} was trimmed to ${low}, which is beyond ${allowed}`);
  }
}

/**
 * What `retention` says in runs that trim: entries of a room, and of a mailbox that not everybody has read.
 */
export const entriesWithTrims = 5;
