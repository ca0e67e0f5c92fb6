/**
 * Compares what this node has delivered with the heads that the store has, to find announcements that never
 * came. Where announcements come over a network that is looked for every second, so that a lost last one is
 * noticed soon.
 */

import type { Store } from "../store/port.ts";
import type { FanOut } from "./fan-out.ts";
import type { NodeStream } from "./node-stream.ts";

export class HeadLooks {
  readonly #store: Store;
  readonly #fanOuts: () => readonly FanOut[];
  /** How far the slowest stream was behind the store's head when it was last looked at. */
  lagEntries = 0;
  #from = 0;
  #looking: Promise<void> | undefined;

  constructor(store: Store, fanOuts: () => readonly FanOut[]) {
    this.#store = store;
    this.#fanOuts = fanOuts;
  }

  /** Looks at all streams that this node has members of. Rejects when the store does not answer. */
  async lookAtAll(): Promise<void> {
    await this.#lookAt(this.#all());
  }

  /** Looks at as many as a second has room for, and at the others the next times. Never two at a time. */
  lookAtSome(): Promise<void> {
    this.#looking ??= this.#lookAtNext().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #lookAtNext(): Promise<void> {
    const all = this.#all();
    if (this.#from >= all.length) this.#from = 0;
    const some = all.slice(this.#from, this.#from + headsPerLook);
    this.#from += headsPerLook;
    await this.#lookAt(some);
  }

  async #lookAt(places: readonly Place[]): Promise<void> {
    let lagEntries = 0;
    for (let start = 0; start < places.length; start += headsPerQuery) {
      const some = places.slice(start, start + headsPerQuery);
      const heads = await this.#store.heads(some.map(({ stream }) => stream.key));
      for (const [index, { fanOut, stream }] of some.entries()) {
        const head = heads[index];
        if (head?.epoch === stream.sequencer.epoch) {
          lagEntries = Math.max(lagEntries, head.head - stream.sequencer.delivered);
        }
        fanOut.handleHead(stream, head);
      }
    }
    this.lagEntries = lagEntries;
  }

  #all(): Place[] {
    return this.#fanOuts().flatMap((fanOut) => fanOut.streams().map((stream) => ({ fanOut, stream })));
  }
}

type Place = { readonly fanOut: FanOut; readonly stream: NodeStream };

const headsPerQuery = 500;
/**
 * So many take 56 ms of a Redis, measured with 7.0.15: a node with more streams looks at some of them in
 * turn.
 */
const headsPerLook = 10_000;
