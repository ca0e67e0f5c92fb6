/** The page that a client lives in, and the storage of its tab, which outlives the page. */

import type { SavedPlace } from "holdfast/client";
import { openPage } from "./surroundings.ts";

export class Page {
  /** As `sessionStorage`: what the page before it has left. */
  readonly storage: Map<string, string>;
  readonly #opened = openPage();

  constructor(storage = new Map<string, string>()) {
    this.storage = storage;
  }

  get place(): SavedPlace {
    return {
      load: (key) => this.storage.get(key) ?? null,
      save: (key, text) => void this.storage.set(key, text),
      remove: (key) => void this.storage.delete(key),
    };
  }

  /** Nothing is said to the server: a browser drops connections, and the scripts do not run any more. */
  leave(left: object): void {
    this.#opened.leave();
    const socket = left as LeftSocket;
    socket.off();
    socket.io.reconnection(false);
    socket.io.engine.transport.ws?.close();
  }
}

// --- types ---

/** What is touched of the shipped client, or of socket.io-client. */
type LeftSocket = {
  off(): void;
  readonly io: {
    reconnection(isWanted: boolean): void;
    readonly engine: { readonly transport: { readonly ws?: { close(): void } } };
  };
};
