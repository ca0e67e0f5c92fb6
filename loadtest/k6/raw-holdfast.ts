/**
 * A Holdfast client by hand, as docs/PROTOCOL.md has it and without any of the shipped one's sources: hello,
 * resume, outbox, positions. Large events, events of several rooms, binary and answers to callbacks of the
 * server are left out; meeting one is an error and not a loss.
 */

import { type Callback, type Frame, type Limits, RawOutbox } from "./raw-outbox.ts";
import { type Answer, RawSocket, type Refusal } from "./raw-socket.ts";
import { type Entry, type Gap, type Open, RawStreams } from "./raw-streams.ts";

export class RawHoldfast extends RawSocket {
  readonly delivery = {
    on: (event: "gap", listener: (gap: Gap) => void) => this.on(event, listener),
  };
  readonly #auth: object;
  readonly #instance = Math.random().toString(36).slice(2) + Date.now().toString(36);
  readonly #outbox = new RawOutbox((frame) => this.#frames.push(frame));
  readonly #streams = new RawStreams({
    entry: (payload) => this.#show(payload),
    gap: (gap) => this.fire("gap", gap),
  });
  #attempt = 0;
  #generation = 0;
  #token = "";
  /** What goes out at the end of this turn. */
  #frames: string[] = [];
  #soon: unknown;

  constructor(url: string, auth: object) {
    super(url);
    this.#auth = auth;
  }

  override emit(event: string, ...values: unknown[]): void {
    const answer = typeof values.at(-1) === "function" ? (values.pop() as Callback) : undefined;
    this.#outbox.add([event, ...values], answer);
    this.#flush();
  }

  protected override introduction(): object {
    this.#attempt += 1;
    const hello = {
      v: [protocolVersion],
      low: this.#outbox.low,
      next: this.#outbox.unsent,
      at: this.#streams.positions,
      i: this.#instance,
      g: this.#generation,
      n: this.#attempt,
    };
    return { ...this.#auth, pid: this.#token, offset: JSON.stringify(hello) };
  }

  protected override welcomed({ pid = "", holdfast }: Answer): void {
    const welcome = holdfast as Welcome | undefined;
    if (welcome?.version !== protocolVersion) {
      this.fire("connect_error", new Error("the server does not speak Holdfast's protocol"));
      return this.giveUp("bad_frame");
    }
    if (this.#token !== "" && !welcome.resumed) {
      this.#outbox.startAnew();
      this.#streams.lose();
    }
    this.#token = pid;
    this.#generation = welcome.generation;
    this.recovered = welcome.resumed;
    this.connected = true;
    this.#streams.welcome(welcome.streams);
    this.#outbox.connected(welcome.limits, welcome.frames);
    for (const frame of welcome.frames) this.#takeFrame(frame);
    this.#outbox.pump();
    // A sign that the welcome has arrived.
    this.#frames.push('["pi",0]');
    this.fire("connect");
    this.#flush();
  }

  protected override received([event, ...frames]: unknown[]): void {
    if (event !== "$hf") throw new Error(`An event beside the frames: ${String(event)}`);
    for (const frame of frames) if (this.connected) this.#takeFrame(frame as Frame);
    this.#outbox.pump();
    this.#flush();
  }

  protected override acknowledged(): void {
    throw new Error("Holdfast acknowledges by frames");
  }

  protected override closed(): void {
    this.#outbox.disconnected();
    this.#frames = [];
    if (this.#soon !== undefined) clearTimeout(this.#soon as number);
    this.#soon = undefined;
  }

  /** Somebody else resumed the session while this one did; the server knows whose it is when asked again. */
  protected override refused(refusal: Refusal): void {
    if (refusal.data?.code === "stale_generation") this.connectAgain();
    else super.refused(refusal);
  }

  #takeFrame(frame: Frame): void {
    const [kind, first, second, third, fourth, fifth] = frame as [string, number, ...unknown[]];
    switch (kind) {
      case "en":
        return this.#refuse(this.#streams.entries(first, frame.slice(2) as unknown as Entry[]));
      case "pt":
        return this.#takePart(frame as unknown as Part);
      case "st":
        return this.#streams.open({
          stream: first,
          epoch: String(second),
          offset: Number(third),
          prompt: fifth === 1,
        });
      case "le":
        return this.#streams.leave(first);
      case "ga":
        return this.#streams.gap(first, String(second), Number(third), Number(fourth), String(fifth));
      case "do":
        for (let sequence = first; sequence <= Number(second); sequence += 1)
          this.#outbox.settle(sequence, []);
        return;
      case "ok":
        return this.#outbox.settle(first, (second as [unknown[]])[0]);
      case "no":
      case "ex":
        return this.#outbox.settle(first, undefined);
      case "ag":
        setTimeout(() => this.#again(first), Number(second));
        return;
      case "dr":
        this.reconnectInMs = first;
        return;
      default:
      // `al`, `cp`, `er`, whose connection the server closes, and what a newer server says.
    }
  }

  #takePart([, stream, offset, from, length, piece]: Part): void {
    const { arrived, violation } = this.#streams.part({ stream, offset, from, length, piece });
    this.#refuse(violation);
    if (arrived !== undefined) this.#frames.push(`["pa",${stream},${offset},${arrived}]`);
  }

  #again(sequence: number): void {
    if (!this.connected) return;
    this.#outbox.again(sequence);
    this.#flush();
  }

  #show(payload: readonly unknown[]): void {
    if (!Array.isArray(payload)) throw new Error("The raw client knows no binary");
    const [event, ...values] = payload as unknown[];
    this.fire(String(event), ...values);
  }

  #refuse(violation: string | undefined): void {
    if (violation === undefined) return;
    this.fire("connect_error", new Error(violation));
    this.giveUp("bad_frame");
  }

  #flush(): void {
    if (!this.connected) {
      this.#frames = [];
      return;
    }
    if (this.#streams.isUrgent) this.#acknowledge();
    else if (this.#streams.isDue || this.#outbox.isLowDue)
      this.#soon ??= setTimeout(() => this.#say(), soonMs);
    if (this.#frames.length === 0) return;
    this.write(`42["$hf",${this.#frames.join(",")}]`);
    this.#frames = [];
  }

  /** What can wait for a second. */
  #say(): void {
    this.#soon = undefined;
    this.#acknowledge();
    this.#outbox.sayLow();
    this.#flush();
  }

  #acknowledge(): void {
    const frame = this.#streams.acknowledgement();
    if (frame !== undefined) this.#frames.push(frame);
  }
}

const protocolVersion = 1;
const soonMs = 1_000;

// --- types ---

type Welcome = {
  readonly version: number;
  readonly generation: number;
  readonly resumed: boolean;
  readonly limits: Limits;
  readonly streams: readonly Open[];
  readonly frames: readonly Frame[];
};

type Part = readonly [
  kind: string,
  stream: number,
  offset: number,
  from: number,
  length: number,
  piece: string,
];
