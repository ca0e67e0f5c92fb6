/**
 * `delivery` on namespaces and sockets, and `publish`: `emit` that resolves to a receipt, on servers,
 * namespaces, rooms and sockets.
 */

import { Namespace, Server, Socket } from "socket.io";
import type { Receipt } from "../store/port.ts";
import { Delivery, SocketDelivery } from "./delivery.ts";
import type { DeliveryNode } from "./delivery-node.ts";
import { Session } from "./session.ts";

const nodes = new WeakMap<object, DeliveryNode>();

export function rememberNode(server: object, node: DeliveryNode): void {
  nodes.set(server, node);
}

type Operator = {
  readonly rooms: ReadonlySet<string>;
  readonly exceptRooms: ReadonlySet<string>;
  readonly adapter: { readonly nsp: Namespace };
};

/** Adds `publish` to Socket.IO's own prototypes, once per process; on a stock server it throws. */
export function installPublish(server: Server): void {
  const operator = server.sockets.to("holdfast").constructor.prototype as object;
  installDelivery();
  define(operator, function (this: Operator, args) {
    return publishTo(this.adapter.nsp, [...this.rooms], [...this.exceptRooms], args);
  });
  define(Server.prototype, function (this: Server, args) {
    return publishTo(this.sockets, [], [], args);
  });
  define(Namespace.prototype, function (this: Namespace, args) {
    return publishTo(this, [], [], args);
  });
  define(Socket.prototype, function (this: Socket, args) {
    return publishTo(this.nsp, [this.id], [], args);
  });
}

/** Adds the `delivery` properties of namespaces and sockets. */
function installDelivery(): void {
  const of = (target: object, make: () => object) => {
    let delivery = deliveries.get(target);
    if (delivery === undefined) {
      delivery = make();
      deliveries.set(target, delivery);
    }
    return delivery;
  };
  const get = (prototype: object, getter: (this: never) => object) => {
    if (Object.hasOwn(prototype, "delivery")) return;
    Object.defineProperty(prototype, "delivery", { configurable: true, get: getter });
  };
  get(Namespace.prototype, function (this: Namespace) {
    return of(this, () => new Delivery(nodeOf(this), this.name));
  });
  get(Socket.prototype, function (this: Socket & { deliverySession?: unknown }) {
    const { deliverySession: session } = this;
    return of(this, () => new SocketDelivery(session instanceof Session ? session : undefined));
  });
}

const deliveries = new WeakMap<object, object>();

function nodeOf(namespace: Namespace): DeliveryNode {
  const node = nodes.get(namespace.server);
  if (node === undefined) throw new Error("delivery needs a server made by Holdfast");
  return node;
}

function define<T>(prototype: object, publish: (this: T, args: unknown[]) => Promise<Receipt>): void {
  if (Object.hasOwn(prototype, "publish")) return;
  Object.defineProperty(prototype, "publish", {
    configurable: true,
    writable: true,
    value(this: T, ...args: unknown[]) {
      return publish.call(this, args);
    },
  });
}

/** Async, so that what cannot be sent rejects like what cannot be stored. */
async function publishTo(
  namespace: Namespace,
  rooms: readonly string[],
  except: readonly string[],
  args: readonly unknown[],
): Promise<Receipt> {
  const receipts = await nodeOf(namespace)
    .namespace(namespace.name)
    .publish({ rooms, except, args, kind: "published" });
  return receipts[0] as Receipt;
}
