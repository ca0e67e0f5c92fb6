/** The two ends of a link as Engine.IO knows them: a transport for its client, and one for its server. */

import { Server as EngineServer, Transport as ServerTransport } from "engine.io";
import { Transport as ClientTransport } from "engine.io-client";
import type { LinkEnd, Packet } from "./network.ts";
import type { Link } from "./network.ts";
import type { Process } from "./virtual-time.ts";

type Request = { readonly link: Link; readonly owner: Process };

/** Engine.IO's own server, with connections that come from the simulated network. */
export class SimulatedEngine extends EngineServer {
  readonly #owner: Process;
  #next = 0;

  constructor(owner: Process, options: { readonly pingInterval: number; readonly pingTimeout: number }) {
    super({ ...options, transports: ["websocket"], allowUpgrades: false });
    this.#owner = owner;
  }

  // oxlint-disable-next-line typescript/class-methods-use-this -- replaces the WebSocket server.
  override init(): void {}

  override generateId(): string {
    this.#next += 1;
    return `${this.#owner.name}-${this.#next}`;
  }

  /** A connection from the network. `refuse` is called when the server takes none. */
  accept(link: Link, refuse: () => void): void {
    const request = {
      _query: { EIO: "4", transport: "websocket" },
      headers: {},
      method: "GET",
      url: "/socket.io/",
      connection: {},
      link,
      owner: this.#owner,
    };
    const inside = this as unknown as {
      _applyMiddlewares(request: object, response: object, done: () => void): void;
      verify(request: object, upgrade: boolean, done: (code?: number) => void): void;
      handshake(transport: string, request: object, close: () => void): Promise<unknown>;
    };
    const response = { writeHead: () => response, end: refuse };
    inside._applyMiddlewares(request, response, () =>
      inside.verify(request, true, (code) => {
        if (code === undefined) void inside.handshake("websocket", request, refuse);
        else refuse();
      }),
    );
  }

  protected override createTransport(_name: string, request: unknown): ServerTransport {
    return new NodeTransport(request as Request);
  }
}

class NodeTransport extends ServerTransport {
  readonly #link: Link;
  readonly #owner: Process;

  constructor(request: Request) {
    super(request as never);
    this.#link = request.link;
    this.#owner = request.owner;
    this.writable = true;
    const end: LinkEnd = {
      owner: this.#owner,
      received: (packet) => {
        if (this.readyState === "open") this.onPacket(packet as never);
      },
      closed: () => {
        if (this.readyState !== "closed") this.onClose();
      },
    };
    this.#link.toServer.to = end;
  }

  override get name(): string {
    return "websocket";
  }

  get handlesUpgrades(): boolean {
    return true;
  }

  override send(packets: readonly Packet[]): void {
    this.writable = false;
    const carried = packets.map(({ type, data }) => ({ type, ...(data === undefined ? {} : { data }) }));
    const alive: Packet[] = [];
    for (const packet of carried) if (this.#owner.output()) alive.push(packet);
    for (const { data } of alive) if (data !== undefined) this.#link.watch?.(data);
    this.#link.toClient.send(alive, () => {
      if (this.readyState !== "open") return;
      this.emit("drain");
      this.writable = true;
      this.emit("ready");
    });
  }

  override doClose(done?: () => void): void {
    if (this.#owner.alive) {
      this.#link.toClient.end();
      this.#link.toServer.over = true;
    }
    done?.();
  }
}

/** What a page's transport asks of the world. */
export type Dialer = {
  readonly owner: Process;
  /** Calls back, a moment later, with a link that is open, or without one. */
  dial(end: LinkEnd, done: (link: Link | undefined) => void): void;
};

type ClientTransportClass = new (options: never) => ClientTransport;

/** Returns a transport class for engine.io-client that belongs to one page. */
export function pageTransport(dialer: Dialer): ClientTransportClass {
  return class PageTransport extends ClientTransport {
    #link: Link | undefined;

    override get name(): string {
      return "websocket";
    }

    override doOpen(): void {
      const end: LinkEnd = {
        owner: dialer.owner,
        received: (packet) => {
          if (this.readyState === "open") this.onPacket(packet as never);
        },
        closed: () => {
          if (this.readyState === "open" || this.readyState === "opening") this.onClose();
        },
      };
      dialer.dial(end, (link) => {
        if (this.readyState !== "opening") {
          link?.toServer.end();
          return;
        }
        this.#link = link;
        if (link === undefined) this.onError("websocket error", undefined);
        else this.onOpen();
      });
    }

    override write(packets: readonly Packet[]): void {
      this.writable = false;
      const alive: Packet[] = [];
      for (const { type, data } of packets) {
        if (dialer.owner.output()) alive.push({ type, ...(data === undefined ? {} : { data }) });
      }
      this.#link?.toServer.send(alive, () => undefined);
      process.nextTick(() => {
        this.writable = true;
        this.emitReserved("drain");
      });
    }

    override doClose(): void {
      if (this.#link === undefined) return;
      this.#link.toServer.end();
      this.#link.toClient.over = true;
      this.#link.toClient.to = undefined;
    }
  };
}
