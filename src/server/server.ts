/**
 * The server: socket.io's `Server` with delivery. Everything of Socket.IO keeps its name and its meaning;
 * what is added hangs from the `delivery` option, the `delivery` properties, and `publish`.
 */

import { randomBytes } from "node:crypto";
import type { Server as HttpServer } from "node:http";
import { Server as StockServer, type ServerOptions } from "socket.io";
import { serveClientBundle } from "./client-bundle.ts";
import { type AdapterMaker, durableAdapter } from "./adapter.ts";
import { nameNodeInConnectionIds } from "./connection-ids.ts";
import type { Delivery } from "./delivery.ts";
import { DeliveryNode } from "./delivery-node.ts";
import { type DeliveryOptions, resolveOptions } from "./options.ts";
import { installPublish, rememberNode } from "./publish.ts";
import { redisAdapter } from "./redis-adapter.ts";
import { inheritSessionListeners } from "./socket-io.ts";

export type HoldfastServerOptions = Partial<ServerOptions> & { readonly delivery?: DeliveryOptions };

/** Exported as `Server`, with its types, from `types.ts`. */
export class HoldfastServer extends StockServer {
  readonly #node: DeliveryNode;

  /** @throws {TypeError} for a wrong `delivery` option, by name. */
  constructor(server?: HttpServer | number | HoldfastServerOptions, options: HoldfastServerOptions = {}) {
    const isOptions = typeof server === "object" && !("listen" in server);
    const { delivery = {}, adapter, ...stock } = isOptions ? server : options;
    refuseRecovery(stock);
    const resolved = resolveOptions(delivery, () => randomBytes(3).toString("hex").slice(0, 3));
    super({ ...halfOpenTimeouts, ...stock });
    const node = new DeliveryNode(this, resolved);
    this.#node = node;
    rememberNode(this, node);
    installPublish(this);
    inheritSessionListeners(this);
    // Only now, because the namespace "/" exists already and gets its adapter anew.
    const base = (adapter as AdapterMaker | undefined) ?? adapterOfStore(node);
    this.adapter(durableAdapter(node, base) as unknown as AdapterOption);
    if (!isOptions && server !== undefined) this.attach(server);
  }

  /** Receipts, history, figures, events and the orderly end; of the namespace "/" where it matters. */
  get delivery(): Delivery {
    return (this.sockets as unknown as { delivery: Delivery }).delivery;
  }

  override attach(server: Parameters<StockServer["attach"]>[0], options?: Partial<ServerOptions>): this {
    super.attach(server, options);
    this.#attached();
    return this;
  }

  override listen(server: Parameters<StockServer["attach"]>[0], options?: Partial<ServerOptions>): this {
    return this.attach(server, options);
  }

  /** Ends in order: handlers finish, connections close, the store commits; then Socket.IO closes. */
  override async close(done?: (error?: Error) => void): Promise<void> {
    await this.#node.close();
    await super.close(done);
  }

  #attached(): void {
    nameNodeInConnectionIds(this, this.#node.options.node);
    const { httpServer } = this as unknown as { httpServer?: HttpServer };
    if (httpServer !== undefined && this.serveClient()) serveClientBundle(httpServer, this.path());
  }
}

type AdapterOption = NonNullable<ServerOptions["adapter"]>;

/** Two recoveries of one connection would contradict each other, and Socket.IO's says more than it keeps. */
function refuseRecovery(options: Partial<ServerOptions>): void {
  if (options.connectionStateRecovery === undefined) return;
  throw new TypeError(
    "connectionStateRecovery cannot be combined with Holdfast, which always resumes. Remove the option.",
  );
}

/** Processes that share a Redis as their store reach each other through it too. */
function adapterOfStore(node: DeliveryNode): AdapterMaker | undefined {
  const bus = node.openBus();
  return bus === undefined ? undefined : redisAdapter(bus);
}

/** Half-open links are found within 8 + 6 = 14 s; Socket.IO's own 25 + 20 leave them undetected for 45 s. */
const halfOpenTimeouts = { pingInterval: 8_000, pingTimeout: 6_000 } as const;
