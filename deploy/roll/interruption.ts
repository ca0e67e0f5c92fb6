/** Ctrl-C, SIGTERM and SIGHUP: noted, and answered by the roll where it is safe to. */

export class Interruption {
  #requests = 0;
  #passed: string | undefined;
  readonly #say: (line: string) => void;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  get isRequested(): boolean {
    return this.#requests > 0;
  }

  /** From here on going on is safer than stopping; `why` is what somebody is told who asks. */
  passPointOfReturn(why: string): void {
    this.#passed = why;
    if (this.isRequested) this.#say(why);
  }

  /** Listens to the signals of this process. The third one is not argued with. */
  listen(): void {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => this.#request(signal));
    }
  }

  #request(signal: string): void {
    this.#requests += 1;
    if (this.#requests >= 3) {
      this.#say(`${signal} again: left as it is. "roll status" shows what runs`);
      process.exit(1);
    }
    this.#say(`${signal}: ${this.#passed ?? "ending this step, and then stopping where it is safe"}`);
  }
}
