/**
 * Runs of one session's events: those whose turn has come start in order, and wait for a listener where there
 * is none yet; each ends with one result.
 */

import { DeliveryError } from "../protocol/errors.ts";
import { frameEvent } from "../protocol/frames.ts";
import { decodePayload } from "../protocol/payload.ts";
import { reservedEvents } from "../protocol/reserved-events.ts";
import type { Run } from "../protocol/server-session.ts";
import { hasListener, rejection, runEvent, type RunResult } from "./dispatch.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";
import { askerOf } from "./replies.ts";
import { runReply, unanswered } from "./reply-run.ts";
import { Request, runInRequest } from "./request.ts";
import type { Session } from "./session.ts";

export class EventRuns {
  readonly #session: Session;
  readonly #delivery: NamespaceDelivery;
  readonly #finish: Finish;
  /** Events whose turn has come but that wait, in order, for another process or a listener. */
  readonly #waiting: { readonly run: Run; readonly args: unknown[]; readonly until: number }[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Sequences of handlers that are running; made with the first one. */
  #running: Set<number> | undefined;
  /** Sequences of those that are through, while their entries are on the way to the client. */
  #ending: Set<number> | undefined;
  /** Answers on their way to other processes; made with the first one. */
  #forwarded: Set<number> | undefined;
  /** Stalls of this process up to which it is known that the session is still held here. */
  #stalls: number;
  #confirming = false;

  constructor(session: Session, delivery: NamespaceDelivery, finish: Finish) {
    this.#session = session;
    this.#delivery = delivery;
    this.#finish = finish;
    this.#stalls = delivery.node.pulse.stalls();
  }

  /** Handlers that are running, here or, called back by an answer, in another process. */
  get running(): number {
    return (this.#running?.size ?? 0) + (this.#forwarded?.size ?? 0);
  }

  /** Sequences of those that are running here, or whose end waits for its entries. */
  get underWay(): readonly number[] {
    return [...(this.#running ?? none), ...(this.#ending ?? none)];
  }

  /** Events that wait for another process or a listener. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The store has just said that the session is held here. */
  handleHeld(): void {
    this.#stalls = this.#delivery.node.pulse.stalls();
  }

  /** Gives up what has not begun to run. Returns the sequences. */
  stop(): number[] {
    clearTimeout(this.#timer);
    return this.#waiting.splice(0).map(({ run }) => run.sequence);
  }

  begin(run: Run): void {
    const values = decodePayload(run.payload, toBuffer);
    if (values === undefined) {
      this.#finish(run.sequence, rejection(new DeliveryError("bad_frame", { detail: "payload" })));
      return;
    }
    if (run.request !== undefined) {
      this.#runReply(run, run.request, values);
      return;
    }
    const [event] = values;
    if (typeof event !== "string" && typeof event !== "number") {
      this.#finish(
        run.sequence,
        rejection(new DeliveryError("bad_frame", { detail: "an event needs a name" })),
      );
      return;
    }
    if (event === frameEvent || reservedEvents.has(String(event))) {
      this.#finish(run.sequence, rejection(new DeliveryError("reserved_event", { detail: String(event) })));
      return;
    }
    const until = performance.now() + this.#delivery.options.unhandledHoldMs;
    this.#waiting.push({ run, args: values, until });
    this.release();
  }

  /**
   * Starts events in order; the first one without a listener holds up the ones behind it, for a bounded time.
   */
  release(): void {
    const target = { socket: this.#session.socket, virtual: this.#session };
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined || !this.#mayStart()) return;
      // What was emitted behind it waits as well.
      if (this.#session.waitsElsewhere(first.run.sequence)) return;
      const event = String(first.args[0]);
      if (!hasListener(target, event)) {
        const remainingMs = first.until - performance.now();
        if (remainingMs > 0) {
          clearTimeout(this.#timer);
          this.#timer = setTimeout(() => this.release(), remainingMs + 1);
          return;
        }
        this.#waiting.shift();
        this.#finish(first.run.sequence, unhandled(event));
        continue;
      }
      this.#waiting.shift();
      void this.#runEvent(first.run, first.args);
    }
  }

  /**
   * A process that has stood still may have lost the session meanwhile without knowing, and what it finds in
   * its buffers has been run and answered elsewhere: it asks the store before it starts a handler.
   */
  #mayStart(): boolean {
    if (this.#session.ended) return false;
    if (this.#delivery.node.pulse.stalls() === this.#stalls) return true;
    if (!this.#confirming) void this.#confirm();
    return false;
  }

  async #confirm(): Promise<void> {
    const { id, generation } = this.#session;
    const stalls = this.#delivery.node.pulse.stalls();
    this.#confirming = true;
    try {
      // Whether its time is up is for the sweep to say, by one clock.
      const peek = await this.#delivery.store.peekSession(id, 0);
      const isHeldHere = peek?.generation === generation && peek.node === this.#delivery.node.id;
      if (isHeldHere) this.#stalls = Math.max(this.#stalls, stalls);
      // A resume in this very process raises the generation as well, and then the next one asked is right.
      else if (this.#session.generation === generation) this.#delivery.endSession(this.#session, "moved");
    } catch (error) {
      this.#delivery.reportStoreError(error);
      await new Promise((resolve) => setTimeout(resolve, confirmRetryMs));
    }
    this.#confirming = false;
    this.release();
  }

  async #runEvent(run: Run, args: unknown[]): Promise<void> {
    const request = new Request(this.#session, run.sequence);
    this.#begun(run.sequence);
    const { handlerTimeoutMs } = this.#delivery.options;
    const result = await runInRequest(request, () =>
      runEvent({ socket: this.#session.socket, virtual: this.#session }, args, {
        wantsReply: run.wantsReply,
        timeoutMs: handlerTimeoutMs,
        encodeReply: (values) =>
          this.#delivery.questions.encodeReply(this.#session.id, this.#session, values),
      }),
    );
    await request.settled();
    this.#running?.delete(run.sequence);
    const failed = request.failure;
    // What the handler emitted could not be stored, so the event is not done, whatever the handler says.
    if (failed !== undefined) {
      request.close();
      this.#finish(run.sequence, { kind: "retry", delayMs: undefined, cause: failed });
      return;
    }
    this.#ending ??= new Set();
    this.#ending.add(run.sequence);
    this.#delivery.afterEntries(this.#session, request.places, () => {
      this.#ending?.delete(run.sequence);
      this.#finish(run.sequence, result, request);
    });
  }

  /** An event whose outcome another process has said begins here no more. */
  settle(sequence: number): void {
    this.#forwarded?.delete(sequence);
    const index = this.#waiting.findIndex(({ run }) => run.sequence === sequence);
    if (index >= 0) this.#waiting.splice(index, 1);
  }

  /** The answer was given to another process, which says nothing of it. */
  handleUnanswered(sequence: number): void {
    if (this.#forwarded?.delete(sequence) === true) this.#finish(sequence, unanswered(true));
  }

  #begun(sequence: number): void {
    this.#running ??= new Set();
    this.#running.add(sequence);
  }

  #runReply(run: Run, name: string, values: unknown[]): void {
    const { node, options } = this.#delivery;
    const asker = askerOf(name);
    const callback = node.replies.take(name, this.#session.id);
    if (callback === undefined && asker !== node.id) {
      void this.#forward(run, asker);
      return;
    }
    if (callback === undefined) {
      this.#finish(run.sequence, unanswered(run.wantsReply));
      return;
    }
    this.#begun(run.sequence);
    void runReply(callback, values, {
      request: new Request(this.#session, run.sequence),
      wantsReply: run.wantsReply,
      timeoutMs: options.handlerTimeoutMs,
      encodeReply: (args) => this.#delivery.questions.encodeReply(this.#session.id, this.#session, args),
    }).then((result) => {
      this.#running?.delete(run.sequence);
      this.#finish(run.sequence, result);
    });
  }

  /** Another process waits for this answer; what the store does not take now, the client sends again. */
  async #forward(run: Run, asker: string): Promise<void> {
    const { sequence } = run;
    this.#forwarded ??= new Set();
    this.#forwarded.add(sequence);
    const { others } = this.#delivery.node;
    const result = await others.answer(this.#session, run, asker).catch((cause: unknown) => {
      this.#delivery.reportStoreError(cause);
      return { kind: "retry", delayMs: undefined, cause } as const;
    });
    if (result !== undefined && this.#forwarded.delete(sequence)) this.#finish(sequence, result);
  }
}

/** `run`: what the handler has published in, and may go on to. */
type Finish = (sequence: number, result: RunResult, run?: Request) => void;

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The name comes from the client: as long as it likes, and it goes into the store, the answer and the log.
 */
function unhandled(event: string): RunResult {
  return rejection(new DeliveryError("unhandled_event", { detail: event.slice(0, nameCharactersShown) }));
}

const none: ReadonlySet<number> = new Set();
const nameCharactersShown = 100;
/** When the store cannot say who holds a session. */
const confirmRetryMs = 500;
