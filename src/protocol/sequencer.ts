/**
 * The stream sequencer: per node and stream, it turns announcements of committed entries, which may be late,
 * early, repeated or missing, into one gapless sequence in offset order.
 *
 * Inputs: `handleCommitted`, `handlePage`, `handleHead`. Each returns what is to be done, in order. The fetch
 * of a missing stretch is asked for once for the node, whatever the number of its clients.
 *
 * Invariant: entries come out with consecutive offsets of one epoch, except across a `skip` output.
 */

export type SequencedEntry = { readonly epoch: string; readonly offset: number };

export type SequencerOutput<E extends SequencedEntry> =
  | { readonly kind: "deliver"; readonly entries: readonly E[] }
  /** Read the page after this offset and give it to `handlePage`. */
  | { readonly kind: "fetch"; readonly after: number }
  /**
   * Entries `from` to `to` can no longer be delivered by anyone; the sequence goes on after `to` in `epoch`.
   */
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
  /** The offset after which a page has been asked for; undefined when none is under way. */
  #fetching: number | undefined;
  #again = false;
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
    if (entry.epoch !== this.#epoch) return this.#fetch("again");
    if (entry.offset <= this.#delivered) return [];
    this.#known = Math.max(this.#known, entry.offset);
    if (entry.offset === this.#delivered + 1) {
      this.#delivered = entry.offset;
      return [{ kind: "deliver", entries: [entry, ...this.#release()] }, ...this.#fetchMissing()];
    }
    // What does not fit into the hold is fetched again when its turn comes.
    if (this.#held.size < this.#heldLimit) this.#held.set(entry.offset, entry);
    return this.#fetchMissing();
  }

  /**
   * The head of the stream as the store has it: finds announcements that were lost, and storage that went
   * back.
   */
  handleHead(head: { readonly epoch: string; readonly head: number }): SequencerOutput<E>[] {
    if (head.epoch !== this.#epoch || head.head < this.#delivered) return this.#fetch("again");
    this.#known = Math.max(this.#known, head.head);
    return this.#fetchMissing();
  }

  /** The page that was asked for. `undefined` head: the stream is gone. */
  handlePage(page: {
    readonly head: { readonly epoch: string; readonly low: number; readonly head: number } | undefined;
    readonly entries: readonly E[];
  }): SequencerOutput<E>[] {
    const after = this.#fetching;
    this.#fetching = undefined;
    const { head } = page;
    if (head === undefined || after === undefined) return [];
    const again = this.#again;
    this.#again = false;
    // Announcements may have overtaken the page, so it counts against what was delivered when it was asked
    // for.
    if (head.epoch !== this.#epoch || head.head < after) return [this.#reset(head)];
    const outputs: SequencerOutput<E>[] = [];
    const before = this.#delivered;
    // A log that lacks entries inside of itself is a gap as well; waiting for them would be for ever.
    const low = page.entries[0]?.offset ?? head.low;
    if (low > this.#delivered + 1) outputs.push(this.#skipTo(low - 1));
    const entries: E[] = [];
    for (const entry of page.entries) {
      if (entry.offset !== this.#delivered + 1) continue;
      this.#delivered = entry.offset;
      this.#held.delete(entry.offset);
      entries.push(entry);
    }
    entries.push(...this.#release());
    if (entries.length > 0) outputs.push({ kind: "deliver", entries });
    this.#known = Math.max(this.#known, head.head);
    // A page that brought nothing would bring nothing again: the next announcement or head asks.
    if (again) outputs.push(...this.#fetch());
    else if (this.#delivered > before) outputs.push(...this.#fetchMissing());
    return outputs;
  }

  /** The fetch failed: it is asked for again with the next announcement or head. */
  handleFetchFailed(): void {
    this.#fetching = undefined;
    this.#again = false;
  }

  /** A new history begins behind its head: what stands in it was not announced as following ours. */
  #reset(head: { readonly epoch: string; readonly head: number }): SequencerOutput<E> {
    const from = this.#delivered + 1;
    this.#held.clear();
    this.#epoch = head.epoch;
    this.#delivered = head.head;
    this.#known = head.head;
    return { kind: "skip", epoch: head.epoch, from, to: head.head, reason: "reset" };
  }

  #skipTo(to: number): SequencerOutput<E> {
    const from = this.#delivered + 1;
    this.#delivered = to;
    this.#known = Math.max(this.#known, to);
    for (const offset of this.#held.keys()) if (offset <= to) this.#held.delete(offset);
    return { kind: "skip", epoch: this.#epoch, from, to, reason: "retention" };
  }

  /** Takes what is next out of the hold. */
  #release(): E[] {
    const entries: E[] = [];
    for (;;) {
      const entry = this.#held.get(this.#delivered + 1);
      if (entry === undefined) return entries;
      this.#held.delete(entry.offset);
      this.#delivered = entry.offset;
      entries.push(entry);
    }
  }

  #fetchMissing(): SequencerOutput<E>[] {
    return this.#delivered < this.#known ? this.#fetch() : [];
  }

  /** `again`: a page that is under way may be older than what asks now, so another follows it. */
  #fetch(again?: "again"): SequencerOutput<E>[] {
    if (this.#fetching !== undefined) {
      if (again !== undefined) this.#again = true;
      return [];
    }
    this.#fetching = this.#delivered;
    return [{ kind: "fetch", after: this.#delivered }];
  }
}
