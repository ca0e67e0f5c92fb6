/** Publishes at a steady rate, on a schedule that waits for nobody, and tells the ledger before and after. */

import type { ReceiptPlace } from "../contract.ts";
import type { LedgerStream } from "./ledger-stream.ts";
import { now } from "./wall-clock.ts";

export class Speaker {
  readonly #name: string;
  readonly #publish: Publish;
  readonly #ledger: Pick<LedgerStream, "write">;
  readonly #waiting = new Set<Promise<unknown>>();
  #spoken = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(name: string, publish: Publish, ledger: Pick<LedgerStream, "write">) {
    this.#name = name;
    this.#publish = publish;
    this.#ledger = ledger;
  }

  /** Begins at `from` and ends at `until`; the rooms take turns. Returns the name that entries carry. */
  talk({ rooms, rate, from, until }: Talking): string {
    clearInterval(this.#timer);
    let count = 0;
    this.#timer = setInterval(() => {
      const due = Math.floor(((Math.min(now(), until) - from) * rate) / 1_000);
      for (; count < due; count += 1) {
        const room = rooms[this.#spoken % rooms.length] ?? "";
        this.#speak(room, from + ((count + 1) * 1_000) / rate);
      }
      if (now() > until) clearInterval(this.#timer);
    }, tickMs);
    return this.#name;
  }

  /** Falls silent; resolves when nothing waits for its receipt. */
  async hush(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }

  /** Publishes one entry; resolves with its receipt, rejects without one. */
  async say({ publisher, sequence, room, intendedAt }: Spoken): Promise<void> {
    this.#ledger.write(["try", publisher, sequence, room, intendedAt, now()]);
    try {
      const place = await this.#publish(room, [publisher, sequence, room, padding]);
      const at = now();
      this.#ledger.write(
        place === undefined ? ["ok", publisher, sequence, at] : ["ok", publisher, sequence, at, place],
      );
    } catch (error) {
      this.#ledger.write(["no", publisher, sequence, String(error)]);
      throw error;
    }
  }

  #speak(room: string, intendedAt: number): void {
    this.#spoken += 1;
    const spoken = this.say({ publisher: this.#name, sequence: this.#spoken, room, intendedAt })
      // The ledger has it, and nobody was promised anything.
      .catch(() => undefined)
      .finally(() => this.#waiting.delete(spoken));
    this.#waiting.add(spoken);
  }
}

const tickMs = 5;
/** About what a line of chat carries. */
const padding = "x".repeat(100);

// --- types ---

export type Publish = (
  room: string,
  entry: readonly [publisher: string, sequence: number, room: string, text: string],
) => Promise<ReceiptPlace | undefined>;

export type Talking = {
  readonly rooms: readonly string[];
  /** Entries a second. */
  readonly rate: number;
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly until: number;
};

type Spoken = {
  readonly publisher: string;
  readonly sequence: number;
  readonly room: string;
  readonly intendedAt: number;
};
