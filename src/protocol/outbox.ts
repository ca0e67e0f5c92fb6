/**
 * The outbox: what the client has emitted and the server has not settled.
 *
 * Getters: `size`, `low`, `next`. Inputs: `handleConnected`, `handleDisconnected`, `handleOutcome`, `handleAgain`,
 * `handleProgress`, `handleTimeout`. Commands: `add`, `cancel`. After each of them call `poll()` until it returns
 * nothing; `nextTimeout()` says when `handleTimeout` is due. `now` is milliseconds on a clock that never goes back.
 *
 * Invariants: `low <= every pending sequence < next`; an item leaves only with its outcome; sequences are sent in
 * ascending order on every connection, and only below `low + windowEvents`.
 */

import { assert } from "./errors.ts";
import { clientFrame, type Limits } from "./frames.ts";

export type OutboxOutput =
  | { readonly kind: "transmit"; readonly frame: string }
  /** The event was written to a connection for the first time. */
  | { readonly kind: "sent"; readonly sequence: number };

/** An item as it is kept over a page reload. */
export type SavedItem = {
  readonly sequence: number;
  readonly frame: string;
  readonly aside: boolean;
  readonly sent: boolean;
  readonly cancelled: boolean;
};

export class Outbox {
  #items = new Map<number, Item>();
  #next = 1;
  #low = 1;
  #characters = 0;
  /** Sequences below it have been considered on this connection. Invariant: low <= cursor <= next. */
  #cursor = 1;
  #inFlightCharacters = 0;
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

  has(sequence: number): boolean {
    return this.#items.has(sequence);
  }

  /** True when the event was ever written to a connection, so that its outcome may exist at the server. */
  wasSent(sequence: number): boolean {
    return this.#items.get(sequence)?.sent === true;
  }

  /** Takes an event; `frame` makes its text once the sequence is known. Returns the sequence. */
  add(now: number, frame: (sequence: number) => string, aside: boolean): number {
    const sequence = this.#next;
    this.#next += 1;
    this.#insert({ sequence, frame: frame(sequence), aside, sent: false, cancelled: false });
    this.#pump(now);
    return sequence;
  }

  /**
   * Gives an event up. It stays until the server says what became of it: the handler will not run unless it already
   * did. Unknown sequences are ignored.
   */
  cancel(now: number, sequence: number): void {
    const item = this.#items.get(sequence);
    if (item === undefined || item.cancelled) return;
    item.cancelled = true;
    // Its chunks are of a text that is no more.
    item.upload = undefined;
    this.#characters -= item.frame.length;
    item.frame = clientFrame.cancel(sequence);
    this.#characters += item.frame.length;
    // What is in flight is cancelled at once; what is not takes its turn as a cancelled item.
    if (this.#limits !== undefined && sequence < this.#cursor) this.#transmit(item.frame);
    this.#pump(now);
  }

  handleConnected(now: number, limits: Limits, uploads: readonly (readonly [number, number])[]): void {
    this.#limits = limits;
    this.#cursor = this.#low;
    this.#lowDueAt = undefined;
    this.#inFlightCharacters = 0;
    const stored = new Map(uploads);
    for (const item of this.#items.values()) {
      item.counted = 0;
      item.notBefore = 0;
      item.upload = undefined;
      if (needsChunks(item, limits)) item.upload = newUpload(item, limits, stored.get(item.sequence) ?? 0);
    }
    // The outcomes in the welcome have moved our mark beyond the one in the hello, which is all the server knows.
    this.#announceLow(now);
    this.#pump(now);
  }

  handleDisconnected(): void {
    this.#limits = undefined;
    this.#lowDueAt = undefined;
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
    this.#inFlightCharacters -= item.counted;
    while (this.#low < this.#next && !this.#items.has(this.#low)) this.#low += 1;
    this.#cursor = Math.max(this.#cursor, this.#low);
    this.#announceLow(now);
    this.#pump(now);
    return true;
  }

  /** The server asks for the event again after a delay. */
  handleAgain(now: number, sequence: number, delayMs: number): void {
    const item = this.#items.get(sequence);
    if (item === undefined || this.#limits === undefined) return;
    item.notBefore = now + delayMs;
    this.#waiting.add(sequence);
  }

  /** So many chunks of the upload are stored. */
  handleProgress(now: number, sequence: number, chunks: number): void {
    const upload = this.#items.get(sequence)?.upload;
    if (upload === undefined) return;
    upload.acknowledged = Math.max(upload.acknowledged, Math.min(chunks, upload.sent));
    this.#pump(now);
  }

  handleTimeout(now: number): void {
    if (this.#limits === undefined) return;
    if (this.#lowDueAt !== undefined && this.#lowDueAt <= now) this.#sendLow();
    for (const sequence of this.#waiting) {
      const item = this.#items.get(sequence);
      if (item !== undefined && item.notBefore > now) continue;
      this.#waiting.delete(sequence);
      if (item === undefined) continue;
      // The server kept the stored chunks, so one more frame of the last chunk is enough to have it run again.
      if (item.upload !== undefined) this.#transmit(chunkFrame(item, item.upload, item.upload.count - 1));
      else this.#transmit(item.frame);
    }
    this.#pump(now);
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
    return [...this.#items.values()].map(({ sequence, frame, aside, sent, cancelled }) => ({
      sequence,
      frame,
      aside,
      sent,
      cancelled,
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
   * Begins a new session: what was never sent is numbered anew, in order. Returns the renumbering (old to new) and
   * the sequences that were sent and whose outcome is therefore unknown.
   */
  renumber(reframe: (frame: string, sequence: number) => string): {
    readonly moved: readonly (readonly [number, number])[];
    readonly unknown: readonly number[];
  } {
    const items = [...this.#items.values()];
    this.#items = new Map();
    this.#waiting.clear();
    this.#characters = 0;
    this.#next = 1;
    this.#low = 1;
    this.#lowSent = 1;
    this.#cursor = 1;
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
      this.#insert({ ...item, sequence, frame: reframe(item.frame, sequence) });
    }
    return { moved, unknown };
  }

  /** Sequences that wait for their retry delay. */
  readonly #waiting = new Set<number>();

  #insert(saved: SavedItem): void {
    const item: Item = { ...saved, counted: 0, notBefore: 0, upload: undefined };
    if (this.#limits !== undefined && needsChunks(item, this.#limits)) {
      item.upload = newUpload(item, this.#limits, 0);
    }
    this.#items.set(item.sequence, item);
    this.#characters += item.frame.length;
  }

  /** Sends what the window allows: uploads chunk by chunk, and events in order; both take turns. */
  #pump(now: number): void {
    const limits = this.#limits;
    if (limits === undefined) return;
    while (this.#cursor < this.#next && this.#cursor < this.#low + limits.windowEvents) {
      const item = this.#items.get(this.#cursor);
      if (item !== undefined) {
        const cost = item.upload === undefined ? item.frame.length : 0;
        const full = this.#inFlightCharacters > 0 && this.#inFlightCharacters + cost > limits.windowCharacters;
        if (full) break;
        this.#start(item, cost, limits);
      }
      this.#cursor += 1;
    }
    for (let sequence = this.#low; sequence < this.#cursor; sequence++) {
      const item = this.#items.get(sequence);
      if (item?.upload !== undefined && !item.cancelled) this.#pumpUpload(item, item.upload, limits);
    }
    void now;
  }

  #start(item: Item, cost: number, limits: Limits): void {
    item.counted = cost;
    this.#inFlightCharacters += cost;
    // The first chunk takes the event's place in the order; the others follow as the server stores them.
    if (item.upload === undefined || item.cancelled) this.#transmit(item.frame);
    else this.#pumpUpload(item, item.upload, limits);
    if (item.sent) return;
    item.sent = true;
    this.#outputs.push({ kind: "sent", sequence: item.sequence });
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

/** Cuts text at `size` characters, never inside a surrogate pair: half a pair does not survive UTF-8. */
export function cutText(text: string, size: number): number[] {
  const cuts: number[] = [0];
  for (let at = size; at < text.length; at += size) {
    const code = text.charCodeAt(at - 1);
    if (code >= 0xd800 && code <= 0xdbff) at -= 1;
    cuts.push(at);
  }
  cuts.push(text.length);
  return cuts;
}

function needsChunks(item: Item, limits: Limits): boolean {
  return !item.cancelled && item.frame.length > limits.chunkCharacters;
}

function newUpload(item: Item, limits: Limits, stored: number): Upload {
  const cuts = cutText(item.frame, limits.chunkCharacters);
  const count = cuts.length - 1;
  // When all chunks are stored and the outcome is not, one chunk more tells the server that it is still wanted.
  const begin = Math.min(stored, count - 1);
  return { cuts, count, sent: begin, acknowledged: begin };
}

function chunkFrame(item: Item, upload: Upload, index: number): string {
  const text = item.frame.slice(upload.cuts[index], upload.cuts[index + 1]);
  return clientFrame.chunk(item.sequence, index, upload.count, item.aside, text);
}

type Item = {
  readonly sequence: number;
  frame: string;
  readonly aside: boolean;
  sent: boolean;
  cancelled: boolean;
  /** Characters that count against the window on this connection. */
  counted: number;
  notBefore: number;
  upload: Upload | undefined;
};

/** Invariant: acknowledged <= sent <= count. */
type Upload = { readonly cuts: readonly number[]; readonly count: number; sent: number; acknowledged: number };
