/** Streams, their entries, cursors and members in memory. */

import type { AppendRequest, CursorRequest, Entry, Page, ReadRequest, Receipt, StreamHead } from "./port.ts";
import { memoryCost } from "./memory-budget.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { headOf } from "./stream-row.ts";
import type { Readers, StreamRow } from "./stream-row.ts";

export type MemoryStream = StreamRow & {
  /** From `low` to `head`, without holes. */
  entries: Entry[];
  readonly cursors: Map<string, number>;
  /** The consumer of each membership, under a key made of session and room. */
  readonly members: Map<string, string | undefined>;
};

export class MemoryStreams {
  readonly #budget: MemoryBudget;
  readonly #newEpoch: () => string;
  readonly #byKey = new Map<string, MemoryStream>();
  readonly #byId = new Map<number, MemoryStream>();
  #lastId = 0;

  constructor(budget: MemoryBudget, newEpoch: () => string) {
    this.#budget = budget;
    this.#newEpoch = newEpoch;
  }

  find(key: string): MemoryStream | undefined {
    return this.#byKey.get(key);
  }

  all(): Iterable<MemoryStream> {
    return this.#byId.values();
  }

  resolve(key: string): MemoryStream {
    const found = this.#byKey.get(key);
    if (found !== undefined) return found;
    this.#lastId += 1;
    const stream: MemoryStream = {
      id: this.#lastId,
      key,
      epoch: this.#newEpoch(),
      low: 1,
      head: 0,
      mailbox: false,
      holdsPassed: false,
      oldestAt: undefined,
      orphanedAt: undefined,
      entries: [],
      cursors: new Map(),
      members: new Map(),
    };
    this.#byKey.set(key, stream);
    this.#byId.set(stream.id, stream);
    this.#budget.take(memoryCost.stream);
    return stream;
  }

  heads(keys: readonly string[]): readonly (StreamHead | undefined)[] {
    return keys.map((key) => {
      const stream = this.#byKey.get(key);
      return stream && headOf(stream);
    });
  }

  append(request: AppendRequest): readonly Receipt[] {
    const streams = request.keys.map((key) => this.resolve(key));
    const places = streams.map((stream) => [stream.id, stream.head + 1] as const);
    return streams.map((stream) => {
      const also = places.filter((place) => place[0] !== stream.id);
      stream.head += 1;
      stream.oldestAt ??= request.at;
      stream.orphanedAt = undefined;
      stream.entries.push({
        stream: stream.id,
        offset: stream.head,
        payload: request.payload,
        at: request.at,
        ...(request.except !== undefined && request.except.length > 0 && { except: request.except }),
        ...(also.length > 0 && { also }),
        ...(request.request !== undefined && { request: request.request }),
      });
      this.#budget.take(memoryCost.entry + request.payload.length);
      const { id, epoch, head } = stream;
      return { stream: id, epoch, offset: head, duplicate: false, durability: "memory" };
    });
  }

  read({ stream: id, after, limit, charactersLimit }: ReadRequest): Page {
    const stream = this.#byId.get(id);
    if (stream === undefined) return { head: undefined, entries: [] };
    const first = Math.max(0, after + 1 - stream.low);
    let end = first;
    for (let characters = 0; end < stream.entries.length && end - first < limit; ) {
      characters += stream.entries[end]?.payload.length ?? 0;
      end += 1;
      if (characters >= charactersLimit) break;
    }
    return { head: headOf(stream), entries: stream.entries.slice(first, end) };
  }

  /** Returns how many streams there are. One new name does for all: epochs of one stream are compared. */
  renewEpochs(): number {
    const epoch = this.#newEpoch();
    for (const stream of this.#byId.values()) stream.epoch = epoch;
    return this.#byId.size;
  }

  /** Returns the consumer's cursor, creating one before the first entry that is held. */
  cursor(stream: MemoryStream, consumer: string): number {
    const found = stream.cursors.get(consumer);
    if (found !== undefined) return found;
    stream.cursors.set(consumer, stream.low - 1);
    stream.mailbox = true;
    this.#budget.take(memoryCost.cursor);
    return stream.low - 1;
  }

  moveCursor({ consumer, stream: id, position }: CursorRequest): undefined {
    const stream = this.#byId.get(id);
    const offset = stream?.cursors.get(consumer);
    if (stream === undefined || offset === undefined || stream.epoch !== position.epoch) return;
    if (position.offset > offset && position.offset <= stream.head)
      stream.cursors.set(consumer, position.offset);
  }

  readers(stream: MemoryStream): Readers {
    if (!stream.mailbox) return { passed: undefined, eachWithOwnCursor: false };
    let passed = Number.POSITIVE_INFINITY;
    for (const offset of stream.cursors.values()) passed = Math.min(passed, offset);
    const consumers = new Set(stream.members.values());
    consumers.delete(undefined);
    return { passed, eachWithOwnCursor: consumers.size === stream.members.size };
  }

  /** Returns the first offset that is not older than `time`. */
  firstSince(stream: MemoryStream, time: number): number {
    const index = stream.entries.findIndex((entry) => entry.at >= time);
    return index < 0 ? stream.head + 1 : stream.low + index;
  }

  /** Removes the entries before `low`. Returns how many there were. */
  trim(stream: MemoryStream, low: number): number {
    const kept = Math.min(low, stream.head + 1);
    const trimmed = stream.entries.splice(0, kept - stream.low);
    for (const entry of trimmed) this.#budget.release(memoryCost.entry + entry.payload.length);
    stream.low = kept;
    stream.oldestAt = stream.entries[0]?.at;
    return trimmed.length;
  }

  drop(stream: MemoryStream): void {
    this.trim(stream, stream.head + 1);
    this.#budget.release(memoryCost.stream + stream.cursors.size * memoryCost.cursor);
    this.#byKey.delete(stream.key);
    this.#byId.delete(stream.id);
  }

  figures(): { streams: number; entries: number } {
    let entries = 0;
    for (const stream of this.#byId.values()) entries += stream.entries.length;
    return { streams: this.#byId.size, entries };
  }
}
