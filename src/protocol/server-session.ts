/**
 * The server's half of a session: the inbox. It decides which event runs, which is a duplicate, which waits,
 * and what the client is told; it lives in the process that holds the session and goes on through reconnects
 * to it.
 *
 * - getters: `low`, `running`, `depth`;
 * - inputs: `handleConnected`, `handleClosing`, `handleDisconnected`, `handleFrame`, `handleOutcome`,
 *   `handleRecorded`, `handleRetry`, `handleNotRun`, `handleChunkStored`, `handleUpload`;
 * - outputs: `poll()` after each input. The order is part of the contract: an outcome is transmitted only
 *   after `handleRecorded`, and that is called only when the store has committed the `record` output.
 *
 * Invariants: an event whose outcome is recorded never runs again; no two runs of one sequence are under way
 * at once; first runs start in ascending sequence, uploads that were sent aside excepted; everything that is
 * remembered is of a sequence from `low` to below `low + 2 * windowEvents`, so nothing here grows without the
 * client confirming.
 */

import { errorCatalogue } from "./errors.ts";
import { chunkCharactersMin, type ClientFrame, decodeClientFrame } from "./frames.ts";
import { judge, type Limits, parseJson, serverFrame, unclaimed } from "./frames.ts";
import {
  beginAgain,
  type InboxOutcome,
  InboxTables,
  isRunnable,
  newUpload,
  outcomeFrame,
  type Run,
  runOf,
  type ServerOutput,
  type Upload,
} from "./inbox.ts";

export type { InboxOutcome, Run, ServerOutput } from "./inbox.ts";

export class ServerSession {
  readonly #limits: Limits;
  #low: number;
  /** Every sequence below it is settled, running, held, deferred, or an upload that has begun. */
  #expected: number;
  #tables: InboxTables | undefined;
  #connected = false;
  /**
   * The connection is being closed, for what it did or because the process ends: nothing more is taken or
   * begun.
   */
  #closing = false;
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
      this.#known.outcomes.set(outcome.sequence, outcome);
      this.#known.recorded.add(outcome.sequence);
    }
    for (const { sequence, chunks } of options.uploads) {
      this.#known.uploads.set(sequence, { ...newUpload(), stored: chunks, expected: chunks });
    }
  }

  get #known(): InboxTables {
    this.#tables ??= new InboxTables();
    return this.#tables;
  }

  get low(): number {
    return this.#low;
  }

  /** Sequences of handlers that have not finished. */
  get running(): ReadonlySet<number> {
    return this.#tables?.running ?? none;
  }

  /** Outcomes, runs, held and deferred events and uploads that are remembered. */
  get depth(): number {
    const tables = this.#tables;
    if (tables === undefined) return 0;
    return tables.all.reduce((sum, { size }) => sum + size, 0) - tables.recorded.size;
  }

  /** What a client that goes on with the session has to know of, at the least. */
  get extent(): { readonly low: number; readonly last: number } {
    return { low: this.#low, last: this.#tables?.last ?? 0 };
  }

  /** False for an old copy of the client's state: its next events would be taken for duplicates of others. */
  continues(hello: { readonly low: number; readonly next: number }): boolean {
    return judge({ ...unclaimed, ...this.extent }, hello) === "goes on";
  }

  /** Returns what the welcome has to say of the inbox. */
  handleConnected(low: number): {
    readonly frames: readonly string[];
    readonly uploads: readonly (readonly [number, number])[];
  } {
    this.#connected = true;
    this.#closing = false;
    this.#forgetBelow(low);
    this.#expected = this.#low;
    if (this.#tables === undefined) return { frames: [], uploads: [] };
    this.#advance();
    const frames: string[] = [];
    for (const sequence of [...this.#known.recorded].toSorted((a, b) => a - b)) {
      const outcome = this.#known.outcomes.get(sequence);
      if (outcome !== undefined) frames.push(outcomeFrame(outcome));
    }
    const uploads: [number, number][] = [];
    for (const [sequence, upload] of this.#known.uploads) {
      beginAgain(upload);
      uploads.push([sequence, upload.stored]);
    }
    return { frames, uploads };
  }

  handleDisconnected(): void {
    this.#connected = false;
    // The client sends everything that is not settled again, so what has not begun to run is forgotten.
    this.#tables?.held.clear();
    this.#outputs = this.#outputs.filter(({ kind }) => kind !== "transmit" && kind !== "violation");
  }

  /** The connection is about to be closed: nothing more is taken from it or begun on it. */
  handleClosing(): void {
    this.#closing = true;
    this.#tables?.held.clear();
  }

  /** Takes one parsed frame of the client. */
  handleFrame(value: unknown): void {
    if (!this.#connected || this.#closing) return;
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
      case "arrived":
        return void this.#outputs.push(frame);
      case "probe":
        return this.#transmit(serverFrame.alive(frame.nonce));
      default:
        if (this.#admit(frame.sequence)) this.#handleSequenced(frame);
    }
  }

  /** The handler has finished (or the event never ran): record its outcome. */
  handleOutcome(outcome: InboxOutcome): void {
    this.#known.running.delete(outcome.sequence);
    this.#known.deferred.delete(outcome.sequence);
    this.#known.held.delete(outcome.sequence);
    if (this.#known.outcomes.has(outcome.sequence) || outcome.sequence < this.#low) return;
    this.#known.outcomes.set(outcome.sequence, outcome);
    this.#outputs.push({ kind: "record", outcome, low: this.#low });
    // Another process may have run it: the client goes on behind it without sending it again.
    this.#advance();
    this.#releaseHeld();
  }

  /** The store has committed this outcome, which is the first one recorded for the sequence. */
  handleRecorded(outcome: InboxOutcome): void {
    if (outcome.sequence < this.#low) return;
    this.#known.outcomes.set(outcome.sequence, outcome);
    this.#known.recorded.add(outcome.sequence);
    // Not before: an event whose outcome could not be recorded runs again from the stored chunks.
    this.#known.uploads.delete(outcome.sequence);
    this.#transmit(outcomeFrame(outcome));
  }

  /**
   * The outcome could not be recorded, or the handler asked for a retry: the event may run again after a
   * delay.
   */
  handleRetry(sequence: number, delayMs: number): void {
    this.#known.running.delete(sequence);
    if (this.#known.recorded.has(sequence) || sequence < this.#low) return;
    this.#known.outcomes.delete(sequence);
    this.#known.deferred.add(sequence);
    this.#transmit(serverFrame.again(sequence, delayMs));
  }

  /** The event's handler was never called: it takes its turn again when the client sends it again. */
  handleNotRun(sequence: number): void {
    this.#known.running.delete(sequence);
  }

  /** So many chunks of the upload are committed. */
  handleChunkStored(sequence: number, chunks: number): void {
    const upload = this.#known.uploads.get(sequence);
    if (upload === undefined) return;
    upload.underWay.splice(0, Math.max(0, chunks - upload.stored));
    upload.stored = Math.max(upload.stored, chunks);
    upload.expected = Math.max(upload.expected, upload.stored);
    this.#transmit(serverFrame.progress(sequence, upload.stored));
    this.#completeUpload(sequence, upload);
  }

  /** Chunks of an unfinished upload that are stored, as far as this process knows. */
  storedChunks(sequence: number): number {
    return this.#tables?.uploads.get(sequence)?.stored ?? 0;
  }

  /** The stored chunks of an upload, joined. */
  handleUpload(sequence: number, text: string): void {
    const upload = this.#known.uploads.get(sequence);
    // A read from before this connection says nothing of its turn: events in front of it have to come again.
    if (upload?.reading !== true) return;
    upload.reading = false;
    // Without a connection it could only be run without its listeners; the client sends its last chunk again.
    if (!this.#connected || this.#closing || this.#hasRun(sequence)) return;
    const frame = decodeClientFrame(parseJson(text));
    if (text.length > this.#uploadCharactersMax) this.#rejectUpload(sequence, "event_too_large");
    else if (typeof frame === "string" || !isRunnable(frame) || frame.sequence !== sequence) {
      this.#rejectUpload(sequence, "bad_frame");
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
    if (this.#known.recorded.has(sequence)) {
      const outcome = this.#known.outcomes.get(sequence);
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
    else if (!this.#hasRun(sequence)) {
      const waits = !this.#known.deferred.has(sequence) && this.#uploadInFrontOf(sequence);
      if (waits) this.#known.held.set(sequence, runOf(frame));
      else this.#start(runOf(frame));
    }
    this.#advance();
  }

  #handleChunk(frame: Extract<ClientFrame, { kind: "chunk" }>): void {
    const { sequence, index, count, text } = frame;
    if (this.#hasRun(sequence)) return;
    const upload = this.#known.uploads.get(sequence) ?? newUpload();
    if (upload.count !== undefined && upload.count !== count) {
      this.#violation("bad_frame", "the number of chunks changed");
      return;
    }
    this.#known.uploads.set(sequence, upload);
    upload.count = count;
    upload.aside = frame.aside;
    if (index > upload.expected) {
      this.#violation("bad_frame", `chunk ${index} where ${upload.expected} was expected`);
      return;
    }
    if (index < upload.expected) {
      this.#completeUpload(sequence, upload);
      return;
    }
    upload.expected += 1;
    upload.characters += text.length;
    upload.underWay.push(text.length);
    // Refused as an outcome, not as a violation: the client would send it again on every connection.
    if (
      count > (2 * this.#uploadCharactersMax) / chunkCharactersMin ||
      upload.characters > this.#uploadCharactersMax
    ) {
      this.#rejectUpload(sequence, "event_too_large");
      this.#releaseHeld();
    } else if (this.#known.uploadCharacters > 2 * this.#uploadCharactersMax) {
      this.#violation("window_exceeded", "uploads under way at the same time");
    } else this.#outputs.push({ kind: "storeChunk", sequence, index, text });
  }

  /** Characters of an event and its frame. */
  get #uploadCharactersMax(): number {
    return this.#limits.eventCharacters + frameCharactersMax;
  }

  #rejectUpload(sequence: number, code: "event_too_large" | "bad_frame"): void {
    const { message } = errorCatalogue[code];
    this.handleOutcome({ sequence, status: "rejected", body: JSON.stringify({ code, message }) });
  }

  /** Reads a complete upload when its turn has come: after what is in front of it, unless sent aside. */
  #completeUpload(sequence: number, upload: Upload): void {
    if (this.#closing || upload.reading || upload.stored !== upload.count || this.#hasRun(sequence)) return;
    if (!upload.aside && !this.#known.deferred.has(sequence)) {
      // What was held in front of it was forgotten with its connection, and comes again before it.
      if (sequence > this.#expected || this.#uploadInFrontOf(sequence)) return;
    }
    upload.reading = true;
    this.#outputs.push({ kind: "readUpload", sequence });
  }

  #cancel(sequence: number): void {
    // An event that is running has an outcome soon, and the client will take that.
    if (this.#hasRun(sequence)) return;
    this.#known.held.delete(sequence);
    this.handleOutcome({ sequence, status: "expired", body: "" });
    this.#releaseHeld();
  }

  #start(run: Run): void {
    this.#known.deferred.delete(run.sequence);
    this.#known.running.add(run.sequence);
    this.#outputs.push({ kind: "run", ...run });
  }

  /** True when an earlier event is still being uploaded and must be handed over first. */
  #uploadInFrontOf(sequence: number): boolean {
    for (const [other, upload] of this.#known.uploads) {
      const begun =
        this.#known.running.has(other) || this.#known.deferred.has(other) || this.#known.outcomes.has(other);
      if (other < sequence && !upload.aside && !begun) return true;
    }
    return false;
  }

  /**
   * Goes on with what waited for an upload in front of it: held events, which are in order, and other
   * uploads.
   */
  #releaseHeld(): void {
    if (this.#closing) return;
    for (const [sequence, run] of this.#known.held) {
      if (this.#uploadInFrontOf(sequence)) break;
      this.#known.held.delete(sequence);
      this.#start(run);
    }
    for (const [sequence, upload] of this.#known.uploads) {
      if (!this.#known.deferred.has(sequence)) this.#completeUpload(sequence, upload);
    }
  }

  /** True for what is running, or has an outcome, recorded or not yet. */
  #hasRun(sequence: number): boolean {
    return this.#known.running.has(sequence) || this.#known.outcomes.has(sequence);
  }

  #advance(): void {
    while (this.#known.has(this.#expected)) this.#expected += 1;
  }

  #forgetBelow(low: number): void {
    if (low <= this.#low) return;
    this.#low = low;
    this.#expected = Math.max(this.#expected, low);
    const tables = this.#tables;
    if (tables === undefined) return;
    for (const table of tables.all) {
      if (table === tables.running) continue;
      for (const sequence of table.keys()) if (sequence < low) table.delete(sequence);
    }
    this.#releaseHeld();
    if (this.depth === 0 && tables.recorded.size === 0) this.#tables = undefined;
  }

  #transmit(frame: string): void {
    if (this.#connected) this.#outputs.push({ kind: "transmit", frame });
  }

  #violation(code: Extract<ServerOutput, { kind: "violation" }>["code"], detail: string): void {
    this.#closing = true;
    this.#outputs.push({ kind: "violation", code, detail });
  }
}

/** What stands around the payload in a frame: kind, sequence, flag and, escaped, the name of a request. */
const frameCharactersMax = 1_024;

const none: ReadonlySet<number> = new Set();
