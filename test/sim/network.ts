/**
 * The network between pages and nodes: links that carry packets in order, late, slowly, or no more at all
 * without telling anyone.
 */

import type { Process, Timeline } from "./virtual-time.ts";

export type Packet = { readonly type: string; readonly data?: string };

/** What one end of a link is told. */
export type LinkEnd = {
  readonly owner: Process;
  received(packet: Packet): void;
  closed(): void;
};

/** One direction of a link. */
class Lane {
  readonly #timeline: Timeline;
  readonly #traits: LinkTraits;
  readonly #from: Process;
  to: LinkEnd | undefined;
  /** Packets vanish, and nobody is told. */
  cut = false;
  /** Nothing arrives before. */
  stalledUntil = 0;
  /** Nothing more is carried: the link was closed or reset. */
  over = false;
  #lastAt = 0;
  #inFlight = 0;
  #waiting: (() => void)[] = [];

  constructor(timeline: Timeline, traits: LinkTraits, from: Process) {
    this.#timeline = timeline;
    this.#traits = traits;
    this.#from = from;
  }

  /** `sent` is called when the sender's buffer takes more. */
  send(packets: readonly Packet[], sent: () => void): void {
    for (const packet of packets) this.#carry(packet);
    if (this.#inFlight < this.#traits.bufferCharacters) this.#timeline.for(this.#from, 0, sent);
    else this.#waiting.push(sent);
  }

  /** Tells the receiving side something that arrives in turn with the packets, without being one. */
  tell(run: () => void): void {
    if (!this.over && !this.cut) this.#arrive(0, run);
  }

  /** The other end learns of it after everything that is under way. */
  end(): void {
    if (this.over) return;
    const { to } = this;
    if (to !== undefined && !this.cut) this.#arrive(0, () => to.closed());
    this.over = true;
  }

  /** What is under way is lost; the other end learns of it soon. */
  reset(): void {
    if (this.over) return;
    this.over = true;
    const { to } = this;
    this.to = undefined;
    if (to !== undefined && !this.cut)
      this.#timeline.for(to.owner, this.#traits.latencyMs(), () => to.closed());
  }

  #carry(packet: Packet): void {
    if (this.over) return;
    const size = 1 + (packet.data?.length ?? 0);
    this.#inFlight += size;
    if (this.cut) return;
    this.#arrive(size, () => {
      this.#inFlight -= size;
      if (this.#inFlight < this.#traits.bufferCharacters) {
        for (const sent of this.#waiting.splice(0)) this.#timeline.for(this.#from, 0, sent);
      }
      if (!this.cut) this.to?.received(packet);
    });
  }

  #arrive(size: number, run: () => void): void {
    const { to } = this;
    if (to === undefined) return;
    const { now } = this.#timeline;
    const start = Math.max(now, this.stalledUntil);
    const at = Math.max(start + this.#traits.latencyMs(), this.#lastAt) + size / this.#traits.charactersPerMs;
    this.#lastAt = at;
    this.#timeline.for(to.owner, at - now, run);
  }
}

export type LinkTraits = {
  readonly latencyMs: () => number;
  readonly charactersPerMs: number;
  /** What the sender's side takes before it says no. */
  readonly bufferCharacters: number;
};

export class Link {
  /** Is told what the node writes, also when none of it arrives. */
  watch: ((data: string) => void) | undefined;
  readonly toServer: Lane;
  readonly toClient: Lane;

  constructor(
    timeline: Timeline,
    traits: LinkTraits,
    ends: { readonly page: Process; readonly node: Process },
  ) {
    this.toServer = new Lane(timeline, traits, ends.page);
    this.toClient = new Lane(timeline, traits, ends.node);
  }

  get open(): boolean {
    return !this.toServer.over || !this.toClient.over;
  }

  reset(): void {
    this.toServer.reset();
    this.toClient.reset();
  }

  stall(until: number): void {
    this.toServer.stalledUntil = until;
    this.toClient.stalledUntil = until;
  }
}
