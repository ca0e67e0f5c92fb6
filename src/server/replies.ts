/**
 * Callbacks that wait for clients' replies. They live as long as this process and their session, wherever the
 * client is connected; a reply finds its callback by a name that no other process uses, and that begins with
 * the id of this one.
 */

import { DeliveryError } from "../protocol/errors.ts";
import type { Meter } from "./meter.ts";

/** Takes what the client replied, or the reason why it will not. */
export type ReplyCallback = (error: Error | undefined, values: unknown[]) => void;

type Waiting = {
  readonly callback: ReplyCallback;
  /** "" for a broadcast, whose replies come from many sessions. */
  readonly session: string;
  readonly timer: ReturnType<typeof setTimeout> | undefined;
};

export class Replies {
  readonly #processId: string;
  readonly #limit: number;
  readonly #meter: Meter | undefined;
  readonly #waiting = new Map<string, Waiting>();
  #next = 1;

  constructor(options: {
    readonly processId: string;
    readonly limit: number;
    readonly meter?: Meter | undefined;
  }) {
    this.#meter = options.meter;
    this.#processId = options.processId;
    this.#limit = options.limit;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Sessions whose answers are waited for. */
  get sessions(): Set<string> {
    const sessions = new Set<string>();
    for (const { session } of this.#waiting.values()) if (session !== "") sessions.add(session);
    return sessions;
  }

  /** Returns the name that the client has to answer to. Above the limit the oldest callback is given up. */
  wait(session: string, callback: ReplyCallback, timeoutMs: number | undefined): string {
    const request = `${this.#processId}.${this.#next}`;
    this.#next += 1;
    const timer =
      timeoutMs === undefined
        ? undefined
        : setTimeout(() => this.#giveUp(request, new Error("operation has timed out")), timeoutMs);
    this.#waiting.set(request, { callback, session, timer });
    if (this.#waiting.size > this.#limit) {
      this.#meter?.limitHit("replies");
      for (const oldest of this.#waiting.keys()) {
        this.#giveUp(oldest, new DeliveryError("reply_timeout", { detail: "too many callbacks wait" }));
        break;
      }
    }
    return request;
  }

  /** Returns the callback, which is then spent unless it belongs to a broadcast. */
  take(request: string, session: string): ReplyCallback | undefined {
    const waiting = this.#waiting.get(request);
    if (waiting === undefined) return undefined;
    if (waiting.session === "") return waiting.callback;
    if (waiting.session !== session) return undefined;
    this.#waiting.delete(request);
    clearTimeout(waiting.timer);
    return waiting.callback;
  }

  forget(request: string): void {
    clearTimeout(this.#waiting.get(request)?.timer);
    this.#waiting.delete(request);
  }

  /** Answers that came by other processes may be lost, and which they were is not known. */
  giveUpAll(code: "reply_lost"): void {
    for (const request of this.#waiting.keys()) this.#giveUp(request, new DeliveryError(code));
  }

  /** The session has ended, or what it was asked is lost: nobody will answer its callbacks any more. */
  giveUpSession(session: string, code: "session_closed" | "question_lost"): void {
    for (const [request, waiting] of this.#waiting) {
      if (waiting.session === session) this.#giveUp(request, new DeliveryError(code));
    }
  }

  #giveUp(request: string, error: Error): void {
    const waiting = this.#waiting.get(request);
    this.forget(request);
    waiting?.callback(error, []);
  }
}

/** The process that waits for the answer, by the name that the client answers to. */
export function askerOf(request: string): string {
  return request.slice(0, Math.max(0, request.lastIndexOf(".")));
}
