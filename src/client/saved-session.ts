/**
 * A session over a page reload. It is saved when the page goes away and not before, and removed as soon as it
 * is back: a copy that lies about would be taken along by a duplicated tab, and two pages would hold one
 * session.
 */

import type { ClientSession, SavedSession } from "../protocol/client-session.ts";
import type { SavedPlace } from "./options.ts";

export class SessionSaver {
  readonly #place: SavedPlace | undefined;
  readonly #key: string;
  readonly #failed: (error: unknown) => void;

  constructor(options: {
    readonly place: SavedPlace | undefined;
    readonly namespace: string;
    readonly failed: (error: unknown) => void;
  }) {
    this.#place = options.place;
    this.#key = `holdfast ${options.namespace}`;
    this.#failed = options.failed;
  }

  save(core: ClientSession): void {
    if (this.#place === undefined || (core.token === "" && core.pending === 0)) return;
    try {
      this.#place.save(this.#key, JSON.stringify(core.save()));
    } catch (error) {
      this.#failed(error);
    }
  }

  remove(): void {
    try {
      this.#place?.remove(this.#key);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Returns what the page before this one saved, and takes it out of its place. */
  take(): SavedSession | undefined {
    try {
      const text = this.#place?.load(this.#key);
      if (text === undefined || text === null) return undefined;
      this.#place?.remove(this.#key);
      const saved = JSON.parse(text) as SavedSession;
      return saved.version === 1 ? saved : undefined;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
  }
}
