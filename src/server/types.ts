/**
 * The public types: Socket.IO's own, with what Holdfast adds in front, so that overloads find the additions
 * first.
 */

import type { Server as HttpServer } from "node:http";
import type * as stock from "socket.io";
import type { Receipt } from "../store/port.ts";
import type { Delivery, SocketDelivery } from "./delivery.ts";
import type { JoinOptions } from "./room-memberships.ts";
import { HoldfastServer, type HoldfastServerOptions } from "./server.ts";
import type { Session } from "./session.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- Socket.IO's own constraint and default.
type Any = any;
type EventsMap = { [event: string]: Any };
type DefaultEventsMap = stock.DefaultEventsMap;
type Names<Events> = keyof Events & string;
type Arguments<Handler> = Handler extends (...args: infer Args) => unknown ? Args : never;

type Publish<Emit extends EventsMap> = <Event extends Names<Emit>>(
  event: Event,
  ...args: Arguments<Emit[Event]>
) => Promise<Receipt>;

type Rooms = string | string[];

export type BroadcastOperator<Emit extends EventsMap, SocketData> = {
  /**
   * Emits, and resolves with the receipt once the entry is stored; of the first room if there are several.
   */
  publish: Publish<Emit>;
  to(room: Rooms): BroadcastOperator<Emit, SocketData>;
  in(room: Rooms): BroadcastOperator<Emit, SocketData>;
  except(room: Rooms): BroadcastOperator<Emit, SocketData>;
} & stock.BroadcastOperator<Emit, SocketData>;

export type Socket<
  Listen extends EventsMap = DefaultEventsMap,
  Emit extends EventsMap = Listen,
  ServerSide extends EventsMap = DefaultEventsMap,
  SocketData = Any,
> = {
  publish: Publish<Emit>;
  /** Joins rooms, by default at their heads. Resolves once the membership is stored. */
  join(rooms: Rooms, options?: JoinOptions): Promise<void> | void;
  to(room: Rooms): BroadcastOperator<Emit, SocketData>;
  in(room: Rooms): BroadcastOperator<Emit, SocketData>;
  except(room: Rooms): BroadcastOperator<Emit, SocketData>;
  readonly broadcast: BroadcastOperator<Emit, SocketData>;
  readonly delivery: SocketDelivery;
} & stock.Socket<Listen, Emit, ServerSide, SocketData>;

type Additions<
  Listen extends EventsMap,
  Emit extends EventsMap,
  ServerSide extends EventsMap,
  SocketData,
  Self,
> = {
  publish: Publish<Emit>;
  to(room: Rooms): BroadcastOperator<Emit, SocketData>;
  in(room: Rooms): BroadcastOperator<Emit, SocketData>;
  except(room: Rooms): BroadcastOperator<Emit, SocketData>;
  on(event: "session", listener: (session: Session) => void): Self;
  on(
    event: "connection" | "connect",
    listener: (socket: Socket<Listen, Emit, ServerSide, SocketData>) => void,
  ): Self;
};

export type Namespace<
  Listen extends EventsMap = DefaultEventsMap,
  Emit extends EventsMap = Listen,
  ServerSide extends EventsMap = DefaultEventsMap,
  SocketData = Any,
> = Additions<Listen, Emit, ServerSide, SocketData, unknown> & {
  readonly delivery: Delivery;
} & stock.Namespace<Listen, Emit, ServerSide, SocketData>;

export type Server<
  Listen extends EventsMap = DefaultEventsMap,
  Emit extends EventsMap = Listen,
  ServerSide extends EventsMap = DefaultEventsMap,
  SocketData = Any,
> = Additions<Listen, Emit, ServerSide, SocketData, unknown> & {
  readonly delivery: Delivery;
  of(
    name: Parameters<stock.Server["of"]>[0],
    listener?: (socket: Socket<Listen, Emit, ServerSide, SocketData>) => void,
  ): Namespace<Listen, Emit, ServerSide, SocketData>;
} & stock.Server<Listen, Emit, ServerSide, SocketData>;

type ServerConstructor = new <
  Listen extends EventsMap = DefaultEventsMap,
  Emit extends EventsMap = Listen,
  ServerSide extends EventsMap = DefaultEventsMap,
  SocketData = Any,
>(
  server?: HttpServer | number | HoldfastServerOptions,
  options?: HoldfastServerOptions,
) => Server<Listen, Emit, ServerSide, SocketData>;

export const Server: ServerConstructor = HoldfastServer as unknown as ServerConstructor;
