/** The `delivery` property of a client's socket: what Holdfast adds to socket.io-client. */

import { Emitter } from "@socket.io/component-emitter";
import type { OpenStream } from "../protocol/frames.ts";

/** A stretch of a room that could not be delivered. `from > to`: not known how much. */
export type Gap = {
  /** The room's name where the application shows it, else the stream's id as text. */
  readonly room: string;
  readonly stream: number;
  readonly from: number;
  readonly to: number;
  readonly reason: "retention" | "reset" | "session_lost";
};

/** The one terminal state of an emit. */
export type Settled = {
  readonly sequence: number;
  /** Undefined: the server has recorded that the event was handled. */
  readonly error: Error | undefined;
  readonly values: readonly unknown[];
};

export type ClientDeliveryEvents = {
  gap: (gap: Gap) => void;
  /** The event was written to a connection for the first time. */
  sent: (event: { readonly sequence: number }) => void;
  settled: (settled: Settled) => void;
  /** The session was lost, and an event that was never sent goes into the new one under another sequence. */
  renumbered: (renumbered: { readonly from: number; readonly to: number }) => void;
  /** An emit failed and nobody took the error: it had no callback, or one without an error argument. */
  reject: (rejected: { readonly sequence: number; readonly error: Error }) => void;
  resume: (session: { readonly id: string; readonly generation: number }) => void;
  /** The server lets go of us and says when to come back. */
  drain: (drain: { readonly reconnectInMs: number }) => void;
  /** The server said why it is closing the connection. */
  refused: (refused: { readonly code: string; readonly detail: string }) => void;
  /** The server is not Holdfast: everything works with Socket.IO's own guarantees. */
  downgrade: () => void;
  persist_failed: (failure: { readonly error: unknown }) => void;
};

/** What the property reads from its socket. */
export type DeliveryState = {
  pending(): number;
  positions(): readonly OpenStream[];
  session(): { readonly id: string; readonly generation: number } | undefined;
  guaranteed(): boolean;
  reset(): void;
};

export class ClientDelivery<Self> extends Emitter<ClientDeliveryEvents, ClientDeliveryEvents> {
  /** The entry whose listeners are being called; undefined outside of them. */
  entry: { readonly stream: number; readonly offset: number; readonly room: string } | undefined = undefined;
  /** Sequence of the event that the latest `emit` put into the outbox; 0 before the first. */
  lastSequence = 0;
  readonly #state: DeliveryState;
  readonly #aside: () => Self;

  constructor(state: DeliveryState, aside: () => Self) {
    super();
    this.#state = state;
    this.#aside = aside;
  }

  /** Events without a terminal state. */
  get pending(): number {
    return this.#state.pending();
  }

  /** How far every stream has been shown. */
  get positions(): readonly OpenStream[] {
    return this.#state.positions();
  }

  get session(): { readonly id: string; readonly generation: number } | undefined {
    return this.#state.session();
  }

  /** False once the server turned out to be a stock one. */
  get guaranteed(): boolean {
    return this.#state.guaranteed();
  }

  /**
   * The next `emit` may be handed over after events that were emitted later: for large events that small ones
   * should not wait for. Returns the socket.
   */
  aside(): Self {
    return this.#aside();
  }

  /**
   * Forgets the session, for example at sign-out: pending emits fail, the next connection opens a new one.
   */
  reset(): void {
    this.#state.reset();
  }
}
