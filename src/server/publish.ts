/** `publish`: `emit` that resolves to a receipt, on servers, namespaces, rooms and sockets. */

import { Namespace, type Server, Socket } from "socket.io";
import type { Receipt } from "../store/port.ts";
import type { DeliveryNode } from "./delivery-node.ts";

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
  define(operator, function (this: Operator, args) {
    return publishTo(this.adapter.nsp, [...this.rooms], [...this.exceptRooms], args);
  });
  define(Namespace.prototype, function (this: Namespace, args) {
    return publishTo(this, [], [], args);
  });
  define(Socket.prototype, function (this: Socket, args) {
    return publishTo(this.nsp, [this.id], [], args);
  });
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
  const node = nodes.get(namespace.server);
  if (node === undefined) throw new Error("publish() needs a server made by Holdfast");
  const receipts = await node.namespace(namespace.name).publish({ rooms, except, args, kind: "published" });
  return receipts[0] as Receipt;
}
