/** Those who wait for the terminal state of an emit, by sequence, with their deadlines. */

/**
 * Takes the end of an emit; `undefined` error: it was handled. Returns whether an error was taken notice of.
 */
export type Settle = (error: Error | undefined, values: unknown[]) => boolean;

type Waiter = { readonly settle: Settle; timer: ReturnType<typeof setTimeout> | undefined };

export class Waiters {
  #waiters = new Map<number, Waiter>();

  /** `expire` is called with the event's sequence of that moment when the deadline passes. */
  add(
    sequence: number,
    settle: Settle,
    timeoutMs: number | undefined,
    expire: (sequence: number) => void,
  ): void {
    const waiter: Waiter = { settle, timer: undefined };
    this.#waiters.set(sequence, waiter);
    if (timeoutMs === undefined) return;
    waiter.timer = setTimeout(() => {
      // The event may have got another sequence since, in a new session.
      for (const [current, found] of this.#waiters) if (found === waiter) expire(current);
    }, timeoutMs);
  }

  /** Returns who waits for the event, who then waits no longer. */
  take(sequence: number): Settle | undefined {
    const waiter = this.#waiters.get(sequence);
    this.#waiters.delete(sequence);
    clearTimeout(waiter?.timer);
    return waiter?.settle;
  }

  renumber(from: number, to: number): void {
    const waiter = this.#waiters.get(from);
    if (waiter === undefined) return;
    this.#waiters.delete(from);
    this.#waiters.set(to, waiter);
  }
}
