/** The package `holdfast/client`: socket.io-client that delivers, with the same signature and events. */

import type {
  ManagerOptions,
  Manager as StockManager,
  Socket as StockSocket,
  SocketOptions as StockSocketOptions,
} from "socket.io-client";
import { readAddress } from "./address.ts";
import type { ClientDelivery } from "./delivery.ts";
import { type ClientDeliveryOptions, resolveClientOptions } from "./options.ts";
import { DeliveringSocket } from "./socket.ts";
import { ManagerBase, type ManagerInternals } from "./socket-io-client.ts";

export { DeliveryError, type ErrorCode, errorCatalogue } from "../protocol/errors.ts";
export type { ClientDelivery, ClientDeliveryEvents, Gap, Settled } from "./delivery.ts";
export type { ClientDeliveryOptions, SavedPlace } from "./options.ts";

export type Options = Partial<ManagerOptions & StockSocketOptions> & {
  readonly delivery?: ClientDeliveryOptions;
  readonly forceNew?: boolean;
  readonly multiplex?: boolean;
};

// oxlint-disable-next-line typescript/no-explicit-any -- Socket.IO's own constraint and default.
type EventsMap = { [event: string]: any };

/** socket.io-client's socket with the `delivery` property. */
export type Socket<Listen extends EventsMap = EventsMap, Emit extends EventsMap = Listen> = StockSocket<
  Listen,
  Emit
> & {
  readonly delivery: ClientDelivery<Socket<Listen, Emit>>;
};

class DeliveringManager extends ManagerBase {
  /**
   * The stock manager does not notice a connection that closes between its transport's opening and the
   * handshake, and stays away until its own timeout, 20 s later.
   */
  override open(done?: (error?: Error) => void): this {
    super.open(done);
    const { engine } = this;
    engine?.once("close", () => {
      if (this.engine !== engine || this._readyState !== "opening") return;
      engine.emit("error", new Error("closed while opening"));
    });
    return this;
  }

  override socket(namespace: string, options: Options = {}): DeliveringSocket {
    const known = this.nsps[namespace] as DeliveringSocket | undefined;
    if (known !== undefined) {
      if (this._autoConnect && !known.active) known.connect();
      return known;
    }
    // The stock constructor connects at once, before there is a session to connect with.
    const autoConnect = this._autoConnect;
    this._autoConnect = false;
    const delivery = resolveClientOptions(options.delivery ?? {});
    const socket = new DeliveringSocket(this, namespace, options, delivery);
    this._autoConnect = autoConnect;
    this.nsps[namespace] = socket;
    if (autoConnect) socket.connect();
    return socket;
  }
}

/** A connection with one or more namespaces, as in socket.io-client. */
export const Manager = DeliveringManager as unknown as new (
  uri: string,
  options?: Options,
) => {
  /** In front of the stock one, so that the overloads find it first. */
  socket(namespace: string, options?: Options): Socket;
} & StockManager;

const managers = new Map<string, ManagerInternals>();

/** Connects, as socket.io-client's `io()`: with an address and options, or with options alone in a page. */
export function io<Listen extends EventsMap = EventsMap, Emit extends EventsMap = Listen>(
  address?: string | Options,
  options?: Options,
): Socket<Listen, Emit> {
  const given = typeof address === "string" ? options : (address ?? options);
  const merged: Options = { ...spreadReconnects, ...given };
  const uri = typeof address === "string" ? address : undefined;
  const read = readAddress(uri, merged.path ?? "/socket.io");
  if (read.query !== "" && merged.query === undefined) merged.query = read.queryValues;
  const shared = managers.get(read.id) as DeliveringManager | undefined;
  const taken = shared !== undefined && read.namespace in shared.nsps;
  if (merged.forceNew === true || merged.multiplex === false || taken) {
    return new DeliveringManager(read.source, merged).socket(read.namespace, merged) as unknown as Socket<
      Listen,
      Emit
    >;
  }
  const manager = shared ?? new DeliveringManager(read.source, merged);
  managers.set(read.id, manager);
  return manager.socket(read.namespace, merged) as unknown as Socket<Listen, Emit>;
}

export { io as connect, io as default };

/**
 * Full jitter from half a second on, up to 10 s: after a crash clients come back spread out. Socket.IO's own
 * 1 to 5 s with half the jitter brings everyone back within the same second.
 */
const spreadReconnects: Options = {
  reconnectionDelay: 500,
  reconnectionDelayMax: 10_000,
  randomizationFactor: 1,
};
