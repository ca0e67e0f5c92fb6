/**
 * A server and clients in the test's own process, each stock or Holdfast: what is compared here is the API,
 * and the same body runs against every pair. Processes, faults and restarts are elsewhere.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server as HoldfastServer } from "holdfast";
import { io as holdfastIo } from "holdfast/client";
import { Server as StockServer, type ServerOptions } from "socket.io";
import {
  io as stockIo,
  type ManagerOptions,
  type Socket as ClientSocket,
  type SocketOptions,
} from "socket.io-client";
import type { Owner } from "../harness/owner.ts";
import { until, within } from "../harness/until.ts";

export const pairs: readonly Pair[] = [
  { server: "stock", client: "stock" },
  { server: "Holdfast", client: "Holdfast" },
  { server: "Holdfast", client: "stock" },
  { server: "stock", client: "Holdfast" },
];

/** Makes a server that is not listening yet; it closes with its owner. */
export function makeServer(owner: Owner, kind: Kind, options: Partial<ServerOptions> = {}): StockServer {
  const io = kind === "stock" ? new StockServer(options) : asStock(new HoldfastServer(options));
  owner.onTestFinished(() => io.close());
  return io;
}

/** Starts a server on a free port. */
export async function openServer(
  owner: Owner,
  kind: Kind,
  options: Partial<ServerOptions> = {},
): Promise<{ readonly io: StockServer; readonly url: string }> {
  const http = createServer();
  const io = makeServer(owner, kind, options);
  io.attach(http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return { io, url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` };
}

/** Makes a client, which connects at once unless told otherwise; it is closed with its owner. */
export function makeClient(owner: Owner, kind: Kind, url: string, options: ClientOptions = {}): ClientSocket {
  const io = kind === "stock" ? stockIo : (holdfastIo as unknown as typeof stockIo);
  const socket = io(url, {
    forceNew: true,
    transports: ["websocket"],
    reconnectionDelay: 10,
    reconnectionDelayMax: 20,
    ...options,
  });
  owner.onTestFinished(() => void socket.disconnect());
  return socket;
}

/** Makes a client and waits until it is connected. */
export async function openClient(
  owner: Owner,
  kind: Kind,
  url: string,
  options: ClientOptions = {},
): Promise<ClientSocket> {
  const socket = makeClient(owner, kind, url, options);
  await connected(socket);
  return socket;
}

export async function connected(socket: ClientSocket): Promise<void> {
  await until(() => socket.connected, { what: "connect", deadlineMs: 5_000 });
}

/** Resolves with the arguments of the next event of this name. */
export async function next(emitter: Emitter, event: string): Promise<unknown[]> {
  const happened = new Promise<unknown[]>((resolve) => {
    emitter.once(event, (...args: unknown[]) => resolve(args));
  });
  return await within(happened, { what: `event "${event}"`, deadlineMs: 5_000 });
}

/** Writes down every event of this name, as a list of arguments. */
export function record(emitter: Emitter, event: string): unknown[][] {
  const events: unknown[][] = [];
  emitter.on(event, (...args: unknown[]) => events.push(args));
  return events;
}

/** Waits until `events` has `count` elements, and returns them. */
export async function reaches<T>(events: T[], count: number): Promise<T[]> {
  const state = () => JSON.stringify(events);
  await until(() => events.length >= count, { what: `${count} events`, deadlineMs: 5_000, state });
  return events;
}

function asStock(server: object): StockServer {
  return server as StockServer;
}

// --- types ---

export type Kind = "stock" | "Holdfast";
export type Pair = { readonly server: Kind; readonly client: Kind };
export type ClientOptions = Partial<ManagerOptions & SocketOptions>;
type Emitter = {
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  once(event: string, listener: (...args: unknown[]) => void): unknown;
};
