/**
 * The client's half of a session, without input or output of its own.
 *
 * Four kinds of method, and an order in which to use them:
 *
 * - getters (`pending`, `token`, `sessionId`, `connected`, `positions`);
 * - commands: `emit`, `reply`, `cancel`, `probe`, `reset`;
 * - inputs: `handleConnected`, `handleDisconnected`, `handleFrame`, `handleTimeout`;
 * - outputs: after each command or input call `poll()` and carry out what it returns, in order; then arm one
 *   timer for `nextTimeout()` and call `handleTimeout(now)` when it is due.
 *
 * `now` is milliseconds on a clock of the caller's that never goes back; every command and input takes it. No
 * method throws for what the peer sends.
 */

import { assertNever, type ErrorCode } from "./errors.ts";
import * as wire from "./frames.ts";
import { Outbox, type OutboxOutput, type SavedItem } from "./outbox.ts";
import { recordedSequences } from "./recorded-sequences.ts";
import { Positions, type PositionsOptions, type SavedPositions, type Shown } from "./positions.ts";

export type ClientOutcome =
  | { readonly status: "ok"; readonly body: unknown }
  | { readonly status: "rejected"; readonly error: wire.FrameError }
  | { readonly status: "expired" }
  | { readonly status: "failed"; readonly code: ErrorCode };

export type ClientOutput =
  | OutboxOutput
  | Shown
  /** The one terminal state of an emit. */
  | { readonly kind: "settle"; readonly sequence: number; readonly outcome: ClientOutcome }
  /** A never-sent event moved into a new session under another sequence. */
  | { readonly kind: "renumbered"; readonly from: number; readonly to: number }
  | { readonly kind: "drain"; readonly reconnectInMs: number }
  | { readonly kind: "alive"; readonly nonce: number }
  /** The connection has lost frames without breaking: end it, and the resume brings them. */
  | { readonly kind: "incomplete" }
  | { readonly kind: "refused"; readonly code: string; readonly detail: string };

export type ClientSessionOptions = PositionsOptions & {
  readonly outboxLimit: number;
  readonly outboxCharactersLimit: number;
};

/** A session as it is kept over a page reload. */
export type SavedSession = {
  readonly version: 1;
  readonly token: string;
  readonly sessionId: string;
  readonly generation: number;
  readonly next: number;
  readonly items: readonly SavedItem[];
  readonly positions: SavedPositions;
};

export type EmitRequest = { readonly payload: string; readonly wantsReply: boolean; readonly aside: boolean };

export type EmitResult =
  | { readonly ok: true; readonly sequence: number }
  | { readonly ok: false; readonly code: ErrorCode };

export class ClientSession {
  readonly #options: ClientSessionOptions;
  readonly #outbox: Outbox;
  readonly #positions: Positions;
  #token = "";
  #sessionId = "";
  #generation = 0;
  #connected = false;
  #limits: wire.Limits | undefined;
  /** Sequences whose caller has been told already; their outcome is taken silently. */
  readonly #abandoned = new Set<number>();
  #outputs: ClientOutput[] = [];
  /** On this connection, since the welcome. */
  #framesTaken = 0;

  constructor(options: ClientSessionOptions) {
    this.#options = options;
    this.#outbox = new Outbox({ lowDelayMs: options.acknowledgeDelayMs });
    this.#positions = new Positions(options);
  }

  /** Events without a terminal state. */
  get pending(): number {
    return this.#outbox.size - this.#abandoned.size;
  }

  /** Secret that proves the session at a resume; "" before the first welcome. */
  get token(): string {
    return this.#token;
  }

  /** Of the last welcome. */
  get generation(): number {
    return this.#generation;
  }

  get sessionId(): string {
    return this.#sessionId;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get positions(): readonly wire.OpenStream[] {
    return this.#positions.list();
  }

  hello(): wire.Hello {
    return {
      versions: [wire.protocolVersion],
      low: this.#outbox.low,
      next: this.#outbox.unsent,
      positions: this.#positions.forHello(),
    };
  }

  emit(_now: number, request: EmitRequest): EmitResult {
    const { payload, wantsReply, aside } = request;
    return this.#add(payload, aside, (sequence) => wire.clientFrame.event(sequence, wantsReply, payload));
  }

  /** Answers an entry that asked for it. Travels in the outbox like an event. */
  reply(_now: number, to: string, request: EmitRequest): EmitResult {
    const { payload, wantsReply } = request;
    const frame = (sequence: number) => wire.clientFrame.reply(sequence, wantsReply, to, payload);
    return this.#add(payload, request.aside, frame);
  }

  /** The caller's deadline passed: the emit ends as expired, and will not run unless it already did. */
  cancel(_now: number, sequence: number): void {
    if (!this.#outbox.has(sequence) || this.#abandoned.has(sequence)) return;
    this.#outputs.push({ kind: "settle", sequence, outcome: { status: "expired" } });
    this.#abandoned.add(sequence);
    this.#outbox.cancel(sequence);
    this.#collect();
  }

  /** Asks the server for a sign of life; the answer is the output `alive` with the same nonce. */
  probe(nonce: number): void {
    if (this.#connected) this.#outputs.push({ kind: "transmit", frame: wire.clientFrame.probe(nonce) });
  }

  /**
   * Forgets the session, for example at sign-out. Pending emits end as `session_closed`. The connection
   * belongs to the session that is no more, so nothing is sent or taken any more until the next welcome.
   */
  reset(): void {
    for (const item of this.#outbox.save()) this.#fail(item.sequence, "session_closed");
    this.#outbox.clear();
    this.#abandoned.clear();
    this.#positions.handleLost();
    this.#letGo();
  }

  /**
   * Somebody else holds the session now: the next connection opens a new one, and takes along what was never
   * sent.
   */
  abandon(): void {
    this.#startAnew();
    this.#letGo();
  }

  /** The server welcomed us: with our session, or with a new one. */
  handleConnected(now: number, sessionId: string, token: string, welcome: wire.Welcome): void {
    // An answer to a hello from before `reset` or `abandon` would bring the old session back, with other
    // sequences.
    if (welcome.version !== wire.protocolVersion || (welcome.resumed && this.#token === "")) {
      this.#outputs.push({ kind: "violation", detail: "the welcome does not answer the hello" });
      return;
    }
    if (this.#token !== "" && !welcome.resumed) this.#startAnew();
    this.#connected = true;
    this.#sessionId = sessionId;
    this.#token = token;
    this.#generation = welcome.generation;
    this.#limits = welcome.limits;
    this.#positions.handleWelcome(now, welcome.streams);
    const recorded = recordedSequences(welcome.frames, this.#outbox);
    for (const frame of welcome.frames) this.handleFrame(now, frame);
    this.#framesTaken = 0;
    this.#outbox.handleConnected(now, welcome.limits, welcome.uploads, recorded);
    this.#collect();
    this.#acknowledge(now);
  }

  handleDisconnected(): void {
    this.#connected = false;
    this.#outbox.handleDisconnected();
    this.#positions.handleDisconnected();
  }

  /**
   * Takes one parsed frame of the server. Without a session on this connection it is not for us, and ignored.
   */
  handleFrame(now: number, value: unknown): void {
    if (!this.#connected) return;
    const frame = wire.decodeServerFrame(value);
    this.#framesTaken += 1;
    if (typeof frame === "string") {
      this.#outputs.push({ kind: "violation", detail: frame });
      return;
    }
    switch (frame.kind) {
      case "entries":
        this.#outputs.push(...this.#positions.handleEntries(now, frame));
        break;
      case "part":
        this.#outputs.push(...this.#positions.handlePart(now, frame));
        this.#confirmPart(frame.stream, frame.offset);
        break;
      case "gap":
        this.#outputs.push(...this.#positions.handleGap(now, frame));
        break;
      case "open":
        this.#positions.handleOpen(frame.open);
        break;
      case "leave":
        this.#positions.handleLeave(frame.stream);
        break;
      case "unknown":
        // A newer server may say more than we know; what we must not miss comes only with a new version.
        break;
      case "count":
        this.#framesTaken -= 1;
        if (this.#framesTaken < frame.frames) this.#outputs.push({ kind: "incomplete" });
        break;
      case "drain":
      case "alive":
        this.#outputs.push(frame);
        break;
      case "error":
        this.#outputs.push({ kind: "refused", code: frame.code, detail: frame.detail });
        break;
      default:
        this.#handleOutcomeFrame(now, frame);
    }
    this.#collect();
    this.#acknowledge(now);
  }

  handleTimeout(now: number): void {
    this.#outbox.handleTimeout(now);
    this.#collect();
    this.#acknowledge(now);
  }

  nextTimeout(): number | undefined {
    if (!this.#connected) return undefined;
    const outbox = this.#outbox.nextTimeout();
    const positions = this.#positions.nextTimeout();
    if (outbox === undefined) return positions;
    return positions === undefined ? outbox : Math.min(outbox, positions);
  }

  poll(): ClientOutput[] {
    const outputs = this.#outputs;
    if (outputs.length > 0) this.#outputs = [];
    return outputs;
  }

  save(): SavedSession {
    return {
      version: 1,
      token: this.#token,
      sessionId: this.#sessionId,
      generation: this.#generation,
      next: this.#outbox.next,
      items: this.#outbox.save(),
      positions: this.#positions.save(),
    };
  }

  /** Goes on where `save` was called. The callers of the saved emits are gone, their events are not. */
  restore(saved: SavedSession): void {
    this.#token = saved.token;
    this.#sessionId = saved.sessionId;
    this.#generation = saved.generation;
    this.#outbox.restore(saved.next, saved.items);
    for (const item of saved.items) if (item.cancelled) this.#abandoned.add(item.sequence);
    this.#positions.restore(saved.positions);
  }

  #add(payload: string, aside: boolean, frame: (sequence: number) => string): EmitResult {
    if (this.#limits !== undefined && payload.length > this.#limits.eventCharacters) {
      return { ok: false, code: "event_too_large" };
    }
    const full =
      this.#outbox.size >= this.#options.outboxLimit ||
      this.#outbox.characters + payload.length > this.#options.outboxCharactersLimit;
    if (full) return { ok: false, code: "outbox_full" };
    const sequence = this.#outbox.add(frame, aside);
    this.#collect();
    return { ok: true, sequence };
  }

  #handleOutcomeFrame(now: number, frame: OutcomeFrame): void {
    switch (frame.kind) {
      case "done":
        // A range can only be as long as what is pending, whatever the frame says.
        for (let sequence = Math.max(frame.first, this.#outbox.low); sequence <= frame.last; sequence++) {
          if (sequence >= this.#outbox.next) break;
          this.#settle(now, sequence, { status: "ok", body: undefined });
        }
        return;
      case "result":
        this.#settle(now, frame.sequence, { status: "ok", body: frame.body });
        return;
      case "rejected":
        this.#settle(now, frame.sequence, { status: "rejected", error: frame.error });
        return;
      case "expired":
        this.#settle(now, frame.sequence, { status: "expired" });
        return;
      case "again":
        this.#outbox.handleAgain(now, frame.sequence, frame.delayMs);
        return;
      case "progress":
        this.#outbox.handleProgress(frame.sequence, frame.chunks);
        return;
      default:
        assertNever(frame);
    }
  }

  #settle(now: number, sequence: number, outcome: ClientOutcome): void {
    if (!this.#outbox.handleOutcome(now, sequence)) return;
    if (this.#abandoned.delete(sequence)) return;
    this.#outputs.push({ kind: "settle", sequence, outcome });
  }

  /**
   * The old session is gone: what was sent has an unknown outcome, what was not goes into the new session.
   */
  #startAnew(): void {
    const { moved, unknown } = this.#outbox.renumber(renumberFrame);
    for (const sequence of unknown) this.#fail(sequence, "session_lost");
    this.#abandoned.clear();
    for (const [from, to] of moved) this.#outputs.push({ kind: "renumbered", from, to });
    this.#outputs.push(...this.#positions.handleLost());
  }

  #fail(sequence: number, code: ErrorCode): void {
    if (this.#abandoned.has(sequence)) return;
    this.#outputs.push({ kind: "settle", sequence, outcome: { status: "failed", code } });
  }

  /**
   * The server keeps so much under way that heartbeats get through; each confirmed part makes room for one.
   */
  #confirmPart(stream: number, offset: number): void {
    const characters = this.#positions.arrived(stream);
    if (characters === 0) return;
    this.#outputs.push({ kind: "transmit", frame: wire.clientFrame.arrived(stream, offset, characters) });
  }

  #acknowledge(now: number): void {
    const positions = this.#positions.due(now);
    for (let start = 0; start < positions.length; start += positionsPerFrame) {
      const some = positions.slice(start, start + positionsPerFrame);
      this.#outputs.push({ kind: "transmit", frame: wire.clientFrame.positions(some) });
    }
  }

  /** The connection is not ours any more. What was to be sent on it is for the session that is gone. */
  #letGo(): void {
    this.#token = "";
    this.#sessionId = "";
    this.handleDisconnected();
    this.#outputs = this.#outputs.filter(({ kind }) => kind !== "transmit");
  }

  #collect(): void {
    const outputs = this.#outbox.poll();
    if (outputs.length > 0) this.#outputs.push(...outputs);
  }
}

/** The sequence is the second item of every frame that waits in an outbox. */
function renumberFrame(frame: string, sequence: number): string {
  return frame.replace(/^(\["[a-z]{2}"),\d+/, (_, head: string) => `${head},${sequence}`);
}

type OutcomeFrame = Extract<
  wire.ServerFrame,
  { kind: "done" | "result" | "rejected" | "expired" | "again" | "progress" }
>;

/**
 * Far below what a server takes, so that an acknowledgement of 10,000 rooms does not hold up what is behind
 * it.
 */
const positionsPerFrame = 1_000;
