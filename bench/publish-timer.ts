/** Measures how long a publish takes from the client that asks for it to each member of the room. */

import { clientFrame } from "../src/protocol/frames.ts";
import { framesText, type Kind, WireClient } from "./wire-client.ts";

export class PublishTimer {
  readonly connected: Promise<unknown>;
  readonly #kind: Kind;
  readonly #publisher: WireClient;
  readonly #members: readonly WireClient[];
  readonly #meanMs: number;
  readonly #takenMs: number[] = [];
  #sequence = 1;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TimerOptions) {
    const { kind, port, publisherPort, members, perSecond } = options;
    this.#kind = kind;
    this.#meanMs = 1_000 / perSecond;
    this.#publisher = new WireClient({ kind, port: publisherPort, rooms: [] });
    const onText = (text: string) => this.#handle(text);
    const rooms = ["room"];
    this.#members = Array.from({ length: members }, () => new WireClient({ kind, port, rooms, onText }));
    this.connected = Promise.all([this.#publisher, ...this.#members].map((client) => client.connected));
  }

  /**
   * An open model: the next publish does not wait for the one before, so that a stall shows in all that it
   * hits.
   */
  start(): void {
    const next = (dueAt: number): void => {
      const afterMs = -Math.log(1 - Math.random()) * this.#meanMs;
      this.#timer = setTimeout(() => next(dueAt + afterMs), Math.max(0, dueAt + afterMs - performance.now()));
      this.#publish(performance.now());
    };
    next(performance.now());
  }

  latencies(): { readonly count: number; readonly p50Ms: number; readonly p99Ms: number } {
    const sorted = this.#takenMs.toSorted((a, b) => a - b);
    const at = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
    return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) };
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const client of [this.#publisher, ...this.#members]) client.close();
  }

  #publish(atMs: number): void {
    const payload = JSON.stringify(["say", "room", atMs]);
    if (this.#kind === "stock") this.#publisher.send(`42${payload}`);
    else this.#publisher.send(framesText(...this.#frames(payload)));
  }

  /**
   * The low-water mark keeps the inbox short; what was sent a quarter of a window ago has long been settled.
   */
  #frames(payload: string): string[] {
    const sequence = this.#sequence++;
    const frames = [clientFrame.event(sequence, false, payload)];
    if (sequence % lowEvents === 0 && sequence > lowEvents)
      frames.push(clientFrame.low(sequence - lowEvents));
    return frames;
  }

  #handle(text: string): void {
    const now = performance.now();
    for (const match of text.matchAll(/"at":([\d.]+)/g)) this.#takenMs.push(now - Number(match[1]));
  }
}

const lowEvents = 64;

// --- types ---

export type TimerOptions = {
  readonly kind: Kind;
  readonly port: number;
  /** Of the worker where the publishing client is. */
  readonly publisherPort: number;
  readonly members: number;
  readonly perSecond: number;
};
