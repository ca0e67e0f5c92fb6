/** The chunks of a session's large events, between its inbox and the store. */

import { serverFrame } from "../protocol/frames.ts";
import type { ServerSession } from "../protocol/server-session.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";
import type { Session } from "./session.ts";

export class SessionUploads {
  readonly #session: Session;
  readonly #delivery: NamespaceDelivery;
  readonly #inbox: ServerSession;

  constructor(session: Session, delivery: NamespaceDelivery, inbox: ServerSession) {
    this.#session = session;
    this.#delivery = delivery;
    this.#inbox = inbox;
  }

  /** Resolves to true when the inbox has something to do. */
  async store(sequence: number, index: number, text: string): Promise<boolean> {
    const { store } = this.#delivery;
    const chunk = { sequence, index, text };
    try {
      const result = await this.#delivery.fenced(this.#session, (fence) =>
        store.putChunk({ ...fence, ...chunk }),
      );
      if (result === undefined || this.#hasLost(sequence, result.chunks)) return false;
      this.#inbox.handleChunkStored(sequence, result.chunks);
      return true;
    } catch (error) {
      // The chunk is not stored: the client sends on from the last stored one when it has reconnected.
      return this.#failed(error, "a chunk could not be stored");
    }
  }

  /** Resolves to true when the inbox has something to do. */
  async read(sequence: number): Promise<boolean> {
    const { store } = this.#delivery;
    try {
      const result = await this.#delivery.fenced(this.#session, (fence) => store.readUpload(fence, sequence));
      if (result === undefined || this.#hasLost(sequence, result.chunks)) return false;
      this.#inbox.handleUpload(sequence, result.text);
      return true;
    } catch (error) {
      return this.#failed(error, "an upload could not be read");
    }
  }

  /**
   * The storage has gone back in time and has fewer chunks than this process knows of. What it knows is not
   * so any more: the client comes back to what the storage has.
   */
  #hasLost(sequence: number, chunks: number): boolean {
    if (chunks >= this.#inbox.storedChunks(sequence)) return false;
    this.#refuse("chunks are gone from the storage");
    this.#delivery.endSession(this.#session, "evicted");
    return true;
  }

  #failed(error: unknown, detail: string): false {
    this.#delivery.reportStoreError(error);
    this.#refuse(detail);
    return false;
  }

  #refuse(detail: string): void {
    this.#session.connection?.refuse(serverFrame.error("store_unavailable", detail));
  }
}
