/**
 * One line that is written over again where somebody looks at it, and a line now and then where nobody does.
 */

export class ProgressLine {
  readonly #isLive = process.stderr.isTTY;
  #shown = "";
  #lastAt = 0;

  tell(text: string): void {
    if (this.#isLive) {
      process.stderr.write(`\r${text.slice(0, 110).padEnd(this.#shown.length)}`);
      this.#shown = text.slice(0, 110);
      return;
    }
    const now = performance.now();
    const isCount = / \d+ s of /.test(text);
    if (isCount && now - this.#lastAt < quietMs) return;
    this.#lastAt = now;
    process.stderr.write(`${text}\n`);
  }

  /** A text that stays. */
  print(text: string): void {
    this.end();
    process.stderr.write(`${text}\n`);
  }

  end(): void {
    if (this.#isLive && this.#shown !== "") process.stderr.write("\n");
    this.#shown = "";
  }
}

const quietMs = 10_000;
