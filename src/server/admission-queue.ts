/**
 * Admissions at a bounded pace, those that go on with a session first: after a restart everybody comes back
 * at once, and who was in the middle of something must not wait behind those who begin.
 */

export class AdmissionQueue {
  readonly #limit: number;
  #underWay = 0;
  readonly #resumes: (() => void)[] = [];
  readonly #newcomers: (() => void)[] = [];

  readonly #placeMs: number;

  /**
   * At most `limit` admissions are under way at a time, those not counted that have been for `placeMs`: one
   * that hangs, in the application's own `authorize` say, must not keep everybody else out.
   */
  constructor(limit: number, placeMs: number) {
    this.#limit = limit;
    this.#placeMs = placeMs;
  }

  get waiting(): number {
    return this.#resumes.length + this.#newcomers.length;
  }

  /** Runs an admission in its turn. */
  async admit<T>(resumes: boolean, admission: () => Promise<T>): Promise<T> {
    if (this.#underWay >= this.#limit) {
      await new Promise<void>((resolve) => (resumes ? this.#resumes : this.#newcomers).push(resolve));
    } else this.#underWay += 1;
    let held = true;
    const release = () => {
      if (held) this.#passOn();
      held = false;
    };
    const timer = setTimeout(release, this.#placeMs);
    try {
      return await admission();
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  /** The place goes to the next one at once, so that nobody who comes now gets in front. */
  #passOn(): void {
    const next = this.#resumes.shift() ?? this.#newcomers.shift();
    if (next === undefined) this.#underWay -= 1;
    else next();
  }
}
