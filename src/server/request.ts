/** The event that a handler is running for: its identity, and what it has published so far. */

import { AsyncLocalStorage } from "node:async_hooks";
import type { EntryPlace } from "../protocol/node-words.ts";
import type { Fence, IdempotencyKey } from "../store/port.ts";

/** What `currentRequest()` shows a handler. */
export type CurrentRequest = {
  /** `session:sequence`: the same at every run of the same event, on any process. Use it as a unique key. */
  readonly id: string;
  readonly session: string;
  readonly sequence: number;
};

/** A run of an event. Publishes take their idempotency key from it, in the order in which they are made. */
export class Request implements CurrentRequest {
  readonly session: string;
  readonly sequence: number;
  readonly #holder: { readonly fence: Fence };
  #position = 0;
  readonly #publishes: Promise<void>[] = [];
  #failure: unknown;
  #closed = false;

  constructor(session: { readonly id: string; readonly fence: Fence }, sequence: number) {
    this.session = session.id;
    this.sequence = sequence;
    this.#holder = session;
  }

  /** In which generation its session publishes now. */
  get holding(): Pick<Fence, "generation" | "heard"> {
    return this.#holder.fence;
  }

  get id(): string {
    return `${this.session}:${this.sequence}`;
  }

  /** The first reason why something that the handler emitted could not be stored. */
  get failure(): unknown {
    return this.#failure;
  }

  /** The outcome is recorded: what still runs in this context publishes on its own account from now on. */
  close(): void {
    this.#closed = true;
  }

  get closed(): boolean {
    return this.#closed;
  }

  nextKey(): IdempotencyKey {
    const position = this.#position;
    this.#position += 1;
    return { scope: this.session, sequence: this.sequence, position };
  }

  /** Where the entries of this run stand; the client is shown them before the outcome. */
  readonly places: EntryPlace[] = [];

  /**
   * The outcome is recorded only after `stored` has settled; `emitted` ones that fail keep it from being
   * recorded.
   */
  follow(stored: Promise<unknown>, kind: "emitted" | "published"): void {
    const settled = stored.then(
      () => undefined,
      (error: unknown) => {
        if (kind === "emitted") this.#failure ??= error;
      },
    );
    this.#publishes.push(settled);
  }

  /** Waits until everything published so far is stored or has failed. */
  async settled(): Promise<void> {
    for (let index = 0; index < this.#publishes.length; index++) await this.#publishes[index];
  }
}

const storage = new AsyncLocalStorage<Request>();

export function runInRequest<T>(request: Request, run: () => T): T {
  return storage.run(request, run);
}

/** The run this code belongs to, undefined outside of handlers. */
export function activeRequest(): Request | undefined {
  const request = storage.getStore();
  return request?.closed === true ? undefined : request;
}

/**
 * Returns the session, the sequence and the idempotency key of the event that is being handled. Throws
 * outside of a handler, because a key that is not the event's would not protect anything.
 */
export function currentRequest(): CurrentRequest {
  const request = storage.getStore();
  if (request === undefined) throw new Error("currentRequest() was called outside of an event handler");
  return request;
}

/** Thrown by a handler that cannot do its work now: the client redelivers the event after a growing delay. */
export class RetryLater extends Error {
  override readonly name = "RetryLater";
  /** Overrides the server's backoff for this redelivery, milliseconds. */
  readonly delayMs: number | undefined;

  constructor(message = "try again later", options: { delayMs?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.delayMs = options.delayMs;
  }
}
