/**
 * What a process that has just been started writes to standard error: passed on, and its end kept until it is
 * known whether the process lives, because the reason why it does not stands there.
 */

import type { Readable } from "node:stream";

export class LastWords {
  readonly #stream: Readable | null | undefined;
  #text: string | undefined = "";

  constructor(stream: Readable | null | undefined) {
    this.#stream = stream;
    stream?.setEncoding("utf8").on("data", (text: string) => {
      process.stderr.write(text);
      if (this.#text !== undefined) this.#text = (this.#text + text).slice(-charactersKept);
    });
  }

  /** The process lives: nothing is kept any more. */
  forget(): void {
    this.#text = undefined;
  }

  /**
   * The lines that say something to people, once all of it has been read; log lines and stacks are left out.
   */
  async lines(): Promise<readonly string[]> {
    const stream = this.#stream;
    if (stream && !stream.readableEnded && !stream.destroyed) {
      // Whatever the process has started itself may keep its standard error open.
      await new Promise((resolve) => {
        stream.once("close", resolve);
        setTimeout(resolve, closeWithinMs);
      });
    }
    const lines = (this.#text ?? "").split("\n").filter((line) => line.trim() !== "");
    return lines.filter((line) => !/^(\{"level"|\s+at |Node\.js v)/.test(line)).slice(-linesMost);
  }
}

const charactersKept = 8_192;
const linesMost = 12;
const closeWithinMs = 500;
