/** What a raw client has been shown of each stream: docs/PROTOCOL.md, "Streams". */

export class RawStreams {
  readonly #streams = new Map<number, Stream>();
  readonly #moved = new Set<number>();
  readonly #tell: Tell;
  #unacknowledged = 0;

  constructor(tell: Tell) {
    this.#tell = tell;
  }

  /** For the hello. */
  get positions(): readonly (readonly [stream: number, epoch: string, offset: number, part: number])[] {
    return [...this.#streams].map(([stream, { epoch, offset, part }]) => [
      stream,
      epoch,
      offset,
      part.length,
    ]);
  }

  get isDue(): boolean {
    return this.#moved.size > 0;
  }

  /** The list of a welcome is complete. */
  welcome(opens: readonly Open[]): void {
    const kept = new Set(opens.map(({ stream }) => stream));
    for (const stream of this.#streams.keys()) if (!kept.has(stream)) this.leave(stream);
    this.#moved.clear();
    for (const open of opens) {
      this.open(open);
      if (open.prompt) this.#moved.add(open.stream);
    }
  }

  open({ stream, epoch, offset, prompt }: Open): void {
    const known = this.#streams.get(stream);
    if (known?.epoch === epoch && known.offset >= offset) known.prompt = prompt;
    else this.#streams.set(stream, { epoch, offset, prompt, part: "" });
  }

  leave(stream: number): void {
    this.#streams.delete(stream);
    this.#moved.delete(stream);
  }

  /** The session did not go on. */
  lose(): void {
    for (const [stream, { offset }] of this.#streams)
      this.#tell.gap({ stream, from: offset + 1, to: offset, reason: "session_lost" });
    this.#streams.clear();
    this.#moved.clear();
  }

  /** Returns what is wrong with them, if anything. */
  entries(stream: number, entries: readonly Entry[]): string | undefined {
    const known = this.#streams.get(stream);
    if (known === undefined) return undefined;
    for (const [offset, payload, meta] of entries) {
      if (offset <= known.offset) continue;
      if (offset !== known.offset + 1) return `entry ${offset} after ${known.offset} of stream ${stream}`;
      if (meta !== undefined && Object.keys(meta).length > 0)
        throw new Error("The raw client knows no events of several rooms, and none that want an answer");
      known.offset = offset;
      known.part = "";
      this.#moved.add(stream);
      this.#unacknowledged += 1;
      if (payload !== undefined) this.#tell.entry(payload);
    }
    return undefined;
  }

  /** A piece of a large entry; returns what is wrong with it. */
  part(frame: { stream: number; offset: number; from: number; length: number; piece: string }): Parted {
    const { stream, offset, from, length, piece } = frame;
    const known = this.#streams.get(stream);
    if (known === undefined || offset <= known.offset || from < known.part.length) return {};
    if (offset !== known.offset + 1 || from > known.part.length) {
      known.part = "";
      return { violation: "part out of order" };
    }
    known.part += piece;
    if (known.part.length < length) return { arrived: known.part.length };
    const violation = this.entries(stream, [JSON.parse(known.part) as Entry]);
    return violation === undefined ? {} : { violation };
  }

  gap(stream: number, epoch: string, from: number, to: number, reason: string): void {
    const known = this.#streams.get(stream);
    if (known === undefined) return;
    if (known.epoch === epoch && (reason === "reset" ? to === known.offset : to <= known.offset)) return;
    this.#streams.set(stream, { ...known, epoch, offset: to, part: "" });
    this.#moved.add(stream);
    this.#tell.gap({ stream, from, to, reason });
  }

  /** Acknowledgements are wanted at once, or have become many. */
  get isUrgent(): boolean {
    if (this.#unacknowledged >= acknowledgeEntries) return true;
    for (const stream of this.#moved) if (this.#streams.get(stream)?.prompt === true) return true;
    return false;
  }

  /** The frame that acknowledges what was shown, if there is something to say. */
  acknowledgement(): string | undefined {
    const pairs = [...this.#moved].flatMap((stream) => {
      const offset = this.#streams.get(stream)?.offset ?? 0;
      return offset > 0 ? [[stream, offset]] : [];
    });
    this.#moved.clear();
    this.#unacknowledged = 0;
    return pairs.length === 0 ? undefined : `["at",${JSON.stringify(pairs)}]`;
  }
}

const acknowledgeEntries = 256;

// --- types ---

type Stream = { epoch: string; offset: number; prompt: boolean; part: string };

export type Entry = readonly [offset: number, payload?: readonly unknown[], meta?: object];

export type Open = {
  readonly stream: number;
  readonly epoch: string;
  readonly offset: number;
  readonly prompt: boolean;
};

export type Gap = {
  readonly stream: number;
  readonly from: number;
  readonly to: number;
  readonly reason: string;
};

type Tell = { entry(payload: readonly unknown[]): void; gap(gap: Gap): void };

type Parted = { readonly arrived?: number; readonly violation?: string };
