/** The links that clients come through, when a scenario breaks them: relays in front of the edge. */

import type { Owner } from "../test/harness/owner.ts";
import { type Relay, type RelayConnection, type RelayTarget, startRelay } from "../test/harness/relay.ts";

export class Links {
  readonly #relays: readonly Relay[];

  private constructor(relays: readonly Relay[]) {
    this.#relays = relays;
  }

  static none(): Links {
    return new Links([]);
  }

  /**
   * Ten relays, each with a tenth of the clients. The last one lets its clients read slowly, if asked for.
   */
  static async open(owner: Owner, host: string, options: LinkOptions): Promise<Links> {
    const relays = await Promise.all(
      Array.from({ length: 10 }, () => startRelay(owner, { host, port: options.port })),
    );
    const slow = relays.at(-1);
    if (slow !== undefined && options.slowBytesPerSecond !== undefined)
      slow.shape = { toClientBytesPerSecond: options.slowBytesPerSecond };
    return new Links(relays);
  }

  /** One for all clients, to somewhere else; every tenth link that it carries is slow, if asked for. */
  static async front(owner: Owner, target: RelayTarget, options: Omit<LinkOptions, "port">): Promise<Links> {
    const relay = await startRelay(owner, target);
    const { slowBytesPerSecond } = options;
    if (slowBytesPerSecond !== undefined)
      relay.shapeOf = (count) => (isTenth(count) ? { toClientBytesPerSecond: slowBytesPerSecond } : {});
    return new Links([relay]);
  }

  get urls(): readonly string[] {
    return this.#relays.map(({ url }) => url);
  }

  get open(): readonly RelayConnection[] {
    return this.#relays.flatMap((relay) => relay.open);
  }

  /** Resets some of the links, at both ends. Returns how many. */
  reset(isMeant: (link: object) => boolean): number {
    return this.#each(isMeant, (link) => link.reset());
  }

  /** The clients' ends go, and the servers are not told. Returns how many. */
  halfOpen(isMeant: (link: object) => boolean): number {
    return this.#each(isMeant, (link) => link.resetClient());
  }

  /** Nobody can connect until `admit`. */
  refuse(): void {
    for (const relay of this.#relays) relay.refuse();
  }

  async admit(): Promise<void> {
    await Promise.all(this.#relays.map((relay) => relay.listen()));
  }

  /** The slow ones are as fast as the others from now on. Returns how many. */
  cure(): number {
    const relay = this.#relays.at(-1);
    if (relay === undefined) return 0;
    const isOneOfMany = relay.shapeOf !== undefined;
    const slow = relay.connections.filter((link, count) => link.open && (!isOneOfMany || isTenth(count)));
    relay.shape = {};
    relay.shapeOf = undefined;
    for (const link of slow) link.toClient.pace({});
    return slow.length;
  }

  #each(isMeant: (link: object) => boolean, act: (link: RelayConnection) => void): number {
    const meant = this.open.filter(isMeant);
    for (const link of meant) act(link);
    return meant.length;
  }
}

function isTenth(count: number): boolean {
  return count % 10 === 9;
}

// --- types ---

export type LinkOptions = { readonly port: number; readonly slowBytesPerSecond?: number | undefined };
