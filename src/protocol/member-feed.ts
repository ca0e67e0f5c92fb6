/**
 * The feed of one member of one stream: whether it lives off what the node delivers, or is fed from the log
 * because it has just resumed or cannot keep up. It holds offsets only, so a slow client costs the server no
 * growing memory.
 *
 *     live     the member has been sent everything the node has delivered
 *     behind   it is fed from the log, page by page, and only while its connection takes more
 *
 * Invariant: every offset is sent once, in order, whichever way it takes; `sent` never moves back within an
 * epoch.
 */

export type FeedOutput<E> =
  /** Read the page after this offset and give it to `handlePage`. */
  | { readonly kind: "read"; readonly after: number }
  | { readonly kind: "send"; readonly entries: readonly E[] }
  /**
   * Send parts of one large entry from this character on, as many as the connection takes, and none that
   * begins at `until` or behind it; then `handleParts`.
   */
  | { readonly kind: "sendParts"; readonly entry: E; readonly from: number; readonly until: number }
  | {
      readonly kind: "gap";
      readonly epoch: string;
      readonly from: number;
      readonly to: number;
      readonly reason: "retention" | "reset";
    };

export type FeedPage<E> = {
  readonly head: { readonly epoch: string; readonly low: number; readonly head: number } | undefined;
  readonly entries: readonly E[];
};

/** How far the node has delivered the stream to its live members. */
export type Delivered = { readonly epoch: string; readonly offset: number };

export class MemberFeed<E extends { readonly offset: number; readonly payload: string }> {
  #epoch: string;
  #sent: number;
  #live: boolean;
  #reading = false;
  /** The large entry whose parts are under way. */
  #large: Large<E> | undefined;
  readonly #windowCharacters: number;
  /** Characters of the entry after `sent` that the client kept from its last connection. */
  #part: number;

  constructor(options: {
    readonly epoch: string;
    readonly sent: number;
    readonly live: boolean;
    readonly part: number;
    /**
     * Characters in parts that may be under way without the client having confirmed them. What the kernel
     * buffers is out of our hands, and heartbeats stand in line behind it: 12 MB at 6 MB/s made them late.
     */
    readonly windowCharacters: number;
  }) {
    this.#windowCharacters = options.windowCharacters;
    this.#epoch = options.epoch;
    this.#sent = options.sent;
    this.#live = options.live;
    this.#part = options.part;
  }

  get live(): boolean {
    return this.#live;
  }

  get sent(): number {
    return this.#sent;
  }

  get epoch(): string {
    return this.#epoch;
  }

  /**
   * The node delivers entries up to `last` in one go. Returns true when this member is to be sent them now;
   * otherwise it will read them from the log.
   */
  handleDelivered(last: number, takesMore: boolean): boolean {
    // A member that joined at the head may already be past what the node delivers.
    if (!this.#live || last <= this.#sent) return false;
    if (!takesMore) {
      this.#live = false;
      return false;
    }
    this.#sent = last;
    return true;
  }

  /**
   * The node skipped ahead: entries were lost for everyone. A live member is told; others find out by
   * reading.
   */
  handleSkipped(epoch: string, from: number, to: number, reason: "retention" | "reset"): FeedOutput<E>[] {
    if (!this.#live) return [];
    // A member that came from a node that was further on may have passed what this one skips.
    if (epoch === this.#epoch && reason === "retention" && to <= this.#sent) return [];
    const first = Math.max(from, this.#sent + 1);
    this.#epoch = epoch;
    this.#sent = to;
    return [{ kind: "gap", epoch, from: first, to, reason }];
  }

  /** The connection takes more: go on reading or sending parts. */
  handleWritable(): FeedOutput<E>[] {
    if (this.#live || this.#reading) return [];
    if (this.#large !== undefined) return this.#sendParts(this.#large);
    this.#reading = true;
    return [{ kind: "read", after: this.#sent }];
  }

  /**
   * One page of the log. Once level with what the node has delivered, the member is live again. `isLarge`
   * says which entries travel in parts.
   */
  handlePage(page: FeedPage<E>, delivered: Delivered, isLarge: (entry: E) => boolean): FeedOutput<E>[] {
    this.#reading = false;
    const { head } = page;
    if (head === undefined || this.#live) {
      this.#live = true;
      return [];
    }
    if (head.epoch !== this.#epoch || head.head < this.#sent) {
      const gap = this.#skipTo(head.epoch, head.head, "reset");
      this.#goLiveWhenLevel(delivered);
      return [gap];
    }
    const outputs: FeedOutput<E>[] = [];
    // A log that lacks entries inside of itself is a gap as well; waiting for them would be for ever.
    const low = page.entries[0]?.offset ?? head.low;
    if (low > this.#sent + 1) outputs.push(this.#skipTo(head.epoch, low - 1, "retention"));
    const entries: E[] = [];
    for (const entry of page.entries) {
      if (entry.offset !== this.#sent + 1) continue;
      // Entries that the node has not delivered yet come by the live path, after those in front of them. A
      // node that lives in another epoch will deliver none of these.
      if (entry.offset > delivered.offset && delivered.epoch === head.epoch) break;
      if (isLarge(entry)) {
        if (entries.length === 0) this.#large = { entry, next: this.#part, arrived: this.#part };
        break;
      }
      entries.push(entry);
      this.#sent = entry.offset;
      this.#part = 0;
    }
    if (entries.length > 0) outputs.push({ kind: "send", entries });
    this.#goLiveWhenLevel(delivered);
    if (!this.#live && this.#large !== undefined) outputs.push(...this.#sendParts(this.#large));
    return outputs;
  }

  /** Parts up to the character `next` have been written, of `length`. */
  handleParts(next: number, length: number, delivered: Delivered): void {
    const large = this.#large;
    if (large === undefined) return;
    large.next = next;
    if (next < length) return;
    this.#large = undefined;
    this.#part = 0;
    this.#sent = large.entry.offset;
    this.#goLiveWhenLevel(delivered);
  }

  /** The client has so many characters of a large entry: more of it may be sent. */
  handleArrived(offset: number, characters: number): FeedOutput<E>[] {
    const large = this.#large;
    if (large === undefined || large.entry.offset !== offset || characters > large.next) return [];
    large.arrived = Math.max(large.arrived, characters);
    return this.#sendParts(large);
  }

  /** The page could not be read: the next `handleWritable` asks again. */
  handleReadFailed(): void {
    this.#reading = false;
  }

  /**
   * Only in one epoch can two offsets be compared: live in another, the member would take the new for the
   * old.
   */
  #goLiveWhenLevel(delivered: Delivered): void {
    if (delivered.epoch === this.#epoch && this.#sent >= delivered.offset) this.#live = true;
  }

  #sendParts(large: Large<E>): FeedOutput<E>[] {
    const until = large.arrived + this.#windowCharacters;
    return large.next < until ? [{ kind: "sendParts", entry: large.entry, from: large.next, until }] : [];
  }

  #skipTo(epoch: string, to: number, reason: "retention" | "reset"): FeedOutput<E> {
    const from = this.#sent + 1;
    this.#epoch = epoch;
    this.#sent = to;
    this.#part = 0;
    return { kind: "gap", epoch, from, to, reason };
  }
}

/** Invariant: arrived <= next. */
type Large<E> = { readonly entry: E; next: number; arrived: number };
