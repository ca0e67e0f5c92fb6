/** The links that clients come through, when a scenario breaks them: a relay in front of the edge. */

import type { Owner } from "../test/harness/owner.ts";
import { type Relay, type RelayConnection, startRelay } from "../test/harness/relay.ts";

export class Links {
  readonly #relay: Relay | undefined;

  private constructor(relay: Relay | undefined) {
    this.#relay = relay;
  }

  static none(): Links {
    return new Links(undefined);
  }

  static async open(owner: Owner, host: string, port: number): Promise<Links> {
    return new Links(await startRelay(owner, { host, port }));
  }

  get url(): string | undefined {
    return this.#relay?.url;
  }

  get open(): readonly RelayConnection[] {
    return this.#relay?.open ?? [];
  }

  /** Resets some of the links, at both ends. Returns how many. */
  reset(isMeant: (link: RelayConnection) => boolean): number {
    return this.#each(isMeant, (link) => link.reset());
  }

  /** The clients' ends go, and the servers are not told. Returns how many. */
  halfOpen(isMeant: (link: RelayConnection) => boolean): number {
    return this.#each(isMeant, (link) => link.resetClient());
  }

  #each(isMeant: (link: RelayConnection) => boolean, act: (link: RelayConnection) => void): number {
    const meant = this.open.filter(isMeant);
    for (const link of meant) act(link);
    return meant.length;
  }
}
