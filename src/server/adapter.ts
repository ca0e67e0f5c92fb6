/**
 * The durable adapter: it decorates the adapter of the deployment, which keeps doing `fetchSockets`,
 * `serverSideEmit`, `disconnectSockets` and volatile broadcasts, and takes over what has to be stored.
 */

import type { Namespace } from "socket.io";
import { Adapter, type BroadcastOptions } from "socket.io-adapter";
import { SessionAdmission } from "./admission.ts";
import type { DeliveryNode } from "./delivery-node.ts";
import { NamespaceDelivery } from "./namespace-delivery.ts";
import { askStock, interceptConnections } from "./socket-io.ts";

/** An adapter class, or a function that makes one, as Socket.IO's `adapter` option takes it. */
export type AdapterMaker = (new (namespace: Namespace) => Adapter) | ((namespace: Namespace) => Adapter);

/** Returns what Socket.IO calls with `new` for every namespace. */
export function durableAdapter(
  node: DeliveryNode,
  base: AdapterMaker = Adapter,
): new (
  nsp: Namespace,
) => Adapter {
  const make = function (namespace: Namespace): Adapter {
    const adapter = Reflect.construct(base, [namespace]) as Adapter;
    decorate(node, namespace, adapter);
    return adapter;
  };
  return make as unknown as new (
    nsp: Namespace,
  ) => Adapter;
}

function decorate(node: DeliveryNode, namespace: Namespace, adapter: Adapter): void {
  const localRooms = { addAll: adapter.addAll.bind(adapter), del: adapter.del.bind(adapter) };
  const delivery = new NamespaceDelivery(node, namespace, localRooms);
  node.addNamespace(delivery);
  interceptConnections(namespace, new SessionAdmission(delivery));

  delivery.fanOut.watchNamespace();
  adapter.on("create-room", (room: string) => delivery.fanOut.watchRoom(room));
  adapter.on("delete-room", (room: string) => delivery.fanOut.unwatchRoom(room));

  const { broadcast, broadcastWithAck, delSockets, addSockets, serverCount } = adapter;
  /** Socket.IO asks how many servers count their clients right after each broadcast with a callback. */
  let asked: "stored" | "transient" | undefined;
  adapter.broadcast = (packet: { data: unknown[] }, options) => {
    if (isTransient(options)) return broadcast.call(adapter, packet, options);
    delivery.emit({ rooms: [...options.rooms], except: [...(options.except ?? [])], args: packet.data });
  };
  adapter.broadcastWithAck = (packet: { data: unknown[] }, options, clientCount, ack) => {
    const stored = !isTransient(options);
    if (stored)
      requestAll(delivery, adapter, packet.data, options, clientCount, ack as (value: unknown) => void);
    else broadcastWithAck.call(adapter, packet, options, clientCount, ack);
    asked = stored ? "stored" : "transient";
  };
  adapter.serverCount = () => {
    const about = asked;
    asked = undefined;
    // One counts for all of them: see `requestAll`.
    if (about === "stored") return Promise.resolve(1);
    const counting = serverCount.call(adapter);
    // It does not look at a failure. As many servers as no number never count, and the callback's time runs
    // out.
    return about === "transient" ? counting.catch(() => Number.NaN) : counting;
  };
  adapter.addAll = (id, rooms) => {
    if (!delivery.sessions.has(id))
      for (const room of rooms) delivery.fanOut.stock.handleChange(id, room, true);
    return localRooms.addAll(id, rooms);
  };
  adapter.del = (id, room) => {
    const session = delivery.sessions.get(id);
    if (session === undefined) {
      delivery.fanOut.stock.handleChange(id, room, false);
      return localRooms.del(id, room);
    }
    return delivery.rooms.leave(session, room);
  };
  adapter.addSockets = (options, rooms) => {
    delivery.rooms.enroll({ rooms: [...options.rooms], except: [...(options.except ?? [])] }, rooms);
    addSockets.call(adapter, options, rooms);
    for (const session of delivery.sessions.values()) {
      if (!session.connected && matches(session.rooms, options))
        void session.join(rooms).catch(() => undefined);
    }
  };
  adapter.delSockets = (options, rooms) => {
    delSockets.call(adapter, options, rooms);
    delivery.rooms.withdraw({ rooms: [...options.rooms], except: [...(options.except ?? [])] }, rooms);
  };
}

/** Volatile events may be lost, and local ones are for this process alone: neither is stored. */
function isTransient(options: BroadcastOptions): boolean {
  const { flags } = options;
  return flags?.volatile === true || flags?.local === true;
}

/**
 * A broadcast that asks for replies: those who are connected now are counted, and may reply after a
 * reconnect.
 */
function requestAll(
  delivery: NamespaceDelivery,
  adapter: Adapter,
  args: unknown[],
  options: BroadcastOptions,
  clientCount: (count: number) => void,
  ack: (value: unknown) => void,
): void {
  const timeoutMs = options.flags?.timeout ?? broadcastTimeoutMs;
  const { sockets: stockSockets } = delivery.fanOut.stock;
  const name = delivery.node.replies.wait(
    "",
    (error, [value]) => error === undefined && ack(value),
    timeoutMs,
  );
  const here = new Set<string>();
  adapter["apply"](options, (socket: Parameters<typeof stockSockets.has>[0]) => {
    here.add(socket.id);
    if (!stockSockets.has(socket)) return;
    askStock(socket, [...args], ack);
  });
  // Those of other servers are waited for as well: without them the callback would be told that all have
  // replied.
  adapter.fetchSockets(options).then(
    (sockets) => clientCount(here.size + sockets.filter(({ id }) => !here.has(id)).length),
    () => undefined,
  );
  const except = [...(options.except ?? [])];
  delivery.emit({ rooms: [...options.rooms], except, args, request: name });
}

function matches(rooms: ReadonlySet<string>, options: BroadcastOptions): boolean {
  for (const room of options.except ?? []) if (rooms.has(room)) return false;
  if (options.rooms.size === 0) return true;
  for (const room of options.rooms) if (rooms.has(room)) return true;
  return false;
}

/**
 * Socket.IO's own broadcasts with a callback always have a timeout; this bounds the ones that should not
 * exist.
 */
const broadcastTimeoutMs = 60_000;
