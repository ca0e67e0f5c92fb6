/** Idempotency keys in memory, by session and by the application's own scope. */

import { memoryCost } from "./memory-budget.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { IdempotencyKey, Receipt } from "./port.ts";

export type RememberedAppend = {
  readonly sequence: number;
  readonly digest: string;
  readonly receipts: readonly Receipt[];
  readonly at: number;
};

export class MemoryKeys {
  readonly #budget: MemoryBudget;
  /** By session id, then by sequence and position. They end with their session, or with their sequence. */
  readonly #ofSessions = new Map<string, Map<string, RememberedAppend>>();
  /** Those with sequence 0, or of a session that is not known. They end by age. */
  readonly #ofApplication = new Map<string, RememberedAppend>();

  constructor(budget: MemoryBudget) {
    this.#budget = budget;
  }

  find(key: IdempotencyKey, options: { readonly isSession: boolean }): RememberedAppend | undefined {
    if (options.isSession) return this.#ofSessions.get(key.scope)?.get(placeOf(key));
    return this.#ofApplication.get(scopedPlaceOf(key));
  }

  remember(key: IdempotencyKey, append: RememberedAppend, options: { readonly isSession: boolean }): void {
    this.#budget.take(memoryCost.key);
    if (!options.isSession) {
      this.#ofApplication.set(scopedPlaceOf(key), append);
      return;
    }
    const keys = this.#ofSessions.get(key.scope) ?? new Map<string, RememberedAppend>();
    keys.set(placeOf(key), append);
    this.#ofSessions.set(key.scope, keys);
  }

  /** The highest sequence of a session's keys; 0 when it has none. */
  lastOf(session: string): number {
    let last = 0;
    for (const { sequence } of this.#ofSessions.get(session)?.values() ?? []) last = Math.max(last, sequence);
    return last;
  }

  /** With `keepUntil` they end by age, as if they had been used then: a handler may still be running. */
  forgetSession(session: string, keepUntil: number | undefined): void {
    const keys = this.#ofSessions.get(session);
    if (keys === undefined) return;
    this.#ofSessions.delete(session);
    if (keepUntil === undefined) this.#budget.release(memoryCost.key * keys.size);
    else
      for (const [place, append] of keys) {
        this.#ofApplication.set(`${place} ${session}`, { ...append, at: keepUntil });
      }
  }

  forgetBelow(session: string, low: number): void {
    const keys = this.#ofSessions.get(session);
    if (keys !== undefined) this.#forget(keys, (append) => append.sequence < low);
  }

  forgetOlder(time: number): void {
    this.#forget(this.#ofApplication, (append) => append.at < time);
  }

  #forget(keys: Map<string, RememberedAppend>, isOver: (append: RememberedAppend) => boolean): void {
    for (const [place, append] of keys) {
      if (!isOver(append)) continue;
      keys.delete(place);
      this.#budget.release(memoryCost.key);
    }
  }
}

function placeOf(key: IdempotencyKey): string {
  return `${key.sequence} ${key.position}`;
}

function scopedPlaceOf(key: IdempotencyKey): string {
  return `${placeOf(key)} ${key.scope}`;
}
