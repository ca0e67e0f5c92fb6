/** What a raw client has emitted and its server has not settled: docs/PROTOCOL.md, "Events of the client". */

export class RawOutbox {
  low = 1;
  #next = 1;
  /** Sequences below it have had their turn on this connection. */
  #cursor = 1;
  #lowSaid = 1;
  #items = new Map<number, Item>();
  #inFlightCharacters = 0;
  #limits: Limits | undefined;
  /** Sequences whose outcome the server of this connection knows. */
  #recorded: ReadonlySet<number> = new Set();
  readonly #send: (frame: string) => void;

  constructor(send: (frame: string) => void) {
    this.#send = send;
  }

  /** The first sequence that was never sent. */
  get unsent(): number {
    for (const [sequence, { isSent }] of this.#items) if (!isSent) return sequence;
    return this.#next;
  }

  get isLowDue(): boolean {
    return this.#limits !== undefined && this.low > this.#lowSaid;
  }

  add(payload: readonly unknown[], answer: Callback | undefined): void {
    this.#items.set(this.#next, { payload: JSON.stringify(payload), answer, isSent: false });
    this.#next += 1;
    this.pump();
  }

  /** `frames`: the outcomes in the welcome. */
  connected(limits: Limits, frames: readonly Frame[]): void {
    this.#recorded = new Set(frames.flatMap(sequencesOf));
    this.#cursor = this.low;
    this.#lowSaid = this.low;
    this.#inFlightCharacters = 0;
    this.#limits = limits;
  }

  disconnected(): void {
    this.#limits = undefined;
  }

  /** What was sent has an unknown outcome; what was not is numbered anew. */
  startAnew(): void {
    const unsent = [...this.#items.values()].filter(({ isSent }) => !isSent);
    this.#items = new Map(unsent.map((item, index) => [index + 1, item]));
    this.#next = unsent.length + 1;
    this.low = 1;
  }

  settle(sequence: number, values: readonly unknown[] | undefined): void {
    const item = this.#items.get(sequence);
    if (item === undefined) return;
    this.#items.delete(sequence);
    if (sequence < this.#cursor) this.#inFlightCharacters -= item.payload.length;
    while (this.low < this.#next && !this.#items.has(this.low)) this.low += 1;
    if (this.#limits !== undefined && this.low - this.#lowSaid >= this.#limits.windowEvents / 4)
      this.sayLow();
    if (values !== undefined) item.answer?.(...values);
  }

  again(sequence: number): void {
    const item = this.#items.get(sequence);
    if (item !== undefined && sequence < this.#cursor) this.#send(frameOf(sequence, item));
  }

  sayLow(): void {
    // A mark may not be beyond what was sent: what the welcome settled takes its turn first.
    if (!this.isLowDue || this.low > this.#cursor) return;
    this.#lowSaid = this.low;
    this.#send(`["lo",${this.low}]`);
  }

  /** Sends what the window allows. */
  pump(): void {
    const limits = this.#limits;
    if (limits === undefined) return;
    for (; this.#cursor < this.#next && this.#cursor < this.low + limits.windowEvents; this.#cursor += 1) {
      const item = this.#items.get(this.#cursor);
      if (item === undefined) {
        // Settled before, and the server has forgotten it: it takes nothing behind a hole.
        if (!this.#recorded.has(this.#cursor)) this.#send(`["ca",${this.#cursor}]`);
        continue;
      }
      const { length } = item.payload;
      if (length > limits.chunkCharacters)
        throw new Error("The raw client does not cut large events: use the shipped one for them");
      if (this.#inFlightCharacters > 0 && this.#inFlightCharacters + length > limits.windowCharacters) return;
      this.#inFlightCharacters += length;
      item.isSent = true;
      this.#send(frameOf(this.#cursor, item));
    }
  }
}

function frameOf(sequence: number, { payload, answer }: Item): string {
  return `["ev",${sequence},${answer === undefined ? 0 : 1},${payload}]`;
}

function sequencesOf([kind, first, last]: Frame): number[] {
  if (kind === "do")
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_none, index) => Number(first) + index);
  return kind === "ok" || kind === "no" || kind === "ex" ? [Number(first)] : [];
}

// --- types ---

type Item = { readonly payload: string; readonly answer: Callback | undefined; isSent: boolean };

export type Callback = (...values: unknown[]) => void;

export type Frame = readonly [kind: string, ...rest: unknown[]];

export type Limits = {
  readonly windowEvents: number;
  readonly windowCharacters: number;
  readonly chunkCharacters: number;
};
