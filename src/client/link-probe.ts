/** Asks the server for a sign of life, and gives the link up when none comes in time. */

export class LinkProbe {
  readonly #timeoutMs: number;
  #nonce = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /** Returns the nonce to send; undefined while an answer is already waited for. */
  begin(giveUp: () => void): number | undefined {
    if (this.#timer !== undefined) return undefined;
    this.#nonce += 1;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      giveUp();
    }, this.#timeoutMs);
    return this.#nonce;
  }

  answered(nonce: number): void {
    if (nonce === this.#nonce) this.end();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
