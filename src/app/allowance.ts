/** How much each user may send: so much at once, so much per second. */

import { ChatError } from "./chat-error.ts";

/**
 * One allowance per user, not per connection: more windows or a reconnect give no more. `burst` leaves room
 * for what a person writes while offline and the outbox then sends in one go. Memory is bounded by the users
 * who were active within the time that an empty allowance takes to fill up.
 */
export class Allowances {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #spent = new Map<string, { count: number; atMs: number }>();

  constructor(options: { readonly burst: number; readonly perSecond: number }) {
    this.#burst = options.burst;
    this.#perSecond = options.perSecond;
  }

  /** Takes one from `user`'s allowance at `nowMs` (any clock that does not go back), or throws `too_fast`. */
  take(user: string, nowMs: number): void {
    const spent = this.#spentOf(user, nowMs);
    if (spent + 1 > this.#burst) {
      throw new ChatError("too_fast", "You are sending faster than this chat takes. Please wait a moment.");
    }
    // Deleted first, so that the map stays in the order of use and forgetting can stop at the first live one.
    this.#spent.delete(user);
    this.#spent.set(user, { count: spent + 1, atMs: nowMs });
    this.#forget(nowMs);
  }

  get size(): number {
    return this.#spent.size;
  }

  #spentOf(user: string, nowMs: number): number {
    const spent = this.#spent.get(user);
    if (spent === undefined) return 0;
    return Math.max(0, spent.count - ((nowMs - spent.atMs) / 1000) * this.#perSecond);
  }

  /** Whoever has been quiet for this long has a full allowance again, and needs no row. */
  #forget(nowMs: number): void {
    const quietMs = (this.#burst / this.#perSecond) * 1000;
    for (const [user, { atMs }] of this.#spent) {
      if (nowMs - atMs <= quietMs) return;
      this.#spent.delete(user);
    }
  }
}
