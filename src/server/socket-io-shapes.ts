/**
 * The shapes of Socket.IO's internals that `socket-io.ts` works on, private members included, as far as it
 * does. Types only; `socket-io.test.ts` holds them against the real thing.
 */

import type { HoldfastSocket } from "./socket-io.ts";

/** What Holdfast adds to a stock socket. `undefined` session: a stock client, with stock guarantees. */
export type SocketSession = {
  readonly token: string;
  /** The welcome as a JSON value, sent inside the CONNECT packet. */
  readonly welcome: unknown;
  handleFrames(values: readonly unknown[]): void;
  handleConnected(): void;
  /** The socket got a listener, which an event may have been waiting for. */
  handleListener(): void;
  /** The socket got a listener for what is emitted to it. */
  handleOutgoingListener(socket: HoldfastSocket): void;
  handleClosed(socket: HoldfastSocket): void;
  /** The socket will be disconnected in a moment, and gets nothing that is emitted from now on. */
  handleLeaving(): void;
  handleKicked(): void;
  emitFromSocket(socket: HoldfastSocket, args: unknown[], flags: EmitFlags): void;
  join(rooms: readonly string[], options: unknown): Promise<void>;
};

export type EmitFlags = {
  readonly timeout?: number;
  readonly volatile?: boolean;
  readonly compress?: boolean;
};

/** A connection of Engine.IO. */
export type Engine = {
  readonly id: string;
  readonly readyState: string;
  readonly transport: { readonly name: string; readonly writable: boolean };
  readonly writeBuffer: readonly unknown[];
  write(data: string, options: object): void;
  close(discard?: boolean): void;
  once(event: "drain", listener: () => void): void;
  on(event: "heartbeat" | "upgrade", listener: () => void): void;
  off(event: "heartbeat" | "upgrade", listener: () => void): void;
  setMaxListeners(count: number): void;
};

export type Packet = { type: number; nsp?: string; id?: number; data?: unknown };

export type StockClient = {
  readonly conn: Engine;
  _remove(socket: unknown): void;
  _packet(packet: Packet, options?: object): void;
};

export type StockNamespace = {
  readonly name: string;
  readonly sockets: Map<string, HoldfastSocket>;
  readonly _preConnectSockets: Map<string, HoldfastSocket>;
  _add(client: StockClient, auth: Record<string, unknown>, done?: (socket: unknown) => void): Promise<void>;
  _remove(socket: unknown): void;
  _doConnect(socket: HoldfastSocket, done?: (socket: unknown) => void): void;
  run(socket: HoldfastSocket, done: (error: (Error & { data?: unknown }) | null | undefined) => void): void;
};

/** What the subclass needs of `Socket`, private members included. */
export interface StockSocket {
  id: string;
  data: Record<string, unknown>;
  recovered: boolean;
  connected: boolean;
  pid: string | undefined;
  flags: EmitFlags;
  readonly rooms: Set<string>;
  readonly acks: Map<number, (...args: unknown[]) => void>;
  readonly nsp: StockNamespace;
  readonly client: StockClient;
  readonly conn: Engine;
  run(event: unknown[], done: (error?: Error) => void): void;
  on(event: string, listener: (...args: never[]) => void): this;
  addListener(event: string, listener: (...args: never[]) => void): this;
  prependListener(event: string, listener: (...args: never[]) => void): this;
  onAny(listener: (...args: never[]) => void): this;
  prependAny(listener: (...args: never[]) => void): this;
  onAnyOutgoing(listener: (...args: never[]) => void): this;
  prependAnyOutgoing(listener: (...args: never[]) => void): this;
  listenersAnyOutgoing(): unknown[];
  once(event: string, listener: (...args: never[]) => void): this;
  off(event: string, listener: (...args: never[]) => void): this;
  listenersAny(): ((...args: unknown[]) => void)[];
  emit(event: string, ...args: unknown[]): boolean;
  join(rooms: string | readonly string[], options?: unknown): Promise<void> | void;
  disconnect(close?: boolean): this;
  packet(packet: Packet, options?: object): void;
  onevent(packet: Packet): void;
  notifyOutgoingListeners(packet: Packet): void;
  _onconnect(): void;
  _onclose(reason: string, description?: unknown): unknown;
  _cleanup(): void;
  _error(error: { message: string; data?: unknown }): void;
  _onerror(error: Error): void;
}

export type PreviousSession = {
  sid: string;
  pid: string;
  rooms: string[];
  data: Record<string, unknown>;
  missedPackets: never[];
};
