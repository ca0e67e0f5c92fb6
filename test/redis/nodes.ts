/** Two servers on one Redis, with clients, in the test's own process: they share nothing but that Redis. */

import type { Server as HoldfastServer } from "holdfast";
import type { Server, Socket as ServerSocket } from "socket.io";
import type { Socket as ClientSocket } from "socket.io-client";
import { next, openClient, openServer } from "../compatibility/pair.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";

/** Starts two servers; resolves when each has had an answer of the other. */
export async function openNodes(owner: Owner, store: string): Promise<[TestNode, TestNode]> {
  const nodes: [TestNode, TestNode] = [await openNode(owner, store), await openNode(owner, store)];
  await reachEachOther(nodes);
  return nodes;
}

export async function openNode(owner: Owner, store: string, options: object = {}): Promise<TestNode> {
  const { io, url } = await openServer(owner, "Holdfast", { ...options, delivery: { store } } as object);
  const node = new TestNode(owner, io, url);
  io.on("are you there", (answer: (name: string) => void) => answer("yes"));
  await node.delivery.ready;
  return node;
}

/** Subscribing takes a moment, at the start and after an outage. */
export async function reachEachOther(nodes: readonly TestNode[]): Promise<void> {
  for (const { io } of nodes) {
    let answers: unknown;
    await until(
      async () => {
        answers = await ask(io);
        return Array.isArray(answers) && answers.length === nodes.length - 1;
      },
      { what: "an answer of each other node", deadlineMs: 20_000, state: () => String(answers) },
    );
  }
}

async function ask(io: Server): Promise<unknown> {
  return await io.serverSideEmitWithAck("are you there").catch((error: unknown) => error);
}

export class TestNode {
  readonly io: Server;
  readonly errors: unknown[] = [];
  readonly url: string;
  readonly #owner: Owner;

  constructor(owner: Owner, io: Server, url: string) {
    this.#owner = owner;
    this.io = io;
    this.url = url;
    this.delivery.on("store_error", ({ error }) => this.errors.push(error));
  }

  get delivery(): HoldfastServer["delivery"] {
    return (this.io as unknown as HoldfastServer).delivery;
  }

  /** Publishes to a room; resolves when that is stored. */
  async publish(room: string, event: string, ...args: unknown[]): Promise<void> {
    await (this.io as unknown as HoldfastServer).to(room).publish(event, ...args);
  }

  /** Connects a client and has it join rooms. */
  async member(rooms: string[], kind: "Holdfast" | "stock" = "Holdfast"): Promise<Member> {
    const connection = next(this.io, "connection");
    const client = await openClient(this.#owner, kind, this.url);
    const [server] = (await connection) as [ServerSocket];
    await server.join(rooms);
    return { client, server };
  }
}

export type Member = { readonly client: ClientSocket; readonly server: ServerSocket };
