/**
 * What stands in front of several trees: a load balancer that goes by the node name in the connection id, as
 * HAProxy and nginx can. A new client goes to one of the trees that are open, in turn.
 */

import { createConnection, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import type { Owner } from "../harness/owner.ts";

export class Front {
  /** Names of the trees that take new clients. */
  open: readonly string[] = [];
  /** Ports by node name. */
  readonly #ports: Readonly<Record<string, number>>;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Clients' ends of what is open to each tree. */
  readonly #links = new Map<string, Set<Socket>>();
  #turn = 0;

  static async start(owner: Owner, ports: Readonly<Record<string, number>>): Promise<Front> {
    const front = new Front(ports);
    front.open = Object.keys(ports);
    await new Promise<void>((resolve) => front.#server.listen(0, "127.0.0.1", resolve));
    owner.onTestFinished(() => front.#close());
    return front;
  }

  constructor(ports: Readonly<Record<string, number>>) {
    this.#ports = ports;
    this.#server = createServer({ noDelay: true }, (client) => {
      this.#keep(client);
      client.once("data", (head: Buffer) => this.#route(client, head));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every other connection to a tree, as a load balancer does that ends before its time. */
  cut(name: string): void {
    for (const [index, socket] of [...(this.#links.get(name) ?? [])].entries()) {
      if (index % 2 === 0) socket.resetAndDestroy();
    }
  }

  /** One connection is one request, or one WebSocket: the client in Node reuses none. */
  #route(client: Socket, head: Buffer): void {
    const [, named] = /^[A-Z]+ \S*[?&]sid=(\w{3})-/.exec(head.toString("latin1")) ?? [];
    const name = named ?? this.open[(this.#turn += 1) % this.open.length] ?? "";
    const port = this.#ports[name];
    if (port === undefined) return void client.destroy();
    const server = createConnection({ port, host: "127.0.0.1", noDelay: true });
    this.#keep(server);
    server.write(head);
    const links = this.#links.get(name) ?? new Set<Socket>();
    this.#links.set(name, links.add(client));
    client.on("close", () => links.delete(client));
    client.pipe(server).pipe(client);
    client.on("close", () => server.destroy());
    server.on("close", () => client.destroy());
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    // What breaks at one end ends at the other.
    socket.on("error", () => undefined).on("close", () => this.#sockets.delete(socket));
  }

  #close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
