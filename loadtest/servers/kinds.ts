/**
 * Holdfast and its controls, each set up as its documents say for several processes behind a load balancer.
 * The controls get what Holdfast has by itself: connection ids that begin with the node's name, so that the
 * same proxy configuration routes them, and a graceful end.
 */

import cluster from "node:cluster";
import { randomBytes } from "node:crypto";
import type { Server as HttpServer } from "node:http";
import type { ServerOptions as SocketIoOptions, Server as StockServer } from "socket.io";
import { markOf } from "../../src/cluster/routing.ts";
import type { Kind } from "../contract.ts";
import type { Publish } from "./speaker.ts";

/** Makes the server; the application attaches itself. */
export async function makeServer(http: HttpServer, options: ServerOptions): Promise<MadeServer> {
  switch (options.kind) {
    case "holdfast":
      return await makeHoldfast(http, options);
    case "stock":
    case "retries":
      return await makeWithChannels(http, options);
    case "csr":
      return await makeWithMemory(http, options);
    case "csr-redis":
      return await makeWithStreams(http, options);
  }
}

async function makeHoldfast(http: HttpServer, options: ServerOptions): Promise<MadeServer> {
  const { Server } = await import("holdfast");
  const { store, name, delivery = {}, inCluster = false } = options;
  const adapter = inCluster && store.startsWith("sqlite:") ? { adapter: await clusterAdapter() } : {};
  const io = new Server(http, {
    serveClient: false,
    ...(adapter as object),
    delivery: { store, node: name, ...delivery },
  });
  await io.delivery.ready;
  return {
    io: io as unknown as StockServer,
    isDurable: true,
    publish: async (room, entry) => {
      const { stream, epoch, offset, durability } = await io.to(room).publish("entry", ...entry);
      return { stream, epoch, offset, durability };
    },
    close: () => io.delivery.close(),
  };
}

/**
 * Socket.IO with the official adapter: over Redis' channels, or over those of the cluster. `retries` is a
 * matter of the client.
 */
async function makeWithChannels(http: HttpServer, options: ServerOptions): Promise<MadeServer> {
  if (options.inCluster === true)
    return await makeStock(http, options, { adapter: (await clusterAdapter()) as never });
  const { createAdapter } = await import("@socket.io/redis-adapter");
  const [publisher, subscriber] = [await connectRedis(options.redis), await connectRedis(options.redis)];
  return await makeStock(http, options, { adapter: createAdapter(publisher, subscriber) as never });
}

/**
 * Recovery in memory works with the adapter in memory alone. So the application carries its entries from node
 * to node itself, over a Redis channel, and each node emits them to its own clients.
 */
async function makeWithMemory(http: HttpServer, options: ServerOptions): Promise<MadeServer> {
  const [publisher, subscriber] = [await connectRedis(options.redis), await connectRedis(options.redis)];
  const made = await makeStock(http, options, { connectionStateRecovery: recovery });
  await subscriber.subscribe("entries", (text) => {
    const [room, ...entry] = JSON.parse(text) as [string, ...unknown[]];
    made.io.to(room).emit("entry", ...entry);
  });
  return {
    ...made,
    publish: async (room, entry) => {
      await publisher.publish("entries", JSON.stringify([room, ...entry]));
      return undefined;
    },
  };
}

async function makeWithStreams(http: HttpServer, options: ServerOptions): Promise<MadeServer> {
  const { createAdapter } = await import("@socket.io/redis-streams-adapter");
  const client = await connectRedis(options.redis, { RESP: 2 });
  return await makeStock(http, options, {
    adapter: createAdapter(client) as never,
    connectionStateRecovery: recovery,
  });
}

async function makeStock(
  http: HttpServer,
  { name, inCluster = false }: ServerOptions,
  settings: Partial<SocketIoOptions>,
): Promise<MadeServer> {
  const { Server } = await import("socket.io");
  const io = new Server(http, { serveClient: false, ...settings });
  // In a cluster also with the worker's mark, as Holdfast's have it.
  const mark = inCluster ? markOf(cluster.worker?.id ?? 0) : "";
  io.engine.generateId = () => `${name}-${mark}${randomBytes(12).toString("base64url")}`;
  return {
    io,
    isDurable: false,
    publish: async (room, entry) => void io.to(room).emit("entry", ...entry),
    close: () => io.close(),
  };
}

async function clusterAdapter() {
  const { createAdapter } = await import("@socket.io/cluster-adapter");
  return createAdapter();
}

async function connectRedis(url: string | undefined, settings: { readonly RESP?: 2 } = {}) {
  if (url === undefined) throw new Error("This control needs a Redis");
  const { createClient, createSentinel } = await import("redis");
  const [, hosts, name] = /^redis\+sentinel:\/\/([^/]+)\/(\w+)$/.exec(url) ?? [];
  const client =
    hosts === undefined || name === undefined
      ? createClient({ url, ...settings })
      : // Its methods are the same.
        (createSentinel({
          name,
          sentinelRootNodes: hosts.split(",").map((host) => placeOf(host)),
          scanInterval: 1_000,
          passthroughClientErrorEvents: true,
          ...settings,
        }) as unknown as ReturnType<typeof createClient>);
  client.on("error", () => undefined);
  return await client.connect();
}

function placeOf(address: string): { readonly host: string; readonly port: number } {
  const [host = "", port] = address.split(":");
  return { host, port: Number(port) };
}

/** As in Socket.IO's documents. */
const recovery = { maxDisconnectionDuration: 120_000, skipMiddlewares: true } as const;

// --- types ---

export type ServerOptions = {
  readonly kind: Kind;
  /** Three characters; the load balancer knows the server by them. */
  readonly name: string;
  readonly port: number;
  /** Of Holdfast. */
  readonly store: string;
  /** Of the controls. */
  readonly redis?: string;
  readonly ledger: string;
  readonly drainLeadMs: number;
  /** It is a worker of a cluster. */
  readonly inCluster?: boolean;
  readonly delivery?: Readonly<Record<string, unknown>>;
};

export type MadeServer = {
  readonly io: StockServer;
  readonly isDurable: boolean;
  readonly publish: Publish;
  /** Lets the clients go, and resolves when they have gone. */
  readonly close: () => Promise<void>;
};
