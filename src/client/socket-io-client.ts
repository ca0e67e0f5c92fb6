/**
 * Everything of socket.io-client 4.8 that is not its public API and that Holdfast touches;
 * `socket-io-client.test.ts` is the contract, and fails by name when one of these internals moves.
 */

import { Manager as StockManager, type ManagerOptions, Socket as StockSocket } from "socket.io-client";

export type Packet = {
  type: number;
  nsp?: string;
  id?: number;
  data?: unknown;
  options?: { compress?: boolean };
};

export type EngineSocket = {
  readonly readyState: string;
  readonly transport?: { readonly writable: boolean };
  write(data: string, options?: object): void;
  close(): void;
  _hasPingExpired(): boolean;
  once(event: "close", listener: () => void): void;
  emit(event: "error", error: Error): void;
};

export type ManagerInternals = {
  readonly engine: EngineSocket | undefined;
  readonly opts: Partial<ManagerOptions> & { parser?: unknown };
  readonly nsps: Record<string, unknown>;
  _autoConnect: boolean;
  readonly _readyState: string;
  open(done?: (error?: Error) => void): unknown;
  reconnectionDelay(ms: number): unknown;
  reconnectionDelay(): number;
  randomizationFactor(factor: number): unknown;
  randomizationFactor(): number;
  once(event: string, listener: () => void): void;
};

type Flags = { timeout?: number; volatile?: boolean; compress?: boolean };

interface SocketInternals {
  id: string | undefined;
  connected: boolean;
  recovered: boolean;
  auth: unknown;
  flags: Flags;
  readonly nsp: string;
  readonly io: ManagerInternals;
  readonly active: boolean;
  readonly _opts: { auth?: unknown; ackTimeout?: number; retries?: number };
  _pid: string | undefined;
  connect(): this;
  disconnect(): this;
  emit(event: string, ...args: unknown[]): this;
  emitWithAck(event: string, ...args: unknown[]): Promise<unknown>;
  emitEvent(args: unknown[]): void;
  packet(packet: Packet): void;
  onpacket(packet: Packet): void;
  onconnect(id: string, pid: string | undefined): void;
  onclose(reason: string, description?: unknown): void;
  notifyOutgoingListeners(packet: Packet): void;
  _sendConnectPacket(data: Record<string, unknown> | undefined): void;
}

/** socket.io-client's `Socket` with its private members visible. */
export const SocketBase = StockSocket as unknown as new (
  manager: ManagerInternals,
  namespace: string,
  options: object | undefined,
) => SocketInternals;

/** socket.io-client's `Manager`; `socket()` is overridden to make sockets that deliver. */
export const ManagerBase = StockManager as unknown as new (
  uri: string,
  options: object,
) => ManagerInternals & { socket(namespace: string, options?: object): unknown };

/** Types of Socket.IO packets (`PacketType` of socket.io-parser). */
export const packetConnect = 0;
export const packetEvent = 2;
export const packetConnectError = 4;

const returning = new WeakSet<ManagerInternals>();

/**
 * The server has chosen our moment, so that not everyone comes back at once; only the next attempt obeys it.
 */
export function reconnectOnceIn(manager: ManagerInternals, delayMs: number): void {
  const [ownDelayMs, ownFactor] = [manager.reconnectionDelay(), manager.randomizationFactor()];
  manager.reconnectionDelay(Math.max(1, delayMs));
  manager.randomizationFactor(0);
  // Told twice, the delay that is set is the server's, and the application's own is already remembered.
  if (returning.has(manager)) return;
  returning.add(manager);
  manager.once("reconnect_attempt", () => {
    returning.delete(manager);
    manager.reconnectionDelay(ownDelayMs);
    manager.randomizationFactor(ownFactor);
  });
}
