/**
 * Events go out once they are stored, a moment after `emit`. What Socket.IO does at once (an event or an
 * answer for a stock client, a disconnect, leaving a room) has to come after the events that were emitted
 * before it.
 */

import type { Store } from "../store/port.ts";

export class EmitOrder {
  readonly #store: Pick<Store, "heads">;
  /** Publishes that are not stored yet, and runs that wait for them. */
  #inFlight = 0;

  constructor(store: Pick<Store, "heads">) {
    this.#store = store;
  }

  /** True while something waits that was emitted before. */
  get pending(): boolean {
    return this.#inFlight > 0;
  }

  /** Counts a publish until it is stored or has failed. */
  follow(stored: Promise<unknown>): void {
    this.#inFlight += 1;
    const settled = () => {
      this.#inFlight -= 1;
    };
    stored.then(settled, settled);
  }

  /** Runs at once when nothing waits, else after all that was emitted before. */
  after(run: () => void): void {
    if (this.pending) this.afterStored(run);
    else run();
  }

  /**
   * Runs after all that was called of the store before: a query is answered in its turn, whatever it asks.
   */
  afterStored(run: () => void): void {
    const asked = this.#store.heads([]).catch(() => []);
    this.follow(asked);
    void asked.then(run);
  }
}
