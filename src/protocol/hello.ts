/**
 * Hello and welcome: what the two sides say inside Socket.IO's CONNECT, before the first frame. The hello is
 * text, in the place where stock clients put an offset; the welcome is an object beside `sid` and `pid`.
 */

import type { Holder } from "./holder.ts";
import { isCount, isOrdinal, isPair, isRecord, isShortText, parseJson } from "./json-shape.ts";

export const protocolVersion = 1;

/** What a client says in front of the session, inside Socket.IO's CONNECT. */
export type Hello = {
  readonly versions: readonly number[];
  /** All events below it are settled as far as the client is concerned. */
  readonly low: number;
  /** The first sequence that the client has never sent. */
  readonly next: number;
  readonly positions: readonly ClientPosition[];
  /** Who asks, so that of two copies of one client's state only one goes on with the session. */
  readonly holder?: Holder;
};

/** So many characters (`part`) of the entry after `offset` are already there. */
export type ClientPosition = {
  readonly stream: number;
  readonly epoch: string;
  readonly offset: number;
  readonly part: number;
};

/** What the server advertises; a client that exceeds it is refused. */
export type Limits = {
  /** Events in flight: a client sends only sequences below its own low-water mark plus this. */
  readonly windowEvents: number;
  /** Characters in flight, one event always allowed. */
  readonly windowCharacters: number;
  /** Frames above this many characters travel in chunks of this size. */
  readonly chunkCharacters: number;
  /** Chunks in flight of one upload. */
  readonly windowChunks: number;
  /** Larger events fail at the emitting side. */
  readonly eventCharacters: number;
};

export type OpenStream = {
  readonly stream: number;
  readonly epoch: string;
  /** The next entry to come is the one after it. */
  readonly offset: number;
  /** The room's name where the application shows it, else "". */
  readonly room: string;
  /** A consumer's cursor follows the client's acknowledgements, so they are sent without delay. */
  readonly prompt: boolean;
};

export type Welcome = {
  readonly version: number;
  readonly generation: number;
  /** True when the session of the hello goes on; false when a new one was opened. */
  readonly resumed: boolean;
  /** Why the session of the hello could not go on; "" when none was asked for or it was resumed. */
  readonly refused: string;
  readonly limits: Limits;
  readonly streams: readonly OpenStream[];
  /** Gaps and recorded outcomes, to be taken before anything is sent again. */
  readonly frames: readonly unknown[];
  /** Uploads of which the first `chunks` chunks are stored. */
  readonly uploads: readonly (readonly [sequence: number, chunks: number])[];
};

export function encodeHello(hello: Hello): string {
  const positions = hello.positions.map((p) => [p.stream, p.epoch, p.offset, p.part]);
  const { instance: i, generation: g, attempt: n } = hello.holder ?? {};
  return JSON.stringify({ v: hello.versions, low: hello.low, next: hello.next, at: positions, i, g, n });
}

/**
 * True for the text of a Holdfast client, well-formed or not; false for the offset that a stock client sends.
 */
export function isHello(text: unknown): text is string {
  return typeof text === "string" && text.startsWith('{"v":');
}

/** Returns undefined for anything that is not a well-formed hello. */
export function decodeHello(text: unknown): Hello | undefined {
  if (!isHello(text) || text.length > helloCharactersLimit) return undefined;
  const value = parseJson(text);
  if (!isRecord(value)) return undefined;
  const { v: versions, low, next, at } = value;
  if (!Array.isArray(versions) || !versions.every(isCount) || !Array.isArray(at)) return undefined;
  if (!isOrdinal(low) || !isOrdinal(next) || low > next) return undefined;
  const positions: ClientPosition[] = [];
  for (const item of at) {
    if (!Array.isArray(item)) return undefined;
    const [stream, epoch, offset, part] = item as unknown[];
    if (!isOrdinal(stream) || !isShortText(epoch) || !isCount(offset) || !isCount(part)) return undefined;
    positions.push({ stream, epoch, offset, part });
  }
  const { i: instance, g: generation, n: attempt } = value;
  // Stores keep it as UTF-8, where half a surrogate pair would make two different names one.
  const named = isShortText(instance) && instance.isWellFormed() && isCount(generation) && isCount(attempt);
  return { versions, low, next, positions, ...(named ? { holder: { instance, generation, attempt } } : {}) };
}

export function decodeWelcome(value: unknown): Welcome | undefined {
  if (!isRecord(value)) return undefined;
  const { version, generation, resumed, refused, limits, streams, frames, uploads } = value;
  if (!isCount(version) || !isCount(generation) || typeof resumed !== "boolean") return undefined;
  if (typeof refused !== "string" || !isLimits(limits)) return undefined;
  if (!Array.isArray(streams) || !Array.isArray(frames) || !Array.isArray(uploads)) return undefined;
  if (!streams.every(isOpenStream) || !uploads.every(isPair)) return undefined;
  return { version, generation, resumed, refused, limits, streams, frames, uploads };
}

function isLimits(value: unknown): value is Limits {
  if (!isRecord(value)) return false;
  const names = ["windowEvents", "windowCharacters", "chunkCharacters", "windowChunks", "eventCharacters"];
  if (!names.every((name) => isOrdinal(value[name]))) return false;
  const size = value["chunkCharacters"] as number;
  return size >= chunkCharactersMin && size <= chunkCharactersMax;
}

export function isOpenStream(value: unknown): value is OpenStream {
  if (!isRecord(value)) return false;
  const { stream, epoch, offset, room, prompt } = value;
  const shaped = typeof room === "string" && typeof prompt === "boolean";
  return shaped && isOrdinal(stream) && isShortText(epoch) && isCount(offset);
}

/** A client in 10,000 rooms needs some 400,000 characters to say its positions. */
const helloCharactersLimit = 1_000_000;
/**
 * Limits of what a server advertises. A chunk of the greatest size, escaped, still fits Socket.IO's packet of
 * 1 MB.
 */
export const chunkCharactersMin = 16;
export const chunkCharactersMax = 131_072;
