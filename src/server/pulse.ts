/**
 * Whether this process has stood still: stopped, swapped out, its machine moved or asleep. What it believed
 * before may not be true any more, and what it finds in its buffers may be long settled elsewhere.
 */
export class Pulse {
  readonly #timer: ReturnType<typeof setInterval>;
  /** Of two clocks: the one stands still while a machine sleeps, the other may be set back meanwhile. */
  #beatAt = Date.now();
  #steadyBeatAt = performance.now();
  #stalls = 0;

  constructor() {
    this.#timer = setInterval(() => this.stalls(), beatMs);
    this.#timer.unref();
  }

  /** How often the process has stood still for 2 s or longer, until this very moment. */
  stalls(): number {
    const now = Date.now();
    const steadyNow = performance.now();
    // A clock that was set counts as well; believing it costs one question to the store for each session.
    const sinceMs = Math.max(Math.abs(now - this.#beatAt), steadyNow - this.#steadyBeatAt);
    if (sinceMs >= stallMs) this.#stalls += 1;
    this.#beatAt = now;
    this.#steadyBeatAt = steadyNow;
    return this.#stalls;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

const beatMs = 500;
/** Clients need longer to find out that they are better off elsewhere; a busy process stalls for less. */
const stallMs = 2_000;
