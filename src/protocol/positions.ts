/**
 * Positions: what the client has been shown of every stream it is a member of.
 *
 * Inputs: `handleOpen`, `handleEntries`, `handlePart`, `handleGap`, `handleLeave`. Each returns what is to be
 * shown, in order. `due(now)` returns the acknowledgement to send, if any.
 *
 * Invariants: a position only moves forward within an epoch, and only over entries that were shown, skipped
 * by the server, or reported as a gap; an entry is shown when its offset is exactly the next one.
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
  readonly streams: readonly (OpenStream & { readonly since: number })[];
  readonly elsewhere: readonly string[];
};

export class Positions {
  readonly #streams = new Map<number, Stream>();
  /**
   * Places in other streams of events that were already shown: an event published to several rooms is shown
   * once. Needed for streams that the client does not know yet, joined behind the place, or left since; where
   * it was shown both, their positions say the same. Bounded; the oldest are forgotten first.
   */
  readonly #elsewhere = new Set<string>();
  readonly #options: PositionsOptions;
  #unacknowledged = 0;
  #dueAt: number | undefined;
  readonly #moved = new Set<number>();

  constructor(options: PositionsOptions) {
    this.#options = options;
  }

  get(
    stream: number,
  ): { readonly epoch: string; readonly offset: number; readonly room: string } | undefined {
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
      part: parts === undefined ? 0 : parts.characters,
    }));
  }

  /** The welcome's list is complete: streams that are not in it have been left meanwhile. */
  handleWelcome(now: number, streams: readonly OpenStream[]): void {
    const kept = new Set(streams.map((open) => open.stream));
    for (const stream of this.#streams.keys()) if (!kept.has(stream)) this.handleLeave(stream);
    for (const open of streams) {
      this.handleOpen(open);
      // The acknowledgement may have been lost with the connection, and a cursor waits for it.
      if (!open.prompt) continue;
      this.#moved.add(open.stream);
      this.#dueAt = now;
    }
  }

  /**
   * A stream that is known in this epoch keeps its own position, unless membership began anew further on:
   * what lies between was not for this client.
   */
  handleOpen(open: OpenStream): void {
    const known = this.#streams.get(open.stream);
    if (known?.epoch === open.epoch && known.offset >= open.offset) {
      // A server that only says that a stream is lost does not know what it was called.
      if (open.room !== "") known.room = open.room;
      known.prompt = open.prompt;
    } else this.#streams.set(open.stream, { ...open, since: open.offset, parts: undefined });
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
    if (frame.offset !== stream.offset + 1)
      return [{ kind: "violation", detail: "part ahead of its stream" }];
    // From its beginning an entry may come with another text than on the last connection.
    if (frame.from === 0 && stream.parts?.length !== frame.length) stream.parts = undefined;
    const kept = stream.parts ?? { length: frame.length, characters: 0, texts: [] };
    if (frame.length !== kept.length || frame.from > kept.characters) {
      // What is here belongs to another text of the entry; without it the next hello asks for all of it.
      stream.parts = undefined;
      return [{ kind: "violation", detail: "part out of order" }];
    }
    if (frame.from < kept.characters) return [];
    kept.texts.push(frame.text);
    kept.characters += frame.text.length;
    stream.parts = kept;
    if (kept.characters < kept.length) return [];
    stream.parts = undefined;
    const entry = decodeEntry(parseJson(kept.texts.join("")));
    if (entry === undefined || entry.offset !== frame.offset) {
      return [{ kind: "violation", detail: "parts do not make an entry" }];
    }
    const result = this.#take(now, stream, entry);
    return result === undefined ? [] : [result];
  }

  /** Characters of the entry after the position that have arrived in parts; 0 when none have. */
  arrived(stream: number): number {
    return this.#streams.get(stream)?.parts?.characters ?? 0;
  }

  /**
   * A gap moves the position forward; only a reset may also move it back, to where the new history stands.
   * The places of entries in other streams are then of a history that may be over there as well.
   */
  handleGap(now: number, frame: Extract<ServerFrame, { kind: "gap" }>): Shown[] {
    const stream = this.#streams.get(frame.stream);
    if (stream === undefined) return [];
    const { epoch, from, to, reason } = frame;
    const known = epoch === stream.epoch && (reason === "reset" ? to === stream.offset : to <= stream.offset);
    if (known) return [];
    if (reason !== "retention") this.#forgetPlaces();
    stream.epoch = epoch;
    stream.offset = to;
    stream.since = to;
    stream.parts = undefined;
    this.#acknowledgeSoon(now, stream);
    return [{ kind: "gap", stream: frame.stream, room: stream.room, from, to, reason }];
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
    const streams = this.list().map((open) => ({
      ...open,
      since: this.#streams.get(open.stream)?.since ?? 0,
    }));
    return { streams, elsewhere: [...this.#elsewhere] };
  }

  restore(saved: SavedPositions): void {
    for (const open of saved.streams) this.#streams.set(open.stream, { ...open, parts: undefined });
    for (const place of saved.elsewhere) this.#elsewhere.add(place);
  }

  #take(now: number, stream: Stream, entry: WireEntry): Shown | undefined {
    if (entry.offset <= stream.offset) return undefined;
    if (entry.offset !== stream.offset + 1) {
      return {
        kind: "violation",
        detail: `entry ${entry.offset} after ${stream.offset} of stream ${stream.stream}`,
      };
    }
    stream.offset = entry.offset;
    stream.parts = undefined;
    this.#acknowledgeSoon(now, stream);
    const shownElsewhere = this.#elsewhere.delete(place(stream.stream, entry.offset));
    if (shownElsewhere || entry.payload === undefined || this.#isBehind(entry)) return undefined;
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

  /**
   * True when the event was passed in another stream, on the stretch that was shown there without a break.
   */
  #isBehind(entry: WireEntry): boolean {
    return entry.also.some(([other, offset]) => {
      const known = this.#streams.get(other);
      return known !== undefined && known.since < offset && offset <= known.offset;
    });
  }

  /** What was shown up to here says nothing of what other streams hold from now on. */
  #forgetPlaces(): void {
    this.#elsewhere.clear();
    for (const stream of this.#streams.values()) stream.since = stream.offset;
  }

  /** Also where a known stream stands further on: it may be left, and joined again in front of the place. */
  #remember(stream: number, offset: number): void {
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
  /** Every entry after it, up to `offset`, was shown, or skipped by the server. */
  since: number;
  /** What has arrived of the entry after `offset`. */
  parts: { readonly length: number; characters: number; readonly texts: string[] } | undefined;
};
