/**
 * Positions: what the client has been shown of every stream it is a member of.
 *
 * Inputs: `handleOpen`, `handleEntries`, `handlePart`, `handleGap`, `handleLeave`. Each returns what is to be shown,
 * in order. `due(now)` returns the acknowledgement to send, if any.
 *
 * Invariants: a position only moves forward within an epoch, and only over entries that were shown, skipped by the
 * server, or reported as a gap; an entry is shown when its offset is exactly the next one.
 */

import type { ClientPosition, GapReason, OpenStream, ServerFrame, WireEntry } from "./frames.ts";
import { decodeEntry, parseJson } from "./frames.ts";

export type Shown =
  | {
      readonly kind: "deliver";
      readonly stream: number;
      readonly offset: number;
      readonly room: string;
      readonly payload: unknown;
      readonly request: string | undefined;
    }
  | {
      readonly kind: "gap";
      readonly stream: number;
      readonly room: string;
      readonly from: number;
      readonly to: number;
      readonly reason: GapReason | "session_lost";
    }
  | { readonly kind: "violation"; readonly detail: string };

/** State as it is kept over a page reload; parts of an unfinished entry are fetched again. */
export type SavedPositions = {
  readonly streams: readonly OpenStream[];
  readonly elsewhere: readonly string[];
};

export class Positions {
  readonly #streams = new Map<number, Stream>();
  /**
   * Places in other streams of events that were already shown: an event published to several rooms is shown once.
   * Bounded; the oldest are forgotten first.
   */
  readonly #elsewhere = new Set<string>();
  readonly #options: PositionsOptions;
  #unacknowledged = 0;
  #dueAt: number | undefined;
  readonly #moved = new Set<number>();

  constructor(options: PositionsOptions) {
    this.#options = options;
  }

  get(stream: number): { readonly epoch: string; readonly offset: number; readonly room: string } | undefined {
    return this.#streams.get(stream);
  }

  list(): OpenStream[] {
    return [...this.#streams.values()].map(({ stream, epoch, offset, room, prompt }) => ({
      stream,
      epoch,
      offset,
      room,
      prompt,
    }));
  }

  /** What the hello says. */
  forHello(): ClientPosition[] {
    return [...this.#streams.values()].map(({ stream, epoch, offset, parts }) => ({
      stream,
      epoch,
      offset,
      parts: parts === undefined ? 0 : parts.texts.length,
    }));
  }

  /** The welcome's list is complete: streams that are not in it have been left meanwhile. */
  handleWelcome(streams: readonly OpenStream[]): void {
    const kept = new Set(streams.map((open) => open.stream));
    for (const stream of this.#streams.keys()) if (!kept.has(stream)) this.handleLeave(stream);
    for (const open of streams) this.handleOpen(open);
  }

  /** A stream that is known in this epoch keeps its own position, which is never behind what was shown. */
  handleOpen(open: OpenStream): void {
    const known = this.#streams.get(open.stream);
    if (known === undefined) {
      this.#streams.set(open.stream, { ...open, parts: undefined });
      return;
    }
    known.room = open.room;
    known.prompt = open.prompt;
    if (known.epoch === open.epoch) return;
    // The gap frame that comes with a changed epoch moves the position; without one this is a fresh membership.
    known.parts = undefined;
  }

  /** Forgets everything and reports each stream as lost: the session did not go on. */
  handleLost(): Shown[] {
    const shown: Shown[] = [];
    for (const { stream, room, offset } of this.#streams.values()) {
      shown.push({ kind: "gap", stream, room, from: offset + 1, to: offset, reason: "session_lost" });
    }
    this.#streams.clear();
    this.#elsewhere.clear();
    this.#moved.clear();
    this.#dueAt = undefined;
    return shown;
  }

  handleEntries(now: number, frame: Extract<ServerFrame, { kind: "entries" }>): Shown[] {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return [];
    const shown: Shown[] = [];
    for (const entry of frame.entries) {
      const result = this.#take(now, stream, entry);
      if (result !== undefined) shown.push(result);
      if (result?.kind === "violation") break;
    }
    return shown;
  }

  handlePart(now: number, frame: Extract<ServerFrame, { kind: "part" }>): Shown[] {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined || frame.offset <= stream.offset) return [];
    if (frame.offset !== stream.offset + 1) return [{ kind: "violation", detail: "part ahead of its stream" }];
    const texts = stream.parts?.offset === frame.offset ? stream.parts.texts : [];
    if (frame.index > texts.length) return [{ kind: "violation", detail: "part out of order" }];
    if (frame.index < texts.length) return [];
    texts.push(frame.text);
    stream.parts = { offset: frame.offset, texts };
    if (texts.length < frame.count) return [];
    stream.parts = undefined;
    const entry = decodeEntry(parseJson(texts.join("")));
    if (entry === undefined || entry.offset !== frame.offset) {
      return [{ kind: "violation", detail: "parts do not make an entry" }];
    }
    const result = this.#take(now, stream, entry);
    return result === undefined ? [] : [result];
  }

  handleGap(frame: Extract<ServerFrame, { kind: "gap" }>): Shown[] {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return [];
    if (frame.epoch === stream.epoch && frame.to <= stream.offset) return [];
    stream.epoch = frame.epoch;
    stream.offset = frame.to;
    stream.parts = undefined;
    const { room } = stream;
    return [{ kind: "gap", stream: frame.stream, room, from: frame.from, to: frame.to, reason: frame.reason }];
  }

  handleLeave(stream: number): void {
    this.#streams.delete(stream);
    this.#moved.delete(stream);
  }

  /** When an acknowledgement falls due. */
  nextTimeout(): number | undefined {
    return this.#dueAt;
  }

  /** Returns the positions to acknowledge when that is due, else nothing. */
  due(now: number): (readonly [number, number])[] {
    if (this.#dueAt === undefined || this.#dueAt > now) return [];
    const positions: [number, number][] = [];
    for (const stream of this.#moved) {
      const offset = this.#streams.get(stream)?.offset;
      if (offset !== undefined && offset > 0) positions.push([stream, offset]);
    }
    this.#moved.clear();
    this.#unacknowledged = 0;
    this.#dueAt = undefined;
    return positions;
  }

  handleDisconnected(): void {
    this.#dueAt = undefined;
    this.#unacknowledged = 0;
    this.#moved.clear();
  }

  save(): SavedPositions {
    return { streams: this.list(), elsewhere: [...this.#elsewhere] };
  }

  restore(saved: SavedPositions): void {
    for (const open of saved.streams) this.#streams.set(open.stream, { ...open, parts: undefined });
    for (const place of saved.elsewhere) this.#elsewhere.add(place);
  }

  #take(now: number, stream: Stream, entry: WireEntry): Shown | undefined {
    if (entry.offset <= stream.offset) return undefined;
    if (entry.offset !== stream.offset + 1) {
      return { kind: "violation", detail: `entry ${entry.offset} after ${stream.offset} of stream ${stream.stream}` };
    }
    stream.offset = entry.offset;
    stream.parts = undefined;
    this.#acknowledgeSoon(now, stream);
    if (this.#elsewhere.delete(place(stream.stream, entry.offset))) return undefined;
    if (entry.payload === undefined) return undefined;
    for (const [other, offset] of entry.also) this.#remember(other, offset);
    return {
      kind: "deliver",
      stream: stream.stream,
      offset: entry.offset,
      room: stream.room,
      payload: entry.payload,
      request: entry.request,
    };
  }

  #remember(stream: number, offset: number): void {
    const known = this.#streams.get(stream);
    if (known !== undefined && known.offset >= offset) return;
    this.#elsewhere.add(place(stream, offset));
    if (this.#elsewhere.size <= this.#options.elsewhereLimit) return;
    for (const oldest of this.#elsewhere) {
      this.#elsewhere.delete(oldest);
      return;
    }
  }

  #acknowledgeSoon(now: number, stream: Stream): void {
    this.#moved.add(stream.stream);
    this.#unacknowledged += 1;
    const atOnce = stream.prompt || this.#unacknowledged >= this.#options.acknowledgeEntries;
    const dueAt = atOnce ? now : now + this.#options.acknowledgeDelayMs;
    if (this.#dueAt === undefined || dueAt < this.#dueAt) this.#dueAt = dueAt;
  }
}

function place(stream: number, offset: number): string {
  return `${stream}:${offset}`;
}

// --- types ---

export type PositionsOptions = {
  /** Positions are acknowledged after so many entries, or after the delay. */
  readonly acknowledgeEntries: number;
  readonly acknowledgeDelayMs: number;
  /** How many places of events shown through another room are remembered. */
  readonly elsewhereLimit: number;
};

type Stream = {
  readonly stream: number;
  epoch: string;
  offset: number;
  room: string;
  prompt: boolean;
  /** Chunks of the entry after `offset` that have arrived. */
  parts: { readonly offset: number; readonly texts: string[] } | undefined;
};
