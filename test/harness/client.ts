/**
 * A client under test in the test's own process: stock or Holdfast, with a record of what the application
 * saw.
 */

import type { ManagerOptions, Socket, SocketOptions } from "socket.io-client";
import type { Owner } from "./owner.ts";
import type { Introduction, RoomEntry, Work, WorkReply } from "./server-program.ts";
import type { Kind } from "./server.ts";
import { eventually, until } from "./until.ts";

/** Connects, and resolves at the first `connect`. It is closed with its owner. */
export async function openClient(
  owner: Owner,
  kind: Kind,
  url: string,
  options: ClientOptions,
): Promise<TestClient> {
  const { io } = kind === "Holdfast" ? await import("holdfast/client") : await import("socket.io-client");
  const { name, rooms = [], principal } = options;
  const auth: Introduction = { name, rooms, ...(principal === undefined ? {} : { principal }) };
  const socket = io(url, {
    forceNew: true,
    // One connection is one TCP connection, so that a test can say what happens to it.
    transports: ["websocket"],
    reconnectionDelay: 50,
    reconnectionDelayMax: 100,
    auth: { ...auth },
    ...options.socket,
  });
  const client = new TestClient(name, socket);
  owner.onTestFailed(() => console.error(client.report()));
  owner.onTestFinished(() => client.close());
  await client.connected();
  return client;
}

export class TestClient {
  readonly name: string;
  readonly socket: Socket;
  /** The `entry` events, in the order in which the application got them. */
  readonly entries: RoomEntry[] = [];
  readonly connects: { readonly id: string | undefined; readonly recovered: boolean }[] = [];
  readonly disconnects: string[] = [];
  /** What Holdfast reported as undeliverable; stock Socket.IO reports nothing. */
  readonly gaps: unknown[] = [];

  constructor(name: string, socket: Socket) {
    this.name = name;
    this.socket = socket;
    socket.on("entry", (entry: RoomEntry) => this.entries.push(entry));
    socket.on("connect", () => this.connects.push({ id: socket.id, recovered: Boolean(socket.recovered) }));
    socket.on("disconnect", (reason) => this.disconnects.push(reason));
    if ("delivery" in socket) (socket.delivery as GapSource).on("gap", (gap) => this.gaps.push(gap));
  }

  /** The ids received from one room, in order. */
  received(room: string): number[] {
    return this.entries.filter((entry) => entry.room === room).map((entry) => entry.id);
  }

  /** Waits until `count` entries of a room have arrived. */
  async receives(room: string, count: number, deadlineMs = 10_000): Promise<number[]> {
    const what = `${count} entries of ${room} at ${this.name}`;
    return await eventually(() => this.received(room), { count, deadlineMs, what });
  }

  /** Waits for the connect number `count`, from 1. */
  async connected(count = 1, deadlineMs = 10_000): Promise<void> {
    const state = (): string => this.report();
    await until(() => this.connects.length >= count, {
      deadlineMs,
      what: `connect ${count} of ${this.name}`,
      state,
    });
  }

  async disconnected(count = 1, deadlineMs = 10_000): Promise<void> {
    const what = `disconnect ${count} of ${this.name}`;
    await until(() => this.disconnects.length >= count, { deadlineMs, what, state: () => this.report() });
  }

  /** Emits `work` and resolves to its reply, or rejects as the client library does. */
  async work(work: Work): Promise<WorkReply> {
    return (await this.socket.emitWithAck("work", work)) as WorkReply;
  }

  /**
   * Asks the server over the same connection. When the answer is here, so is everything that the server wrote
   * to this connection before it: what has not come by then is not under way.
   */
  async roundTrip(deadlineMs = 10_000): Promise<void> {
    await this.socket.timeout(deadlineMs).emitWithAck("round trip");
  }

  close(): void {
    this.socket.disconnect();
  }

  report(): string {
    const { name, connects, disconnects, gaps } = this;
    const entries = this.entries.slice(-10).map(({ room, id }) => `${room}/${id}`);
    const { connected } = this.socket;
    return `--- client ${name}: ${JSON.stringify({ connected, connects, disconnects, gaps, entries })}`;
  }
}

// --- types ---

export type ClientOptions = {
  readonly name: string;
  /** Joined by the server's connection handler, at each connection. */
  readonly rooms?: readonly string[];
  readonly principal?: string;
  readonly socket?: Partial<ManagerOptions & SocketOptions>;
};

type GapSource = { on(event: "gap", listener: (gap: unknown) => void): unknown };
