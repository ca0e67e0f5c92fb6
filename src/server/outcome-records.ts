/** What becomes of a session's events once they have run: their outcomes on the way into the store. */

import { DeliveryError } from "../protocol/errors.ts";
import type { RunEnd } from "../protocol/lent-runs.ts";
import type { InboxOutcome, ServerSession } from "../protocol/server-session.ts";
import { rejection, type RunResult } from "./dispatch.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";
import type { Request } from "./request.ts";
import type { Session } from "./session.ts";

export class OutcomeRecords {
  readonly #session: Session;
  readonly #delivery: NamespaceDelivery;
  readonly #inbox: ServerSession;
  /** Made with the first one: most sessions are idle most of the time. */
  #underWay: Set<number> | undefined;
  /** The runs that they are outcomes of; made with the first one. */
  #runs: Map<number, Request> | undefined;
  /** Attempts by sequence; undefined until a handler asks for the first one. */
  #retries: Map<number, number> | undefined;

  constructor(session: Session, delivery: NamespaceDelivery, inbox: ServerSession) {
    this.#session = session;
    this.#delivery = delivery;
    this.#inbox = inbox;
  }

  /** Sequences of outcomes that are not known to be stored. */
  get underWay(): ReadonlySet<number> {
    return this.#underWay ?? none;
  }

  /**
   * Tells the inbox how a run has ended. What its handler goes on to publish has the event's keys until the
   * outcome is recorded: a handler that has timed out in a process that stood still, and whose event was run
   * elsewhere meanwhile, would publish its entries once more.
   */
  finish(sequence: number, result: RunResult, run: Request | undefined): void {
    const places = run?.places ?? [];
    // What was refused as a stale holder's is no end of the event: whoever holds the session runs it again.
    const isStale =
      this.#session.ended && result.kind === "rejected" && result.error.code === "stale_generation";
    const outcome = result.kind === "retry" ? this.#retry(sequence, result) : outcomeOf(sequence, result);
    // Whoever holds the session now is to record it, or to run the event again.
    if (this.#session.ended) this.#handOver({ sequence, outcome: isStale ? undefined : outcome, places });
    if (outcome === undefined) run?.close();
    if (outcome === undefined || this.#session.ended) return;
    this.#retries?.delete(sequence);
    if (run !== undefined) (this.#runs ??= new Map()).set(sequence, run);
    this.take(outcome);
  }

  /** An event has ended, here or in another process. */
  take(outcome: InboxOutcome): void {
    if (outcome.status === "rejected") this.#delivery.reportRejected(this.#session, outcome);
    this.#inbox.handleOutcome(outcome);
  }

  /**
   * Persist, then reply: the frame leaves only after the store has committed the outcome. The handler has
   * done its work, so while the store cannot take the outcome it is the writing that is tried again, not the
   * handler.
   */
  async record(outcome: InboxOutcome, inboxLow: number): Promise<void> {
    const { sequence } = outcome;
    this.#underWay ??= new Set();
    this.#underWay.add(sequence);
    for (let attempt = 0; !this.#session.ended; attempt++) {
      if (await this.#tryToRecord(outcome, inboxLow)) break;
      await new Promise((resolve) => setTimeout(resolve, this.#backoffMs(attempt)));
    }
    this.#underWay.delete(sequence);
    const run = this.#runs?.get(sequence);
    this.#runs?.delete(sequence);
    // Refused, as a rule; where it was not, the new holder has found it.
    if (this.#session.ended) this.#handOver({ sequence, outcome, places: run?.places ?? [] });
    else run?.close();
  }

  #handOver(end: RunEnd): void {
    this.#delivery.node.others.handleEnded(this.#session.id, end);
  }

  /** Returns the outcome of an event that is not tried again; undefined when it is. */
  #retry(sequence: number, result: Extract<RunResult, { kind: "retry" }>): InboxOutcome | undefined {
    const { delayMs, cause } = result;
    const { retryLimit } = this.#delivery.options;
    const attempt = this.#retries?.get(sequence) ?? 0;
    if (retryLimit > 0 && attempt >= retryLimit) {
      return outcomeOf(sequence, rejection(new DeliveryError("retry_limit", { cause })));
    }
    this.#retries ??= new Map();
    this.#retries.set(sequence, attempt + 1);
    this.#inbox.handleRetry(sequence, delayMs ?? this.#backoffMs(attempt));
    this.#delivery.makeRoom();
    return undefined;
  }

  #backoffMs(attempt: number): number {
    const { retryDelayMs, retryDelayMaxMs } = this.#delivery.options;
    return Math.min(retryDelayMaxMs, retryDelayMs * 2 ** Math.min(attempt, 20));
  }

  /** Returns false when the store has failed in a way that may pass. */
  async #tryToRecord(outcome: InboxOutcome, inboxLow: number): Promise<boolean> {
    const data = this.#session.changedData();
    try {
      const { store } = this.#delivery;
      const record = { outcome, inboxLow, ...(data === undefined ? {} : { data }) };
      const result = await this.#delivery.fenced(this.#session, (fence) =>
        store.record({ ...fence, ...record }),
      );
      if (result === undefined) return true;
      this.#retries?.delete(outcome.sequence);
      this.#inbox.handleRecorded(result.outcome);
      return true;
    } catch (error) {
      if (data !== undefined) this.#session.forgetSavedData();
      this.#delivery.reportStoreError(error);
      return false;
    }
  }
}

/** What is recorded of a run; undefined when it is to run again. */
export function outcomeOf(sequence: number, result: RunResult): InboxOutcome | undefined {
  switch (result.kind) {
    case "ok":
      return { sequence, status: "ok", body: result.body };
    case "rejected":
      return { sequence, status: "rejected", body: JSON.stringify(result.error) };
    case "retry":
      return undefined;
  }
}

const none: ReadonlySet<number> = new Set();
