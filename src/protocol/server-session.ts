/**
 * The server's half of a session: the inbox. It decides which event runs, which is a duplicate, which waits, and what
 * the client is told; it lives in the process that holds the session and goes on through reconnects to it.
 *
 * - getters: `low`, `running`, `depth`;
 * - inputs: `handleConnected`, `handleDisconnected`, `handleFrame`, `handleOutcome`, `handleRecorded`, `handleRetry`,
 *   `handleChunkStored`, `handleUpload`;
 * - outputs: `poll()` after each input. The order is part of the contract: an outcome is transmitted only after
 *   `handleRecorded`, and that is called only when the store has committed the `record` output.
 *
 * Invariants: an event whose outcome is recorded never runs again; no two runs of one sequence are under way at once;
 * first runs start in ascending sequence, uploads that were sent aside excepted.
 */

import { type ClientFrame, decodeClientFrame, type Limits, parseJson, serverFrame } from "./frames.ts";

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
  | { readonly kind: "transmit"; readonly frame: string }
  /** The connection is told why and closed; the session goes on with the next one. */
  | {
      readonly kind: "violation";
      readonly code: "bad_frame" | "sequence_gap" | "window_exceeded" | "event_too_large";
      readonly detail: string;
    };

export class ServerSession {
  readonly #limits: Limits;
  #low: number;
  /** Every sequence below it is settled, running, held, deferred, or an upload that has begun. */
  #expected: number;
  readonly #outcomes = new Map<number, InboxOutcome>();
  /** Recorded outcomes have been committed; the others are on their way to the store. */
  readonly #recorded = new Set<number>();
  readonly #running = new Set<number>();
  readonly #deferred = new Set<number>();
  readonly #held = new Map<number, Run>();
  readonly #uploads = new Map<number, Upload>();
  #connected = false;
  #outputs: ServerOutput[] = [];

  constructor(options: {
    readonly limits: Limits;
    readonly low: number;
    readonly outcomes: readonly InboxOutcome[];
    readonly uploads: readonly { readonly sequence: number; readonly chunks: number }[];
  }) {
    this.#limits = options.limits;
    this.#low = options.low;
    this.#expected = options.low;
    for (const outcome of options.outcomes) {
      this.#outcomes.set(outcome.sequence, outcome);
      this.#recorded.add(outcome.sequence);
    }
    for (const { sequence, chunks } of options.uploads) {
      this.#uploads.set(sequence, { stored: chunks, expected: chunks, count: undefined, aside: false, reading: false });
    }
  }

  get low(): number {
    return this.#low;
  }

  /** Sequences of handlers that have not finished. */
  get running(): ReadonlySet<number> {
    return this.#running;
  }

  /** Outcomes, runs and held events that are remembered. */
  get depth(): number {
    return this.#outcomes.size + this.#running.size + this.#held.size + this.#uploads.size;
  }

  /** Returns what the welcome has to say of the inbox. */
  handleConnected(low: number): {
    readonly frames: readonly string[];
    readonly uploads: readonly (readonly [number, number])[];
  } {
    this.#connected = true;
    this.#forgetBelow(low);
    this.#expected = this.#low;
    this.#advance();
    const frames: string[] = [];
    for (const sequence of [...this.#recorded].toSorted((a, b) => a - b)) {
      const outcome = this.#outcomes.get(sequence);
      if (outcome !== undefined) frames.push(outcomeFrame(outcome));
    }
    const uploads: [number, number][] = [];
    for (const [sequence, upload] of this.#uploads) {
      upload.expected = upload.stored;
      // A read that failed is asked for again; a second answer to one that did not finds the event running.
      upload.reading = false;
      uploads.push([sequence, upload.stored]);
    }
    return { frames, uploads };
  }

  handleDisconnected(): void {
    this.#connected = false;
    // The client sends everything that is not settled again, so what has not begun to run is forgotten.
    this.#held.clear();
    this.#outputs = this.#outputs.filter(({ kind }) => kind !== "transmit" && kind !== "violation");
  }

  /** Takes one parsed frame of the client. */
  handleFrame(value: unknown): void {
    if (!this.#connected) return;
    const frame = decodeClientFrame(value);
    if (typeof frame === "string") {
      this.#violation("bad_frame", frame);
      return;
    }
    switch (frame.kind) {
      case "low":
        if (frame.low > this.#expected) this.#violation("bad_frame", "low-water mark ahead of what was sent");
        else this.#forgetBelow(frame.low);
        return;
      case "positions":
        this.#outputs.push(frame);
        return;
      case "probe":
        this.#transmit(serverFrame.alive(frame.nonce));
        return;
      default:
        if (this.#admit(frame.sequence)) this.#handleSequenced(frame);
    }
  }

  /** The handler has finished (or the event never ran): record its outcome. */
  handleOutcome(outcome: InboxOutcome): void {
    this.#running.delete(outcome.sequence);
    if (this.#outcomes.has(outcome.sequence) || outcome.sequence < this.#low) return;
    this.#outcomes.set(outcome.sequence, outcome);
    this.#uploads.delete(outcome.sequence);
    this.#outputs.push({ kind: "record", outcome, low: this.#low });
  }

  /** The store has committed this outcome, which is the first one recorded for the sequence. */
  handleRecorded(outcome: InboxOutcome): void {
    if (outcome.sequence < this.#low) return;
    this.#outcomes.set(outcome.sequence, outcome);
    this.#recorded.add(outcome.sequence);
    this.#transmit(outcomeFrame(outcome));
  }

  /** The outcome could not be recorded, or the handler asked for a retry: the event may run again after a delay. */
  handleRetry(sequence: number, delayMs: number): void {
    this.#running.delete(sequence);
    if (this.#recorded.has(sequence) || sequence < this.#low) return;
    this.#outcomes.delete(sequence);
    this.#deferred.add(sequence);
    this.#transmit(serverFrame.again(sequence, delayMs));
  }

  /** So many chunks of the upload are committed. */
  handleChunkStored(sequence: number, chunks: number): void {
    const upload = this.#uploads.get(sequence);
    if (upload === undefined) return;
    upload.stored = Math.max(upload.stored, chunks);
    this.#transmit(serverFrame.progress(sequence, upload.stored));
    this.#completeUpload(sequence, upload);
  }

  /** The stored chunks of an upload, joined. */
  handleUpload(sequence: number, text: string): void {
    const upload = this.#uploads.get(sequence);
    if (upload === undefined || this.#outcomes.has(sequence) || this.#running.has(sequence)) return;
    upload.reading = false;
    const frame = decodeClientFrame(parseJson(text));
    if (typeof frame === "string" || !isRunnable(frame) || frame.sequence !== sequence) {
      const error = { code: "bad_frame", message: "The chunks do not make an event." };
      this.handleOutcome({ sequence, status: "rejected", body: JSON.stringify(error) });
    } else this.#start(runOf(frame));
    this.#releaseHeld();
  }

  poll(): ServerOutput[] {
    const outputs = this.#outputs;
    if (outputs.length > 0) this.#outputs = [];
    return outputs;
  }

  /** Duplicates are answered or ignored here; returns true for an event that is wanted. */
  #admit(sequence: number): boolean {
    if (sequence < this.#low) return false;
    if (this.#recorded.has(sequence)) {
      const outcome = this.#outcomes.get(sequence);
      if (outcome !== undefined) this.#transmit(outcomeFrame(outcome));
      return false;
    }
    if (sequence >= this.#low + 2 * this.#limits.windowEvents) {
      this.#violation("window_exceeded", `sequence ${sequence} with low-water mark ${this.#low}`);
      return false;
    }
    if (sequence > this.#expected) {
      this.#violation("sequence_gap", `sequence ${sequence} where ${this.#expected} was expected`);
      return false;
    }
    return true;
  }

  #handleSequenced(frame: Extract<ClientFrame, { sequence: number }>): void {
    const { sequence } = frame;
    if (frame.kind === "cancel") this.#cancel(sequence);
    else if (frame.kind === "chunk") this.#handleChunk(frame);
    else if (!this.#running.has(sequence) && !this.#outcomes.has(sequence)) {
      const waits = !this.#deferred.has(sequence) && this.#uploadInFrontOf(sequence);
      if (waits) this.#held.set(sequence, runOf(frame));
      else this.#start(runOf(frame));
    }
    this.#advance();
  }

  #handleChunk(frame: Extract<ClientFrame, { kind: "chunk" }>): void {
    const { sequence, index, count, text } = frame;
    if (this.#running.has(sequence) || this.#outcomes.has(sequence)) return;
    if (text.length > 2 * this.#limits.chunkCharacters) {
      this.#violation("bad_frame", "chunk larger than advertised");
      return;
    }
    if (count > Math.ceil((2 * this.#limits.eventCharacters) / this.#limits.chunkCharacters) + 1) {
      this.#violation("event_too_large", `${count} chunks`);
      return;
    }
    const upload = this.#uploads.get(sequence) ?? newUpload();
    if (upload.count !== undefined && upload.count !== count) {
      this.#violation("bad_frame", "the number of chunks changed");
      return;
    }
    this.#uploads.set(sequence, upload);
    upload.count = count;
    upload.aside = frame.aside;
    if (index > upload.expected) {
      this.#violation("bad_frame", `chunk ${index} where ${upload.expected} was expected`);
    } else if (index < upload.expected) this.#completeUpload(sequence, upload);
    else {
      upload.expected += 1;
      this.#outputs.push({ kind: "storeChunk", sequence, index, text });
    }
  }

  #completeUpload(sequence: number, upload: Upload): void {
    if (upload.reading || upload.stored !== upload.count || this.#running.has(sequence)) return;
    upload.reading = true;
    this.#outputs.push({ kind: "readUpload", sequence });
  }

  #cancel(sequence: number): void {
    // An event that is running has an outcome soon, and the client will take that.
    if (this.#running.has(sequence) || this.#outcomes.has(sequence)) return;
    this.#held.delete(sequence);
    this.handleOutcome({ sequence, status: "expired", body: "" });
    this.#releaseHeld();
  }

  #start(run: Run): void {
    this.#deferred.delete(run.sequence);
    this.#running.add(run.sequence);
    this.#outputs.push({ kind: "run", ...run });
  }

  /** True when an earlier event is still being uploaded and must be handed over first. */
  #uploadInFrontOf(sequence: number): boolean {
    for (const [other, upload] of this.#uploads) {
      const begun = this.#running.has(other) || this.#deferred.has(other) || this.#outcomes.has(other);
      if (other < sequence && !upload.aside && !begun) return true;
    }
    return false;
  }

  #releaseHeld(): void {
    for (const [sequence, run] of this.#held) {
      if (this.#uploadInFrontOf(sequence)) return;
      this.#held.delete(sequence);
      this.#start(run);
    }
  }

  #advance(): void {
    while (this.#isKnown(this.#expected)) this.#expected += 1;
  }

  #isKnown(sequence: number): boolean {
    return (
      this.#outcomes.has(sequence) ||
      this.#running.has(sequence) ||
      this.#held.has(sequence) ||
      this.#deferred.has(sequence) ||
      this.#uploads.has(sequence)
    );
  }

  #forgetBelow(low: number): void {
    if (low <= this.#low) return;
    for (let sequence = this.#low; sequence < low && this.#depthAbove(sequence); sequence++) {
      this.#outcomes.delete(sequence);
      this.#recorded.delete(sequence);
      this.#deferred.delete(sequence);
      this.#held.delete(sequence);
      this.#uploads.delete(sequence);
    }
    this.#low = low;
    this.#expected = Math.max(this.#expected, low);
  }

  /** Keeps a hello with an enormous low-water mark from counting through all of it. */
  #depthAbove(sequence: number): boolean {
    return sequence < this.#low + 4 * this.#limits.windowEvents;
  }

  #transmit(frame: string): void {
    if (this.#connected) this.#outputs.push({ kind: "transmit", frame });
  }

  #violation(code: Extract<ServerOutput, { kind: "violation" }>["code"], detail: string): void {
    this.#outputs.push({ kind: "violation", code, detail });
  }
}

function outcomeFrame(outcome: InboxOutcome): string {
  const { sequence, status, body } = outcome;
  if (status === "expired") return serverFrame.expired(sequence);
  if (status === "rejected") return serverFrame.rejected(sequence, body);
  return body === "" ? serverFrame.done(sequence, sequence) : serverFrame.result(sequence, body);
}

function isRunnable(frame: ClientFrame): frame is Extract<ClientFrame, { kind: "event" | "reply" }> {
  return frame.kind === "event" || frame.kind === "reply";
}

function runOf(frame: Extract<ClientFrame, { kind: "event" | "reply" }>): Run {
  const { sequence, wantsReply, payload } = frame;
  return { sequence, wantsReply, payload, request: frame.kind === "reply" ? frame.request : undefined };
}

function newUpload(): Upload {
  return { stored: 0, expected: 0, count: undefined, aside: false, reading: false };
}

type Upload = {
  /** Chunks that are committed. Invariant: stored <= expected. */
  stored: number;
  /** Index of the next chunk to be taken. */
  expected: number;
  count: number | undefined;
  aside: boolean;
  /** The joined text has been asked for. */
  reading: boolean;
};
