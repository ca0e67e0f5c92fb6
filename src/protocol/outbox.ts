/**
 * The outbox: what the client has emitted and the server has not settled.
 *
 * Getters: `size`, `low`, `next`. Inputs: `handleConnected`, `handleDisconnected`, `handleOutcome`,
 * `handleAgain`, `handleProgress`, `handleTimeout`. Commands: `add`, `cancel`. After each of them call
 * `poll()` until it returns nothing; `nextTimeout()` says when `handleTimeout` is due. `now` is milliseconds
 * on a clock that never goes back.
 *
 * Invariants: `low <= every pending sequence < next`; an item leaves only with its outcome; sequences are
 * sent in ascending order on every connection, and only below `low + windowEvents`; every set of sequences is
 * part of what is pending.
 */

import { assert } from "./errors.ts";
import { clientFrame, type Limits } from "./frames.ts";
import { chunkFrame, type Item, newUpload, type SavedItem, type Upload } from "./outbox-item.ts";

export type { SavedItem } from "./outbox-item.ts";

export type OutboxOutput =
  | { readonly kind: "transmit"; readonly frame: string }
  /** The event was written to a connection for the first time. */
  | { readonly kind: "sent"; readonly sequence: number };

export class Outbox {
  #items = new Map<number, Item>();
  #next = 1;
  #low = 1;
  #characters = 0;
  /** Sequences below it have been considered on this connection. Invariant: low <= cursor <= next. */
  #cursor = 1;
  /** Characters of the events in flight that travel whole. */
  #inFlightCharacters = 0;
  /** Characters of the uploads under way, each counted whole. */
  #uploadCharacters = 0;
  /** Sequences of the uploads that have begun on this connection. Invariant: below the cursor. */
  readonly #uploading = new Set<number>();
  /**
   * Settled sequences whose outcome the server of this connection does not know any more: its storage has
   * gone back in time. They take their turn as given up, because the server takes no event behind a hole.
   */
  readonly #forgotten = new Set<number>();
  /** Sequences that wait for their retry delay on this connection. */
  readonly #waiting = new Set<number>();
  #lowSent = 1;
  #lowDueAt: number | undefined;
  #limits: Limits | undefined;
  readonly #lowDelayMs: number;
  #outputs: OutboxOutput[] = [];

  constructor(options: { readonly lowDelayMs: number }) {
    this.#lowDelayMs = options.lowDelayMs;
  }

  get size(): number {
    return this.#items.size;
  }

  get characters(): number {
    return this.#characters;
  }

  get low(): number {
    return this.#low;
  }

  get next(): number {
    return this.#next;
  }

  /** The first sequence that was never written to a connection, so that no server can know of it. */
  get unsent(): number {
    for (const { sequence, sent, cancelled } of this.#items.values())
      if (!sent && !cancelled) return sequence;
    return this.#next;
  }

  has(sequence: number): boolean {
    return this.#items.has(sequence);
  }

  /** True when the event was ever written to a connection, so that its outcome may exist at the server. */
  wasSent(sequence: number): boolean {
    return this.#items.get(sequence)?.sent === true;
  }

  /** Takes an event; `frame` makes its text once the sequence is known. Returns the sequence. */
  add(frame: (sequence: number) => string, aside: boolean): number {
    const sequence = this.#next;
    this.#next += 1;
    this.#insert({
      sequence,
      frame: frame(sequence),
      aside,
      sent: false,
      cancelled: false,
      chunkCharacters: 0,
    });
    this.#pump();
    return sequence;
  }

  /**
   * Gives an event up. It stays until the server says what became of it: the handler will not run unless it
   * already did. Unknown sequences are ignored.
   */
  cancel(sequence: number): void {
    const item = this.#items.get(sequence);
    if (item === undefined || item.cancelled) return;
    item.cancelled = true;
    // Its chunks are of a text that is no more.
    this.#release(item);
    item.upload = undefined;
    item.chunkCharacters = 0;
    this.#waiting.delete(sequence);
    this.#characters -= item.frame.length;
    item.frame = clientFrame.cancel(sequence);
    this.#characters += item.frame.length;
    // What is in flight is cancelled at once; what is not takes its turn as a cancelled item.
    if (this.#limits !== undefined && sequence < this.#cursor) this.#transmit(item.frame);
    this.#pump();
  }

  /** `recorded`: the sequences from `low` on whose outcome the server knows. */
  handleConnected(
    now: number,
    limits: Limits,
    uploads: readonly (readonly [number, number])[],
    recorded: ReadonlySet<number>,
  ): void {
    this.#forgetConnection();
    this.#limits = limits;
    // From what the hello said on: the outcomes in the welcome have moved the mark.
    for (let sequence = this.#lowSent; sequence < this.#next; sequence++) {
      if (this.#items.has(sequence) || recorded.has(sequence)) continue;
      if (sequence < this.#low) this.#transmit(clientFrame.cancel(sequence));
      else this.#forgotten.add(sequence);
    }
    const stored = new Map(uploads);
    for (const item of this.#items.values()) {
      item.counted = 0;
      item.notBefore = 0;
      this.#planUpload(item, limits, stored.get(item.sequence) ?? 0);
    }
    // The outcomes in the welcome have moved our mark beyond the one in the hello, which is all the server
    // knows.
    this.#announceLow(now);
    this.#pump();
  }

  handleDisconnected(): void {
    this.#forgetConnection();
    // The mark does not move without a connection, so this is what the next hello says.
    this.#lowSent = this.#low;
    this.#outputs = [];
  }

  /** Removes a settled event. Returns false when it was not pending (settled before). */
  handleOutcome(now: number, sequence: number): boolean {
    const item = this.#items.get(sequence);
    if (item === undefined) return false;
    this.#items.delete(sequence);
    this.#characters -= item.frame.length;
    this.#release(item);
    this.#waiting.delete(sequence);
    while (this.#low < this.#next && !this.#items.has(this.#low)) this.#low += 1;
    this.#cursor = Math.max(this.#cursor, this.#low);
    this.#announceLow(now);
    this.#pump();
    return true;
  }

  /** The server asks for the event again after a delay. */
  handleAgain(now: number, sequence: number, delayMs: number): void {
    const item = this.#items.get(sequence);
    // What is not in flight takes its turn anyhow, and may not take it before that.
    if (item === undefined || this.#limits === undefined || sequence >= this.#cursor) return;
    item.notBefore = now + Math.min(delayMs, againDelayMsMax);
    this.#waiting.add(sequence);
  }

  /** So many chunks of the upload are stored. */
  handleProgress(sequence: number, chunks: number): void {
    const upload = this.#items.get(sequence)?.upload;
    if (upload === undefined) return;
    upload.acknowledged = Math.max(upload.acknowledged, Math.min(chunks, upload.sent));
    this.#pump();
  }

  handleTimeout(now: number): void {
    if (this.#limits === undefined) return;
    if (this.#lowDueAt !== undefined && this.#lowDueAt <= now) this.#sendLow();
    for (const sequence of this.#waiting) {
      const item = this.#items.get(sequence);
      if (item === undefined || item.notBefore > now) continue;
      this.#waiting.delete(sequence);
      // The server kept the stored chunks, so one more frame of the last chunk is enough to have it run
      // again.
      if (item.upload !== undefined) this.#transmit(chunkFrame(item, item.upload, item.upload.count - 1));
      else this.#transmit(item.frame);
    }
  }

  nextTimeout(): number | undefined {
    if (this.#limits === undefined) return undefined;
    let due = this.#lowDueAt;
    for (const sequence of this.#waiting) {
      const at = this.#items.get(sequence)?.notBefore ?? 0;
      if (due === undefined || at < due) due = at;
    }
    return due;
  }

  poll(): OutboxOutput[] {
    const outputs = this.#outputs;
    if (outputs.length > 0) this.#outputs = [];
    return outputs;
  }

  save(): SavedItem[] {
    return [...this.#items.values()].map(({ sequence, frame, aside, sent, cancelled, chunkCharacters }) => ({
      sequence,
      frame,
      aside,
      sent,
      cancelled,
      chunkCharacters,
    }));
  }

  /** Takes back what `save` returned. Asserts that the outbox is new. */
  restore(next: number, items: readonly SavedItem[]): void {
    assert(this.#next === 1 && this.#limits === undefined, "an outbox is restored before it is used");
    this.#next = next;
    for (const item of items) this.#insert(item);
    this.#low = items.reduce((low, item) => Math.min(low, item.sequence), next);
    this.#lowSent = this.#low;
    this.#cursor = this.#low;
  }

  /**
   * Begins a new session: what was never sent is numbered anew, in order. Returns the renumbering (old to
   * new) and the sequences that were sent and whose outcome is therefore unknown.
   */
  renumber(reframe: (frame: string, sequence: number) => string): {
    readonly moved: readonly (readonly [number, number])[];
    readonly unknown: readonly number[];
  } {
    const items = [...this.#items.values()];
    this.clear();
    const moved: [number, number][] = [];
    const unknown: number[] = [];
    for (const item of items) {
      if (item.sent || item.cancelled) {
        unknown.push(item.sequence);
        continue;
      }
      const sequence = this.#next;
      this.#next += 1;
      moved.push([item.sequence, sequence]);
      this.#insert({ ...item, sequence, frame: reframe(item.frame, sequence), chunkCharacters: 0 });
    }
    return { moved, unknown };
  }

  /** Forgets every event and the connection: the next event begins a new session with sequence 1. */
  clear(): void {
    this.#forgetConnection();
    this.#items = new Map();
    this.#characters = 0;
    this.#next = 1;
    this.#low = 1;
    this.#lowSent = 1;
    this.#cursor = 1;
    this.#outputs = [];
  }

  #forgetConnection(): void {
    this.#limits = undefined;
    this.#cursor = this.#low;
    this.#lowDueAt = undefined;
    this.#inFlightCharacters = 0;
    this.#uploadCharacters = 0;
    this.#uploading.clear();
    this.#forgotten.clear();
    this.#waiting.clear();
  }

  #insert(saved: SavedItem): void {
    const item: Item = { ...saved, counted: 0, notBefore: 0, upload: undefined };
    if (this.#limits !== undefined) this.#planUpload(item, this.#limits, 0);
    this.#items.set(item.sequence, item);
    this.#characters += item.frame.length;
  }

  /**
   * Decides whether the event travels in chunks. What the server has stored was cut at the size that was
   * advertised then, so an upload that has begun keeps its size, whatever the server of this connection
   * advertises.
   */
  #planUpload(item: Item, limits: Limits, stored: number): void {
    item.upload = undefined;
    if (stored === 0) item.chunkCharacters = 0;
    const size = item.chunkCharacters === 0 ? limits.chunkCharacters : item.chunkCharacters;
    if (item.cancelled || item.frame.length <= size) return;
    item.chunkCharacters = size;
    item.upload = newUpload(item.frame, size, stored);
  }

  /** Sends what the window allows: events in order, and chunks of the uploads that have begun. */
  #pump(): void {
    const limits = this.#limits;
    if (limits === undefined) return;
    while (this.#cursor < this.#next && this.#cursor < this.#low + limits.windowEvents) {
      const item = this.#items.get(this.#cursor);
      if (item !== undefined) {
        if (!this.#fits(item, limits)) break;
        this.#start(item, limits);
      } else if (this.#forgotten.has(this.#cursor)) this.#transmit(clientFrame.cancel(this.#cursor));
      this.#cursor += 1;
    }
    for (const sequence of this.#uploading) {
      const item = this.#items.get(sequence);
      if (item?.upload !== undefined) this.#pumpUpload(item, item.upload, limits);
    }
  }

  /**
   * One event is always allowed, and one upload: otherwise one that is larger than the window would never go.
   */
  #fits(item: Item, limits: Limits): boolean {
    const { length } = item.frame;
    if (item.upload === undefined) {
      return this.#inFlightCharacters === 0 || this.#inFlightCharacters + length <= limits.windowCharacters;
    }
    return this.#uploadCharacters === 0 || this.#uploadCharacters + length <= limits.eventCharacters;
  }

  #start(item: Item, limits: Limits): void {
    item.counted = item.frame.length;
    if (item.upload === undefined) {
      this.#inFlightCharacters += item.counted;
      this.#transmit(item.frame);
    } else {
      this.#uploadCharacters += item.counted;
      this.#uploading.add(item.sequence);
      // The first chunk takes the event's place in the order; the others follow as the server stores them.
      this.#pumpUpload(item, item.upload, limits);
    }
    if (item.sent || item.cancelled) return;
    item.sent = true;
    this.#outputs.push({ kind: "sent", sequence: item.sequence });
  }

  /** Gives back what the event counts against the windows. */
  #release(item: Item): void {
    if (item.upload === undefined) this.#inFlightCharacters -= item.counted;
    else this.#uploadCharacters -= item.counted;
    item.counted = 0;
    this.#uploading.delete(item.sequence);
  }

  #pumpUpload(item: Item, upload: Upload, limits: Limits): void {
    while (upload.sent < upload.count && upload.sent - upload.acknowledged < limits.windowChunks) {
      this.#transmit(chunkFrame(item, upload, upload.sent));
      upload.sent += 1;
    }
  }

  #announceLow(now: number): void {
    if (this.#limits === undefined) return;
    if (this.#low - this.#lowSent >= this.#limits.windowEvents / 4) this.#sendLow();
    else if (this.#low > this.#lowSent) this.#lowDueAt ??= now + this.#lowDelayMs;
  }

  #sendLow(): void {
    this.#lowDueAt = undefined;
    if (this.#low === this.#lowSent) return;
    this.#lowSent = this.#low;
    this.#transmit(clientFrame.low(this.#low));
  }

  #transmit(frame: string): void {
    this.#outputs.push({ kind: "transmit", frame });
  }
}

/** Longer delays would overflow the timers of browsers after 24 days; nobody waits that long for a retry. */
const againDelayMsMax = 86_400_000;
