/**
 * Everything of Socket.IO 4.8 that is not its public API and that Holdfast touches stands in this file, and
 * `socket-io.test.ts` is the contract: it fails, by name, when one of these internals moves.
 *
 * - `Namespace#_add` is replaced, because admission to a session is asynchronous and has to come between the
 *   middlewares and the CONNECT packet, and because an older connection with the same id must survive a
 *   refusal.
 * - `Socket` is subclassed to hand frames to the session, to send the welcome inside CONNECT, and to let a
 *   socket clean up only what is its own.
 * - Packets are written as ready-made text (and ready-made WebSocket frames) to the Engine.IO connection.
 */

import { EventEmitter } from "node:events";
import { Socket, type Namespace, type Server } from "socket.io";
import { DeliveryError } from "../protocol/errors.ts";
import { frameEvent } from "../protocol/frames.ts";
import { reservedEvents } from "../protocol/reserved-events.ts";
import type {
  Engine,
  Packet,
  PreviousSession,
  SocketSession,
  StockClient,
  StockNamespace,
  StockSocket,
} from "./socket-io-shapes.ts";
import { textFrame } from "./text-frame.ts";

export type { EmitFlags, Engine, SocketSession } from "./socket-io-shapes.ts";

const Stock = Socket as unknown as new (
  namespace: StockNamespace,
  client: StockClient,
  auth: object,
  previous?: PreviousSession,
) => StockSocket;

/** Types of Socket.IO packets (`PacketType` of socket.io-parser). */
const packetConnect = 0;
export const packetEvent = 2;

export type PacketOrder = { after(run: () => void): void; afterStored(run: () => void): void };

export class HoldfastSocket extends Stock {
  /** A long name, because applications hang things of their own on sockets, and `session` is a favourite. */
  deliverySession: SocketSession | undefined;
  /** Keeps what goes out at once behind what was emitted before; set once the connection is admitted. */
  order: PacketOrder | undefined;
  #leaving = false;
  /** Joins that a middleware asked for; they take effect once the session is admitted. */
  readonly earlyJoins: { readonly rooms: readonly string[]; readonly options: unknown }[] = [];
  /** Becomes true when the session is admitted; before, nothing is emitted and no room is joined. */
  admitted = false;

  override emit(event: string, ...args: unknown[]): boolean {
    if (this.deliverySession === undefined || this.flags.volatile === true || reservedEvents.has(event)) {
      return super.emit(event, ...args);
    }
    const flags = this.flags;
    this.flags = {};
    this.deliverySession.emitFromSocket(this, [event, ...args], flags);
    return true;
  }

  override join(rooms: string | readonly string[], options?: unknown): Promise<void> | void {
    const list = typeof rooms === "string" ? [rooms] : rooms;
    if (this.deliverySession !== undefined && this.admitted) return this.deliverySession.join(list, options);
    if (this.admitted || this.connected) return super.join(list);
    this.earlyJoins.push({ rooms: list, options });
  }

  // A "newListener" listener would do the same, but Node emits that event, and a socket's `emit` refuses its
  // name.

  override on(event: string, listener: (...args: never[]) => void): this {
    super.on(event, listener);
    this.deliverySession?.handleListener();
    return this;
  }

  override addListener(event: string, listener: (...args: never[]) => void): this {
    return this.on(event, listener);
  }

  override prependListener(event: string, listener: (...args: never[]) => void): this {
    super.prependListener(event, listener);
    this.deliverySession?.handleListener();
    return this;
  }

  override onAny(listener: (...args: never[]) => void): this {
    super.onAny(listener);
    this.deliverySession?.handleListener();
    return this;
  }

  override prependAny(listener: (...args: never[]) => void): this {
    super.prependAny(listener);
    this.deliverySession?.handleListener();
    return this;
  }

  override onAnyOutgoing(listener: (...args: never[]) => void): this {
    super.onAnyOutgoing(listener);
    this.deliverySession?.handleOutgoingListener(this);
    return this;
  }

  override prependAnyOutgoing(listener: (...args: never[]) => void): this {
    super.prependAnyOutgoing(listener);
    this.deliverySession?.handleOutgoingListener(this);
    return this;
  }

  override onevent(packet: Packet): void {
    if (this.#leaving) return;
    // The parser lets an event without arguments through, not even a name.
    const data = (packet.data ?? []) as unknown[];
    if (this.deliverySession !== undefined && data[0] === frameEvent)
      this.deliverySession.handleFrames(data.slice(1));
    else super.onevent(packet);
  }

  /** What a stock client gets outside of the log: its events, answers, and the end of its connection. */
  override packet(packet: Packet, options?: object): void {
    if (this.deliverySession !== undefined || this.order === undefined) super.packet(packet, options);
    else this.order.after(() => super.packet(packet, options));
  }

  /** For what the log itself delivers. */
  packetInTurn(packet: Packet): void {
    super.packet(packet);
  }

  /** As in Socket.IO the client gets what was emitted and answered before; that takes until it is stored. */
  override disconnect(close = false): this {
    const { order, deliverySession: session } = this;
    if (!this.connected || order === undefined) return super.disconnect(close);
    if (this.#leaving) return this;
    this.#leaving = true;
    const leave = () => {
      this.order = undefined;
      if (this.connected) session?.handleKicked();
      super.disconnect(close);
    };
    if (session === undefined) order.after(leave);
    else {
      order.afterStored(() => session.handleLeaving());
      // An answer that was given just now is on its way to the store in a moment, and then to the connection.
      setImmediate(() => order.afterStored(() => setImmediate(leave)));
    }
    return this;
  }

  override _onconnect(): void {
    this.connected = true;
    void super.join(this.id);
    if (this.deliverySession === undefined) {
      this.packet({ type: packetConnect, data: { sid: this.id } });
      return;
    }
    this.packet({
      type: packetConnect,
      data: { sid: this.id, pid: this.deliverySession.token, holdfast: this.deliverySession.welcome },
    });
    this.deliverySession.handleConnected();
  }

  override _onclose(reason: string, description?: unknown): unknown {
    const { connected, deliverySession } = this;
    const result = super._onclose(reason, description);
    if (connected) deliverySession?.handleClosed(this);
    return result;
  }

  /**
   * A socket that lost its id to a newer connection, or never got it, must not take that one's rooms along.
   */
  override _cleanup(): void {
    const { nsp, id } = this;
    const holder = nsp.sockets.get(id);
    if (holder === undefined || holder === this) super._cleanup();
    if (nsp._preConnectSockets.get(id) === this) nsp._preConnectSockets.delete(id);
    this.join = () => undefined;
  }
}

/** Decides what a new connection becomes. */
export type Admission = {
  /** Before the middlewares: finds the session that the client asks for. `auth` has its secrets removed. */
  prepare(
    namespace: Namespace,
    hello: unknown,
    token: unknown,
  ): Promise<{ id: string; data: Record<string, unknown> } | undefined>;
  /**
   * After the middlewares: opens or resumes, and sets `socket.deliverySession`; throws to refuse the
   * connection.
   */
  admit(socket: HoldfastSocket): Promise<void>;
  /** The socket is connected and its handlers have run. */
  connected(socket: HoldfastSocket): void;
};

/** The hello and the token of a connection; kept out of `socket.handshake.auth`, which applications log. */
export const credentials = new WeakMap<HoldfastSocket, { readonly hello: unknown; readonly token: string }>();

/**
 * Replaces how connections enter a namespace. The flow is that of `Namespace#_add`, with admission put in.
 */
export function interceptConnections(namespace: Namespace, admission: Admission): void {
  const nsp = namespace as unknown as StockNamespace;
  nsp._add = async (client, auth, done) => {
    const { pid, offset, ...rest } = auth ?? {};
    const found = await admission.prepare(namespace, offset, pid).catch(() => undefined);
    const previous = found && { sid: found.id, pid: "", rooms: [], missedPackets: [], data: found.data };
    const socket = new HoldfastSocket(nsp, client, rest, previous);
    socket.recovered = false;
    socket.pid = undefined;
    credentials.set(socket, { hello: offset, token: typeof pid === "string" ? pid : "" });
    nsp._preConnectSockets.set(socket.id, socket);
    nsp.run(socket, (error) => {
      process.nextTick(() => {
        if (client.conn.readyState !== "open") socket._cleanup();
        else if (error) refuse(socket, error);
        else void connect(nsp, socket, admission, done);
      });
    });
  };
}

async function connect(
  nsp: StockNamespace,
  socket: HoldfastSocket,
  admission: Admission,
  done: ((socket: unknown) => void) | undefined,
): Promise<void> {
  const temporaryId = socket.id;
  try {
    await admission.admit(socket);
  } catch (error) {
    refuse(socket, error as Error & { data?: unknown });
    return;
  }
  if (nsp._preConnectSockets.get(temporaryId) === socket) nsp._preConnectSockets.delete(temporaryId);
  if (socket.conn.readyState !== "open") {
    socket.deliverySession?.handleClosed(socket);
    socket._cleanup();
    return;
  }
  socket.admitted = true;
  nsp._doConnect(socket, done);
  for (const { rooms, options } of socket.earlyJoins) void socket.join(rooms, options);
  admission.connected(socket);
}

/**
 * After CONNECT_ERROR a client does not try again by itself, which is right for a middleware's "no". A
 * failure that passes (the store is away) only closes the connection, so that the client comes back.
 */
function refuse(socket: HoldfastSocket, error: Error & { data?: unknown }): void {
  socket._cleanup();
  if (error instanceof DeliveryError && error.retryable) socket.conn.close();
  else if (socket.conn.readyState === "open") socket._error({ message: error.message, data: error.data });
}

/**
 * Takes the id away from an older connection of the same session, so that nothing it still does reaches the
 * new one. What was written to it may still arrive: if somebody lives at its other end, they learn why.
 */
export function supersede(socket: HoldfastSocket): void {
  const { conn } = socket;
  socket._onclose("transport close", "resumed by a newer connection");
  conn.close();
}

/**
 * Socket.IO hands a dynamic namespace's "connection" listeners to its children; this does it for "session".
 */
export function inheritSessionListeners(server: Server): void {
  const { parentNsps } = server as unknown as {
    parentNsps: Map<unknown, Namespace & { children: Set<Namespace> }>;
  };
  server.sockets.on(
    "new_namespace" as never,
    ((child: Namespace) => {
      for (const parent of parentNsps.values()) {
        if (!parent.children.has(child)) continue;
        for (const listener of listenersOf(parent, "session"))
          child.on("session" as never, listener as never);
      }
    }) as never,
  );
}

export function socketsOf(namespace: Namespace): HoldfastSocket[] {
  return [...(namespace as unknown as StockNamespace).sockets.values()];
}

/** Ends sockets as `io.close()` does; their clients come back to whoever listens next. */
export function shutDown(sockets: readonly HoldfastSocket[]): void {
  for (const socket of sockets) socket._onclose("server shutting down");
}

/** `emit` of a namespace sends to clients; this calls its listeners. */
export function announceOn(namespace: Namespace, event: string, ...args: unknown[]): void {
  EventEmitter.prototype.emit.call(namespace, event, ...args);
}

/** Sends a stock client what the log delivers. */
export function sendStock(socket: HoldfastSocket, args: unknown[]): void {
  const packet: Packet = { type: packetEvent, data: args };
  socket.notifyOutgoingListeners(packet);
  socket.packetInTurn(packet);
}

/** Sends a stock client an event that asks for an answer. */
export function askStock(socket: HoldfastSocket, args: unknown[], answer: (value: unknown) => void): void {
  const id = (socket.nsp as unknown as { _ids: number })._ids++;
  socket.acks.set(id, answer);
  const packet: Packet = { type: packetEvent, data: args, id };
  socket.notifyOutgoingListeners(packet);
  socket.packet(packet);
}

/**
 * Writes ready-made packet text. `options` may carry a ready-made WebSocket frame and is shared between
 * sockets.
 */
export function writeText(conn: Engine, text: string, options: object): void {
  conn.write(text, options);
}

/**
 * Options for writing `text`, with its WebSocket frame ready-made; other transports ignore the frame and take
 * the text. One buffer, where `ws` itself makes two, is one plain write instead of a corked pair.
 */
export function framedOptions(text: string): object {
  // "4" is Engine.IO's type of a message.
  return { compress: false, wsPreEncodedFrame: [textFrame(`4${text}`)] };
}

/** Text of a Socket.IO event packet that carries these frames, for the default parser. */
export function packetText(namespace: string, frames: string): string {
  return namespace === "/" ? `2["${frameEvent}",${frames}]` : `2${namespace},["${frameEvent}",${frames}]`;
}

/** A server with another parser gets its frames as values, through that parser. */
export function hasDefaultParser(server: Server): boolean {
  return (server as unknown as { opts: { parser?: unknown } }).opts.parser === undefined;
}

export function sendFramesParsed(socket: HoldfastSocket, frames: readonly unknown[]): void {
  socket.packet({ type: packetEvent, data: [frameEvent, ...frames] });
}

/** Calls the listeners of an event one by one and returns what they return, which `emit` would throw away. */
export function listenersOf(target: unknown, event: string): ((...args: unknown[]) => unknown)[] {
  const emitter = target as { rawListeners(event: string): ((...args: unknown[]) => unknown)[] };
  return emitter.rawListeners(event);
}
