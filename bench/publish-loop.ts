/** Keeps a number of publishes under way: the next one is made when one has been stored. */

export class PublishLoop {
  readonly #publish: (room: string) => void;
  #window = 0;
  #underWay = 0;
  #stored = 0;
  #next = 0;

  /** Whoever stores what `publish` was called for says so with `noteStored`. */
  constructor(publish: (room: string) => void) {
    this.#publish = publish;
  }

  get stored(): number {
    return this.#stored;
  }

  /** From now on so many are under way; with 0 no more are made. */
  keep(window: number): void {
    this.#window = window;
    this.#fill();
  }

  /** Emits of others are none of its business. */
  noteStored(): void {
    if (this.#underWay === 0) return;
    this.#underWay -= 1;
    this.#stored += 1;
    this.#fill();
  }

  #fill(): void {
    while (this.#underWay < this.#window) {
      this.#underWay += 1;
      this.#next += 1;
      this.#publish(`room-${this.#next % roomCount}`);
    }
  }
}

/** More than a few, so that a commit is not about one stream; nobody is in them. */
const roomCount = 100;
