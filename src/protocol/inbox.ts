/** What an inbox remembers of one event: its run, its outcome, and what has arrived of it. */

import { type ClientFrame, serverFrame } from "./frames.ts";

export type InboxOutcome = {
  readonly sequence: number;
  readonly status: "ok" | "rejected" | "expired";
  /** Payload text of the reply, JSON text of the error, or "". */
  readonly body: string;
};

export type Run = {
  readonly sequence: number;
  readonly wantsReply: boolean;
  /** Names the callback that the event answers; undefined for an ordinary event. */
  readonly request: string | undefined;
  readonly payload: unknown;
};

export type ServerOutput =
  | ({ readonly kind: "run" } & Run)
  /** Persist first; `handleRecorded` then transmits. */
  | { readonly kind: "record"; readonly outcome: InboxOutcome; readonly low: number }
  | { readonly kind: "storeChunk"; readonly sequence: number; readonly index: number; readonly text: string }
  | { readonly kind: "readUpload"; readonly sequence: number }
  | { readonly kind: "positions"; readonly positions: readonly (readonly [number, number])[] }
  | {
      readonly kind: "arrived";
      readonly stream: number;
      readonly offset: number;
      readonly characters: number;
    }
  | { readonly kind: "transmit"; readonly frame: string }
  /** The connection is told why and closed; the session goes on with the next one. */
  | {
      readonly kind: "violation";
      readonly code: "bad_frame" | "sequence_gap" | "window_exceeded";
      readonly detail: string;
    };

/**
 * What an inbox remembers, by sequence. Six tables are some 1,200 bytes, so a session has none until its
 * client sends something, and none again when all of that is settled: most connections are idle most of the
 * time.
 */
export class InboxTables {
  readonly outcomes = new Map<number, InboxOutcome>();
  /** Recorded outcomes have been committed; the others are on their way to the store. */
  readonly recorded = new Set<number>();
  readonly running = new Set<number>();
  readonly deferred = new Set<number>();
  readonly held = new Map<number, Run>();
  readonly uploads = new Map<number, Upload>();

  /** Characters that this process has taken of unfinished uploads. */
  get uploadCharacters(): number {
    let sum = 0;
    for (const [sequence, { characters }] of this.uploads) {
      if (!this.outcomes.has(sequence)) sum += characters;
    }
    return sum;
  }

  /** Whether anything is remembered of the event. */
  has(sequence: number): boolean {
    return this.all.some((table) => table.has(sequence));
  }

  get all(): readonly Pick<Map<number, unknown>, "size" | "keys" | "has" | "delete">[] {
    return [this.outcomes, this.recorded, this.running, this.deferred, this.held, this.uploads];
  }

  /** The highest sequence that is remembered; 0 when there is none. */
  get last(): number {
    let last = 0;
    for (const table of this.all) for (const sequence of table.keys()) last = Math.max(last, sequence);
    return last;
  }
}

export function outcomeFrame(outcome: InboxOutcome): string {
  const { sequence, status, body } = outcome;
  if (status === "expired") return serverFrame.expired(sequence);
  if (status === "rejected") return serverFrame.rejected(sequence, body);
  return body === "" ? serverFrame.done(sequence, sequence) : serverFrame.result(sequence, body);
}

export function isRunnable(frame: ClientFrame): frame is Extract<ClientFrame, { kind: "event" | "reply" }> {
  return frame.kind === "event" || frame.kind === "reply";
}

export function runOf(frame: Extract<ClientFrame, { kind: "event" | "reply" }>): Run {
  const { sequence, wantsReply, payload } = frame;
  return { sequence, wantsReply, payload, request: frame.kind === "reply" ? frame.request : undefined };
}

export function newUpload(): Upload {
  const nothing = { stored: 0, expected: 0, count: undefined, characters: 0, underWay: [] };
  return { ...nothing, aside: false, reading: false };
}

/** A client that is back goes on with the chunk after the stored ones. */
export function beginAgain(upload: Upload): void {
  upload.expected = upload.stored;
  for (const characters of upload.underWay) upload.characters -= characters;
  upload.underWay = [];
  // Until a chunk is stored the client may cut its text anew.
  if (upload.stored === 0) upload.count = undefined;
  // A read that failed is asked for again; a second answer to one that did not finds the event running.
  upload.reading = false;
}

/** An event that arrives in chunks. */
export type Upload = {
  /** Chunks that are committed. Invariant: stored <= expected. */
  stored: number;
  /** Characters of the chunks from `stored` to `expected`; a client that reconnects sends them again. */
  underWay: number[];
  /** Index of the next chunk to be taken. */
  expected: number;
  count: number | undefined;
  /** What this process has taken of it; what an earlier one had taken is not known. */
  characters: number;
  aside: boolean;
  /** The joined text has been asked for. */
  reading: boolean;
};
