/** Publishes through an application's own HTTP API, at a steady rate that waits for nobody. */

import type { Talk } from "../contract.ts";
import { LedgerStream } from "../servers/ledger-stream.ts";
import { Speaker } from "../servers/speaker.ts";
import { entryText, targetRooms } from "./entry.ts";

export class HttpPublisher {
  readonly #speaker: Speaker;
  readonly #ledger: LedgerStream;
  readonly #options: PublisherOptions;
  readonly #lanes = new Map<string, Promise<undefined>>();

  private constructor(ledger: LedgerStream, options: PublisherOptions) {
    this.#ledger = ledger;
    this.#options = options;
    this.#speaker = new Speaker(publisherName, (room, entry) => this.#publish(room, entry), ledger);
  }

  static async open(ledger: string, options: PublisherOptions): Promise<HttpPublisher> {
    return new HttpPublisher(await LedgerStream.open(ledger, publisherName), options);
  }

  /** Returns what the ledger is to expect. */
  talk(from: number, until: number): Talk {
    const { rate } = this.#options;
    const publisher = this.#speaker.talk({ rooms: this.#rooms(), rate, from, until });
    return { publisher, rate, from, until };
  }

  /** Falls silent; resolves when nothing waits for its answer any more. */
  async end(): Promise<void> {
    await this.#speaker.hush();
    await this.#ledger.close();
  }

  /** One after the other in each room: requests beside each other would be in no order. */
  async #publish(room: string, entry: readonly unknown[]): Promise<undefined> {
    const before = this.#lanes.get(room) ?? Promise.resolve();
    const published = before.then(() => this.#post(room, entry));
    this.#lanes.set(
      room,
      published.catch(() => undefined),
    );
    return await published;
  }

  async #post(room: string, [publisher, sequence]: readonly unknown[]): Promise<undefined> {
    const { url, token, run } = this.#options;
    const entry = { publisher: String(publisher), sequence: Number(sequence), room, isLast: false };
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ room, entry: entryText(run, entry) }),
      signal: AbortSignal.timeout(answerWithinMs),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${url} answers ${response.status} ${text.slice(0, 100)}`);
    return undefined;
  }

  /** The small rooms in turn; once in a while the one that everybody is in. */
  #rooms(): string[] {
    const { run, clients, roomSize } = this.#options;
    const count = Math.ceil(clients / roomSize);
    const small = Array.from(
      { length: count },
      (_none, index) => targetRooms(run, index * roomSize, roomSize)[1],
    );
    const turns: string[] = [];
    while (turns.length < everybodyOnceIn) turns.push(...small);
    return [...turns, targetRooms(run, 0, roomSize)[0]];
  }
}

const publisherName = "conductor";
const answerWithinMs = 30_000;
const everybodyOnceIn = 100;

// --- types ---

export type PublisherOptions = {
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token: string | undefined;
  readonly run: string;
  readonly clients: number;
  readonly roomSize: number;
  /** Entries a second. */
  readonly rate: number;
};
