/** A socket that keeps a number of events in flight and sends the next one when one is acknowledged. */

import { clientFrame } from "../src/protocol/frames.ts";
import { framesText, type Kind, WireClient } from "./wire-client.ts";

export class EventSender {
  readonly #kind: Kind;
  readonly #inFlight: number;
  readonly #client: WireClient;
  #next = 1;
  #acknowledged = 0;
  #lowSent = 1;
  #lowTimer: NodeJS.Timeout | undefined;

  constructor(options: { readonly kind: Kind; readonly port: number; readonly inFlight: number }) {
    this.#kind = options.kind;
    this.#inFlight = options.inFlight;
    const { kind, port } = options;
    this.#client = new WireClient({ kind, port, rooms: [], onText: (text) => this.#handle(text) });
  }

  get connected(): Promise<void> {
    return this.#client.connected;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  start(): void {
    this.#send(this.#inFlight, []);
  }

  close(): void {
    clearTimeout(this.#lowTimer);
    this.#client.close();
  }

  #handle(text: string): void {
    const count = this.#kind === "stock" ? (text.startsWith("43") ? 1 : 0) : outcomesIn(text);
    if (count === 0) return;
    this.#acknowledged += count;
    this.#send(count, this.#lowFrames());
  }

  /** As the real clients do: stock sends a packet for each event, Holdfast one for all of a turn. */
  #send(count: number, frames: string[]): void {
    for (let index = 0; index < count; index += 1) {
      const sequence = this.#next++;
      if (this.#kind === "stock") this.#client.send(`42${sequence}${payload}`);
      else frames.push(clientFrame.event(sequence, true, payload));
    }
    if (frames.length > 0) this.#client.send(framesText(...frames));
  }

  /**
   * The low-water mark as the client's outbox sends it: after a quarter of the window, or a delay. Outcomes
   * of one socket come in order here, because its handlers finish in order.
   */
  #lowFrames(): string[] {
    if (this.#kind === "stock") return [];
    if (this.#acknowledged + 1 - this.#lowSent >= lowEvents) return [this.#low()];
    this.#lowTimer ??= setTimeout(() => this.#client.send(framesText(this.#low())), lowDelayMs);
    return [];
  }

  #low(): string {
    clearTimeout(this.#lowTimer);
    this.#lowTimer = undefined;
    this.#lowSent = this.#acknowledged + 1;
    return clientFrame.low(this.#lowSent);
  }
}

/** Results in a packet of frames. */
function outcomesIn(text: string): number {
  return text.split('["ok",').length - 1;
}

const payload = JSON.stringify(["work", "x".repeat(40)]);
/** A quarter of the server's default `windowEvents`, and the client's delay. */
const lowEvents = 64;
const lowDelayMs = 1_000;
