/** One timer for the next moment at which something falls due. */

export class Alarm {
  readonly #now: () => number;
  readonly #ring: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #at = Number.POSITIVE_INFINITY;

  constructor(now: () => number, ring: () => void) {
    this.#now = now;
    this.#ring = ring;
  }

  /** Rings at this moment; one that is set for an earlier moment stays. `undefined` turns it off. */
  setAt(at: number | undefined): void {
    if (at !== undefined && at >= this.#at) return;
    clearTimeout(this.#timer);
    this.#at = at ?? Number.POSITIVE_INFINITY;
    if (at === undefined) return;
    const ring = () => {
      this.#at = Number.POSITIVE_INFINITY;
      this.#ring();
    };
    this.#timer = setTimeout(ring, Math.max(0, at - this.#now()));
  }
}
