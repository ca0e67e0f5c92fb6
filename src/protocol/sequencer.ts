/**
 * The stream sequencer: per node and stream, it turns announcements of committed entries, which may be late, early,
 * repeated or missing, into one gapless sequence in offset order.
 *
 * Inputs: `handleCommitted`, `handlePage`, `handleHead`. Each returns what is to be done, in order. The fetch of a
 * missing stretch is asked for once for the node, whatever the number of its clients.
 *
 * Invariant: entries come out with consecutive offsets of one epoch, except across a `skip` output.
 */

export type SequencedEntry = { readonly epoch: string; readonly offset: number };

export type SequencerOutput<E extends SequencedEntry> =
  | { readonly kind: "deliver"; readonly entries: readonly E[] }
  /** Read the page after this offset and give it to `handlePage`. */
  | { readonly kind: "fetch"; readonly after: number }
  /** Entries `from` to `to` can no longer be delivered by anyone; the sequence goes on after `to` in `epoch`. */
  | {
      readonly kind: "skip";
      readonly epoch: string;
      readonly from: number;
      readonly to: number;
      readonly reason: "retention" | "reset";
    };

export class StreamSequencer<E extends SequencedEntry> {
  #epoch: string;
  #delivered: number;
  readonly #held = new Map<number, E>();
  readonly #heldLimit: number;
  #fetching = false;
  /** The highest offset known to exist. Invariant: delivered <= known. */
  #known: number;

  constructor(options: { readonly epoch: string; readonly delivered: number; readonly heldLimit: number }) {
    this.#epoch = options.epoch;
    this.#delivered = options.delivered;
    this.#known = options.delivered;
    this.#heldLimit = options.heldLimit;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /** The last offset that came out. */
  get delivered(): number {
    return this.#delivered;
  }

  get held(): number {
    return this.#held.size;
  }

  handleCommitted(entry: E): SequencerOutput<E>[] {
    // The entry is of a history this node does not know yet; the page says where that begins.
    if (entry.epoch !== this.#epoch) return this.#fetch();
    if (entry.offset <= this.#delivered) return [];
    this.#known = Math.max(this.#known, entry.offset);
    if (entry.offset === this.#delivered + 1 && this.#held.size === 0) {
      this.#delivered = entry.offset;
      return [{ kind: "deliver", entries: [entry] }];
    }
    // What does not fit into the hold is fetched again when its turn comes.
    if (this.#held.size < this.#heldLimit) this.#held.set(entry.offset, entry);
    return [...this.#release(), ...(this.#delivered < this.#known ? this.#fetch() : [])];
  }

  /** The head of the stream as the store has it: finds announcements that were lost, and storage that went back. */
  handleHead(head: { readonly epoch: string; readonly head: number }): SequencerOutput<E>[] {
    if (head.epoch !== this.#epoch || head.head < this.#delivered) return this.#fetch();
    this.#known = Math.max(this.#known, head.head);
    return this.#known > this.#delivered ? this.#fetch() : [];
  }

  /** The page that was asked for. `undefined` head: the stream is gone. */
  handlePage(page: {
    readonly head: { readonly epoch: string; readonly low: number; readonly head: number } | undefined;
    readonly entries: readonly E[];
  }): SequencerOutput<E>[] {
    this.#fetching = false;
    const { head } = page;
    if (head === undefined) return [];
    const outputs: SequencerOutput<E>[] = [];
    if (head.epoch !== this.#epoch || head.head < this.#delivered) {
      outputs.push({ kind: "skip", epoch: head.epoch, from: this.#delivered + 1, to: head.head, reason: "reset" });
      this.#held.clear();
      this.#epoch = head.epoch;
      this.#delivered = head.head;
      this.#known = head.head;
      return outputs;
    }
    if (head.low > this.#delivered + 1) {
      const to = head.low - 1;
      outputs.push({ kind: "skip", epoch: head.epoch, from: this.#delivered + 1, to, reason: "retention" });
      this.#delivered = to;
    }
    const entries: E[] = [];
    for (const entry of page.entries) {
      if (entry.offset !== this.#delivered + 1) continue;
      this.#delivered = entry.offset;
      this.#held.delete(entry.offset);
      entries.push(entry);
    }
    if (entries.length > 0) outputs.push({ kind: "deliver", entries });
    this.#known = Math.max(this.#known, head.head);
    outputs.push(...this.#release());
    if (this.#delivered < this.#known) outputs.push(...this.#fetch());
    return outputs;
  }

  /** The fetch failed: it is asked for again with the next announcement or head. */
  handleFetchFailed(): void {
    this.#fetching = false;
  }

  #release(): SequencerOutput<E>[] {
    const entries: E[] = [];
    for (;;) {
      const entry = this.#held.get(this.#delivered + 1);
      if (entry === undefined) break;
      this.#held.delete(entry.offset);
      this.#delivered = entry.offset;
      entries.push(entry);
    }
    return entries.length === 0 ? [] : [{ kind: "deliver", entries }];
  }

  #fetch(): SequencerOutput<E>[] {
    if (this.#fetching) return [];
    this.#fetching = true;
    return [{ kind: "fetch", after: this.#delivered }];
  }
}
