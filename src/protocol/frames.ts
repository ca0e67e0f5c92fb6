/**
 * Frames: what the two sides of a session say to each other, one JSON array each, several to a Socket.IO
 * packet. `docs/PROTOCOL.md` is the specification; `test/vectors` replays it. Encoders return text, because
 * an entry is serialised once and frames are made by joining. Decoders take parsed JSON and return a typed
 * frame or a reason; nothing behind them sees `unknown` except payloads, which belong to the application.
 */

import { chunkCharactersMax, isOpenStream, type OpenStream } from "./hello.ts";
import { isCount, isFlag, isOrdinal, isPair, isRecord, isShortText } from "./json-shape.ts";

export * from "./hello.ts";
export * from "./holder.ts";
export { parseJson } from "./json-shape.ts";

/** The one event name that carries frames. Applications cannot use it. */
export const frameEvent = "$hf";

export type FrameError = { readonly code: string; readonly message: string; readonly data?: unknown };

export type ClientFrame =
  | {
      readonly kind: "event";
      readonly sequence: number;
      readonly wantsReply: boolean;
      readonly payload: unknown;
    }
  | {
      readonly kind: "reply";
      readonly sequence: number;
      readonly wantsReply: boolean;
      readonly request: string;
      readonly payload: unknown;
    }
  | {
      readonly kind: "chunk";
      readonly sequence: number;
      readonly index: number;
      readonly count: number;
      readonly aside: boolean;
      readonly text: string;
    }
  | { readonly kind: "cancel"; readonly sequence: number }
  | { readonly kind: "low"; readonly low: number }
  | { readonly kind: "positions"; readonly positions: readonly (readonly [stream: number, offset: number])[] }
  /** So many characters of a large entry have arrived in parts. */
  | {
      readonly kind: "arrived";
      readonly stream: number;
      readonly offset: number;
      readonly characters: number;
    }
  | { readonly kind: "probe"; readonly nonce: number };

export type WireEntry = {
  readonly offset: number;
  /** Absent: the entry is not for this client, and only its offset is accounted for. */
  readonly payload?: unknown;
  readonly request?: string;
  readonly also: readonly (readonly [stream: number, offset: number])[];
};

export type ServerFrame =
  | { readonly kind: "entries"; readonly stream: number; readonly entries: readonly WireEntry[] }
  | { readonly kind: "open"; readonly open: OpenStream }
  | { readonly kind: "leave"; readonly stream: number }
  | {
      readonly kind: "gap";
      readonly stream: number;
      readonly epoch: string;
      readonly from: number;
      readonly to: number;
      readonly reason: GapReason;
    }
  | {
      readonly kind: "part";
      readonly stream: number;
      readonly offset: number;
      /** Place of the text in the text of the entry, which has `length` characters. */
      readonly from: number;
      readonly length: number;
      readonly text: string;
    }
  | { readonly kind: "done"; readonly first: number; readonly last: number }
  | { readonly kind: "result"; readonly sequence: number; readonly body: unknown }
  | { readonly kind: "rejected"; readonly sequence: number; readonly error: FrameError }
  | { readonly kind: "expired"; readonly sequence: number }
  | { readonly kind: "again"; readonly sequence: number; readonly delayMs: number }
  | { readonly kind: "progress"; readonly sequence: number; readonly chunks: number }
  | { readonly kind: "drain"; readonly reconnectInMs: number }
  | { readonly kind: "alive"; readonly nonce: number }
  /** The server has sent so many frames on this connection, frames of this kind not counted. */
  | { readonly kind: "count"; readonly frames: number }
  | { readonly kind: "error"; readonly code: string; readonly detail: string }
  /** Of a newer server. A client ignores it. */
  | { readonly kind: "unknown" };

export const gapReasons = ["retention", "reset"] as const;
export type GapReason = (typeof gapReasons)[number];

/** Text of frames from client to server. `payload` is payload text and must be valid JSON. */
export const clientFrame = {
  event: (sequence: number, wantsReply: boolean, payload: string) =>
    `["ev",${sequence},${wantsReply ? 1 : 0},${payload}]`,
  reply: (sequence: number, wantsReply: boolean, request: string, payload: string) =>
    `["re",${sequence},${wantsReply ? 1 : 0},${JSON.stringify(request)},${payload}]`,
  chunk: (sequence: number, index: number, count: number, aside: boolean, text: string) =>
    `["ch",${sequence},${index},${count},${aside ? 1 : 0},${JSON.stringify(text)}]`,
  cancel: (sequence: number) => `["ca",${sequence}]`,
  low: (low: number) => `["lo",${low}]`,
  positions: (positions: readonly (readonly [number, number])[]) => `["at",${JSON.stringify(positions)}]`,
  arrived: (stream: number, offset: number, characters: number) => `["pa",${stream},${offset},${characters}]`,
  probe: (nonce: number) => `["pi",${nonce}]`,
};

/** Text of frames from server to client. */
export const serverFrame = {
  /** `entries` are texts made by `entryText` or `skipText`, joined by commas. */
  entries: (stream: number, entries: string) => `["en",${stream},${entries}]`,
  open: (open: OpenStream) =>
    `["st",${open.stream},${JSON.stringify(open.epoch)},${open.offset},${JSON.stringify(open.room)},` +
    `${open.prompt ? 1 : 0}]`,
  leave: (stream: number) => `["le",${stream}]`,
  gap: (stream: number, epoch: string, from: number, to: number, reason: GapReason) =>
    `["ga",${stream},${JSON.stringify(epoch)},${from},${to},"${reason}"]`,
  part: (stream: number, offset: number, from: number, length: number, text: string) =>
    `["pt",${stream},${offset},${from},${length},${JSON.stringify(text)}]`,
  done: (first: number, last: number) => `["do",${first},${last}]`,
  /** `body` is payload text. */
  result: (sequence: number, body: string) => `["ok",${sequence},${body}]`,
  /** `error` is the JSON text of a `FrameError`. */
  rejected: (sequence: number, error: string) => `["no",${sequence},${error}]`,
  expired: (sequence: number) => `["ex",${sequence}]`,
  again: (sequence: number, delayMs: number) => `["ag",${sequence},${delayMs}]`,
  progress: (sequence: number, chunks: number) => `["cp",${sequence},${chunks}]`,
  drain: (reconnectInMs: number) => `["dr",${reconnectInMs}]`,
  alive: (nonce: number) => `["al",${nonce}]`,
  count: (frames: number) => `["fr",${frames}]`,
  error: (code: string, detail: string) => `["er",${JSON.stringify(code)},${JSON.stringify(detail)}]`,
};

/** The text of one entry inside an "en" frame. */
export function entryText(entry: {
  readonly offset: number;
  readonly payload: string;
  readonly also?: readonly (readonly [number, number])[];
  readonly request?: string;
}): string {
  if (entry.also === undefined && entry.request === undefined) return `[${entry.offset},${entry.payload}]`;
  const meta = JSON.stringify({ a: entry.also, r: entry.request });
  return `[${entry.offset},${entry.payload},${meta}]`;
}

export function skipText(offset: number): string {
  return `[${offset}]`;
}

/** Returns the frame, or the reason why it is none. */
export function decodeClientFrame(value: unknown): ClientFrame | string {
  if (!Array.isArray(value)) return "a frame is an array";
  const [kind, a, b, c, d, e] = value as unknown[];
  switch (kind) {
    case "ev":
      if (!isOrdinal(a) || !isFlag(b) || c === undefined) return 'malformed "ev"';
      return { kind: "event", sequence: a, wantsReply: b === 1, payload: c };
    case "re":
      if (!isOrdinal(a) || !isFlag(b) || !isShortText(c) || d === undefined) return 'malformed "re"';
      return { kind: "reply", sequence: a, wantsReply: b === 1, request: c, payload: d };
    case "ch":
      if (!isOrdinal(a) || !isCount(b) || !isOrdinal(c) || b >= c || !isFlag(d)) return 'malformed "ch"';
      if (typeof e !== "string" || e.length === 0) return 'a "ch" without text';
      if (e.length > chunkCharactersMax) return "chunk too large";
      return { kind: "chunk", sequence: a, index: b, count: c, aside: d === 1, text: e };
    case "ca":
      return isOrdinal(a) ? { kind: "cancel", sequence: a } : 'malformed "ca"';
    case "lo":
      return isOrdinal(a) ? { kind: "low", low: a } : 'malformed "lo"';
    case "at":
      if (!Array.isArray(a) || a.length > positionsPerFrame || !a.every(isPair)) return 'malformed "at"';
      return { kind: "positions", positions: a };
    case "pa":
      if (!isOrdinal(a) || !isOrdinal(b) || !isOrdinal(c)) return 'malformed "pa"';
      return { kind: "arrived", stream: a, offset: b, characters: c };
    case "pi":
      return isCount(a) ? { kind: "probe", nonce: a } : 'malformed "pi"';
    default:
      return "unknown frame";
  }
}

/** Returns the frame, or the reason why it is none. */
export function decodeServerFrame(value: unknown): ServerFrame | string {
  if (!Array.isArray(value)) return "a frame is an array";
  const [kind, a, b, c, d, e] = value as unknown[];
  switch (kind) {
    case "en":
      return isOrdinal(a) ? decodeEntries(a, value.slice(2)) : 'malformed "en"';
    case "st": {
      if (!isFlag(e)) return 'malformed "st"';
      const open = { stream: a, epoch: b, offset: c, room: d, prompt: e === 1 };
      return isOpenStream(open) ? { kind: "open", open } : 'malformed "st"';
    }
    case "le":
      return isOrdinal(a) ? { kind: "leave", stream: a } : 'malformed "le"';
    case "ga":
      if (!isOrdinal(a) || !isShortText(b) || !isCount(c) || !isCount(d) || typeof e !== "string") {
        return 'malformed "ga"';
      }
      // A reason of a newer server is at least a break in what was shown.
      return { kind: "gap", stream: a, epoch: b, from: c, to: d, reason: e === "retention" ? e : "reset" };
    case "pt":
      if (!isOrdinal(a) || !isOrdinal(b) || !isCount(c) || !isOrdinal(d)) return 'malformed "pt"';
      if (typeof e !== "string" || e.length === 0 || c + e.length > d) return 'malformed "pt"';
      return { kind: "part", stream: a, offset: b, from: c, length: d, text: e };
    case "do":
      return isOrdinal(a) && isOrdinal(b) ? { kind: "done", first: a, last: b } : 'malformed "do"';
    case "ok":
      return isOrdinal(a) && b !== undefined ? { kind: "result", sequence: a, body: b } : 'malformed "ok"';
    case "no":
      if (!isOrdinal(a) || !isFrameError(b)) return 'malformed "no"';
      return { kind: "rejected", sequence: a, error: b };
    case "ex":
      return isOrdinal(a) ? { kind: "expired", sequence: a } : 'malformed "ex"';
    case "ag":
      return isOrdinal(a) && isCount(b) ? { kind: "again", sequence: a, delayMs: b } : 'malformed "ag"';
    case "cp":
      return isOrdinal(a) && isCount(b) ? { kind: "progress", sequence: a, chunks: b } : 'malformed "cp"';
    case "dr":
      return isCount(a) ? { kind: "drain", reconnectInMs: a } : 'malformed "dr"';
    case "al":
      return isCount(a) ? { kind: "alive", nonce: a } : 'malformed "al"';
    case "fr":
      return isCount(a) ? { kind: "count", frames: a } : 'malformed "fr"';
    case "er":
      if (typeof a !== "string" || typeof b !== "string") return 'malformed "er"';
      return { kind: "error", code: a, detail: b };
    default:
      return typeof kind === "string" ? { kind: "unknown" } : "a frame begins with its kind";
  }
}

/** Whether a frame, of which nothing is known yet, says how many there were. */
export function isFrameCount(frame: unknown): boolean {
  return Array.isArray(frame) && frame[0] === "fr";
}

function decodeEntries(stream: number, values: readonly unknown[]): ServerFrame | string {
  const entries: WireEntry[] = [];
  for (const value of values) {
    const entry = decodeEntry(value);
    if (entry === undefined) return "malformed entry";
    entries.push(entry);
  }
  return { kind: "entries", stream, entries };
}

/** Returns undefined for anything that is not an entry. Used for entries in frames and for joined parts. */
export function decodeEntry(value: unknown): WireEntry | undefined {
  if (!Array.isArray(value)) return undefined;
  const [offset, payload, meta] = value as unknown[];
  if (!isOrdinal(offset)) return undefined;
  if (value.length === 1) return { offset, also: [] };
  if (meta === undefined) return { offset, payload, also: [] };
  if (!isRecord(meta)) return undefined;
  const also = meta["a"] ?? [];
  const request = meta["r"];
  if (!Array.isArray(also) || !also.every(isPair)) return undefined;
  if (request !== undefined && !isShortText(request)) return undefined;
  return { offset, payload, also, ...(request === undefined ? {} : { request }) };
}

function isFrameError(value: unknown): value is FrameError {
  return isRecord(value) && typeof value["code"] === "string" && typeof value["message"] === "string";
}

const positionsPerFrame = 10_000;
