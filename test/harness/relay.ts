/**
 * A TCP relay on loopback between clients and one server: the link that a test can cut, reset, silence on one
 * side, slow down and refuse, while both ends keep their own sockets.
 */

import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { Lane } from "./lane.ts";
import type { Owner } from "./owner.ts";
import { until } from "./until.ts";

/** Starts a relay to `target`; it listens on a free port, and closes with its owner. */
export async function startRelay(owner: Owner, target: RelayTarget): Promise<Relay> {
  const relay = new Relay(target);
  await relay.listen();
  owner.onTestFailed(() => console.error(`--- relay to port ${target.port}: ${relay.report()}`));
  owner.onTestFinished(() => relay.close());
  return relay;
}

export class Relay {
  /** What happens to connections from now on; the existing ones stay as they are. See `Admission`. */
  admission: Admission = "pass";
  /** Shapes both lanes of connections from now on: latency in one direction, and bytes per second. */
  shape: Shape = {};
  /** Decides instead of `shape`, by how many connections there were before. */
  shapeOf: ((count: number) => Shape) | undefined;
  /** All connections so far, oldest first, the closed ones included. */
  readonly connections: RelayConnection[] = [];
  /** Where it sends new connections; change it to move clients to another server. */
  target: RelayTarget;
  #port = 0;
  #listener: Server | undefined;
  #refusals = 0;

  constructor(target: RelayTarget) {
    this.target = target;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * Connections that were reset at once because of the admission. Refused ones are not seen, so not counted.
   */
  get refusals(): number {
    return this.#refusals;
  }

  get open(): RelayConnection[] {
    return this.connections.filter((connection) => connection.open);
  }

  get bytesToServer(): number {
    return this.connections.reduce((sum, connection) => sum + connection.toServer.bytes, 0);
  }

  get bytesToClient(): number {
    return this.connections.reduce((sum, connection) => sum + connection.toClient.bytes, 0);
  }

  /** The newest connection that still is one at both ends. */
  get latest(): RelayConnection {
    const connection = this.open.at(-1);
    if (connection === undefined) throw new Error(`The relay has no open connection: ${this.report()}`);
    return connection;
  }

  /** Listens, on the port that it had before if it had one: what a client finds again after `refuse`. */
  async listen(): Promise<void> {
    if (this.#listener !== undefined) return;
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#admit(client));
    await new Promise<void>((resolve, reject) => {
      listener.once("error", reject);
      listener.listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (listener.address() as AddressInfo).port;
    this.#listener = listener;
  }

  /** From now on connecting fails with ECONNREFUSED; existing connections stay. `listen` ends it. */
  refuse(): void {
    // Node closes the listening descriptor at once; its callback would wait for the connections.
    this.#listener?.close();
    this.#listener = undefined;
  }

  /** Resets every open connection at both ends. */
  resetAll(): void {
    for (const connection of this.open) connection.reset();
  }

  /** Waits for the connection number `count` (from 1) to be accepted. */
  async accepted(count: number, deadlineMs = 10_000): Promise<RelayConnection> {
    const state = (): string => this.report();
    return await until(() => this.connections[count - 1], {
      deadlineMs,
      what: `connection ${count} of the relay`,
      state,
    });
  }

  /** Ends the relay and every socket of it, those of half-open links included. */
  close(): void {
    this.refuse();
    for (const connection of this.connections) connection.reset();
  }

  report(): string {
    const lines = this.connections.map((connection, index) => `${index + 1} ${connection.report()}`);
    return `${this.open.length} open of ${this.connections.length}; ${lines.slice(-5).join("; ")}`;
  }

  get #nextShape(): Shape {
    return this.shapeOf?.(this.connections.length) ?? this.shape;
  }

  #admit(client: Socket): void {
    if (this.admission === "reset") {
      this.#refusals += 1;
      client.on("error", () => undefined).resetAndDestroy();
      return;
    }
    const server = createConnection({
      port: this.target.port,
      host: this.target.host ?? "127.0.0.1",
      allowHalfOpen: true,
    });
    server.setNoDelay(true);
    const connection = new RelayConnection(client, server, this.#nextShape);
    if (this.admission === "silent") connection.hold();
    this.connections.push(connection);
  }
}

/** One link: the client's socket, the server's socket, and a lane in each direction. */
export class RelayConnection {
  readonly toServer: Lane;
  readonly toClient: Lane;
  readonly #client: Socket;
  readonly #server: Socket;

  constructor(client: Socket, server: Socket, shape: Shape) {
    this.#client = client;
    this.#server = server;
    this.toServer = new Lane(client, server, {
      delayMs: shape.toServerDelayMs,
      bytesPerSecond: shape.toServerBytesPerSecond,
    });
    this.toClient = new Lane(server, client, {
      delayMs: shape.toClientDelayMs,
      bytesPerSecond: shape.toClientBytesPerSecond,
    });
  }

  /** True while both ends have a socket. A half-open link is not open. */
  get open(): boolean {
    return this.clientOpen && this.serverOpen;
  }

  get clientOpen(): boolean {
    return !this.#client.destroyed;
  }

  get serverOpen(): boolean {
    return !this.#server.destroyed;
  }

  /**
   * Goes silent: both sockets stay open, nothing more is forwarded, neither data nor the end of a connection.
   * One lane alone is silenced by `connection.toServer.hold()`, which makes a link that works in one
   * direction.
   */
  hold(): void {
    this.toServer.hold();
    this.toClient.hold();
  }

  /** Forwards what was held, and goes on, as a link does whose packets get through again. */
  release(): void {
    this.toServer.release();
    this.toClient.release();
  }

  /** Resets both ends: client and server learn at once (RST). */
  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  /**
   * Makes the link half-open: the client's end is reset, and the server is never told. What was under way is
   * gone; what the server writes from now on goes nowhere, and nothing tells it so.
   */
  resetClient(): void {
    this.hold();
    this.#client.resetAndDestroy();
  }

  /** The other way round: the server's end is reset, and the client is never told. */
  resetServer(): void {
    this.hold();
    this.#server.resetAndDestroy();
  }

  report(): string {
    const state = (open: boolean): string => (open ? "open" : "closed");
    const ends = `client ${state(this.clientOpen)}, server ${state(this.serverOpen)}`;
    return `${ends}, to server ${this.toServer.report()}, to client ${this.toClient.report()}`;
  }
}

// --- types ---

export type RelayTarget = { readonly port: number; readonly host?: string };

/**
 * `pass`: connect through. `reset`: accept and reset at once. `silent`: accept and never forward a byte, as a
 * firewall that drops does after the handshake; `release` of the connection ends it. Refusing is
 * `Relay.refuse`.
 */
export type Admission = "pass" | "reset" | "silent";

export type Shape = {
  readonly toServerDelayMs?: number;
  readonly toClientDelayMs?: number;
  readonly toServerBytesPerSecond?: number;
  /** A client that reads slowly, seen from the server: its socket takes no more than this. */
  readonly toClientBytesPerSecond?: number;
};
