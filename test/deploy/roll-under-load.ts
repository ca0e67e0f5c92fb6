/**
 * Clients that talk while something is done to the servers, and what it cost them: nothing, and one
 * reconnect.
 */

import { inspect } from "node:util";
import { expect } from "vitest";
import { Crowd } from "../cluster/crowd.ts";
import type { Child } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { chatDialect } from "./chat-dialect.ts";

/**
 * 150 clients of every transport at 200 messages a second, unless `size` says less; resolves when they have
 * begun to talk.
 */
export async function beginLoad(
  owner: Owner,
  url: string,
  client: Readonly<Record<string, unknown>> = {},
  size: { readonly clients: number; readonly rate: number } = { clients: 150, rate: 200 },
): Promise<Load> {
  const crowd = await Crowd.gather(owner, {
    kind: "Holdfast",
    url,
    ...size,
    roomSize: 10,
    dialect: chatDialect,
    client,
  });
  crowd.talk();
  const load = new Load(crowd);
  await load.goesOn(200);
  return load;
}

export class Load {
  readonly crowd: Crowd;
  /** Why clients lost their connections, for whoever looks at a failure. */
  readonly #drops: { readonly number: number; readonly atMs: number; readonly why: string }[] = [];

  constructor(crowd: Crowd) {
    this.crowd = crowd;
    for (const { number, socket } of crowd.members) {
      socket.on("disconnect", (reason, details) => {
        const why = `${reason} ${inspect(details ?? "", { depth: 1 })}`;
        this.#drops.push({ number, atMs: performance.now(), why });
      });
    }
  }

  /** Waits until so many more messages have been taken. */
  async goesOn(messages: number): Promise<void> {
    const before = this.crowd.acknowledged;
    await until(() => this.crowd.acknowledged >= before + messages, {
      what: `${messages} more messages to be taken`,
      deadlineMs: 60_000,
      state: () => `${this.crowd.acknowledged - before} were`,
    });
  }

  /**
   * Has `disturb` done, and expects that no client connected more often meanwhile than `reconnectsMax`
   * says. Returns how many of them did.
   */
  async over(disturb: () => Promise<void>, reconnectsMax: number): Promise<number> {
    const since = performance.now();
    await disturb();
    await this.goesOn(200);
    await this.crowd.allConnected();
    const reconnects = this.crowd.reconnectsSince(since).map((moments) => moments.length);
    expect(Math.max(...reconnects), this.#storyOf(reconnects, since)).toBeLessThanOrEqual(reconnectsMax);
    return reconnects.filter((count) => count > 0).length;
  }

  /** What became of the clients that connected most often. */
  #storyOf(reconnects: readonly number[], since: number): string {
    const most = Math.max(...reconnects);
    const worst = this.crowd.members.filter((_member, index) => reconnects[index] === most).slice(0, 5);
    return worst
      .map(({ number, connectedAt }) => {
        const drops = this.#drops.filter((drop) => drop.number === number && drop.atMs > since);
        const connects = connectedAt.filter((at) => at > since).map((at) => Math.round(at - since));
        const told = drops.map(({ atMs, why }) => `${Math.round(atMs - since)} ms ${why}`);
        return `client ${number}: connected at ${connects.join(", ")} ms; lost at ${told.join("; ")}`;
      })
      .join("\n");
  }

  /** Ends the talk, waits for all that has to come, and expects that nothing was lost or came twice. */
  async end(): Promise<void> {
    await this.crowd.settle();
    expect(this.crowd.verdict()).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  }
}

/** Ends nodes as a process manager does, all at once; expects that they let their clients go in order. */
export async function drain(nodes: readonly Child[]): Promise<void> {
  for (const node of nodes) node.signal("SIGTERM");
  const exits = await Promise.all(nodes.map((node) => node.exited(60_000)));
  expect(exits.map(({ code }) => code)).toEqual(nodes.map(() => 0));
}
