/**
 * Letting clients go, in order and spread over time: no new connections, then batch by batch each session's
 * handlers finish, its client is told when to come back, and its connection closes.
 *
 * Nobody is lost by it: what a client sends meanwhile is not taken, and comes again with its next connection.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server } from "socket.io";
import { serverFrame } from "../protocol/frames.ts";
import { Session } from "./session.ts";
import { type Engine, type HoldfastSocket, shutDown } from "./socket-io.ts";

export type DrainOptions = {
  /** Connections that are let go together. More, when there are too many for `withinMs`. Default 25. */
  readonly batchSize?: number;
  /** Between two batches. Default 250 ms. */
  readonly batchIntervalMs?: number;
  /** All connections have been let go after so long. Default 10 s. */
  readonly withinMs?: number;
  /** A handler that takes longer is not waited for; its event runs again elsewhere. Default 10 s. */
  readonly handlersTimeoutMs?: number;
};

type Letting = Required<DrainOptions>;

/** Refuses every new Engine.IO connection with 503 and the time to come back; existing ones go on. */
export function refuseConnections(server: Server): void {
  const { engine } = server as unknown as { engine?: EngineServer };
  // A server that is closed before it listens has no engine.
  engine?.use((request, response, next) => {
    if (request._query?.["sid"] !== undefined) next();
    else if (request.headers.upgrade === undefined) response.writeHead(503, refusal).end();
    else {
      const head = Object.entries(refusal).map(([name, value]) => `${name}: ${value}\r\n`);
      request.socket.end(`HTTP/1.1 503 Service Unavailable\r\n${head.join("")}\r\n`);
    }
  });
}

/**
 * Lets connections of the server go. `socketsOf` returns the sockets that live on one. Resolves when every
 * connection has been told to close.
 */
export async function letClientsGo(
  clients: readonly Engine[],
  socketsOf: (client: Engine) => readonly HoldfastSocket[],
  options: DrainOptions,
): Promise<void> {
  const letting: Letting = { ...defaults, ...options };
  const batches = batchesOf(clients.toSorted(byTransport), letting);
  const leaving: Promise<void>[] = [];
  for (const [index, batch] of batches.entries()) {
    if (index > 0) await pause(letting.batchIntervalMs);
    for (const client of batch) leaving.push(letGo(client, socketsOf(client), letting));
  }
  await Promise.all(leaving);
}

async function letGo(client: Engine, sockets: readonly HoldfastSocket[], letting: Letting): Promise<void> {
  // A stock client's socket has none.
  const sessions = sockets.flatMap(({ deliverySession: session }) =>
    session instanceof Session ? [session] : [],
  );
  for (const session of sessions) session.quiesce();
  const deadline = performance.now() + letting.handlersTimeoutMs;
  while (sessions.some(({ running }) => running > 0) && performance.now() < deadline)
    await pause(lookIntervalMs);
  // Spread over the interval, so that a batch does not come back as one.
  const reconnectInMs = Math.round(Math.random() * letting.batchIntervalMs);
  for (const { connection } of sessions) {
    if (connection?.socket.conn !== client) continue;
    connection.queue(serverFrame.drain(reconnectInMs));
    connection.flush();
  }
  shutDown(sockets);
  client.close();
}

/** As many as asked for at a time, or as many as it takes to be through in time. */
function batchesOf(clients: readonly Engine[], { batchSize, batchIntervalMs, withinMs }: Letting) {
  const batchesMax = Math.max(1, Math.floor(withinMs / Math.max(1, batchIntervalMs)));
  const size = Math.max(batchSize, Math.ceil(clients.length / batchesMax));
  const batches: Engine[][] = [];
  for (let start = 0; start < clients.length; start += size) batches.push(clients.slice(start, start + size));
  return batches;
}

/** Polling clients first: they may take a poll's time to hear of it. */
function byTransport(left: Engine, right: Engine): number {
  const rank = ({ transport }: Engine) => (transport.name === "polling" ? 0 : 1);
  return rank(left) - rank(right);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export const handlersTimeoutMsDefault = 10_000;
/** 100 a second and process: what one server that starts can admit without falling behind. */
const defaults: Letting = {
  batchSize: 25,
  batchIntervalMs: 250,
  withinMs: 10_000,
  handlersTimeoutMs: handlersTimeoutMsDefault,
};
const lookIntervalMs = 10;
/** Whoever asks again after a second finds the process that takes over, in all shipped deployments. */
const refusal = { "retry-after": "1", "content-length": "0", connection: "close" };

type EngineServer = {
  use(
    middleware: (
      request: IncomingMessage & { readonly _query?: Record<string, string | undefined> },
      response: ServerResponse,
      next: () => void,
    ) => void,
  ): void;
};
