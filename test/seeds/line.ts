/** A Holdfast server in the test's process, a client, and between them a line that can be cut. */

import type { Server, Session } from "holdfast";
import type { Options, Socket as ClientSocket } from "holdfast/client";
import { makeClient, openServer } from "../compatibility/pair.ts";
import type { Owner } from "../harness/owner.ts";
import { type Relay, startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";

export class Line {
  readonly io: Server;
  readonly relay: Relay;
  readonly client: ClientSocket;
  readonly sessions: Session[] = [];
  connects = 0;

  constructor(io: Server, relay: Relay, client: ClientSocket) {
    this.io = io;
    this.relay = relay;
    this.client = client;
    io.on("session", (session) => this.sessions.push(session));
    client.on("connect", () => {
      this.connects += 1;
    });
  }

  get session(): Session {
    const session = this.sessions.at(-1);
    if (session === undefined) throw new Error("no session yet");
    return session;
  }

  async connected(count: number): Promise<void> {
    await until(() => this.connects >= count && this.client.connected, { what: `connect ${count}` });
  }

  /** Cuts the line; the client may not come back before `mend`. */
  async cut(): Promise<void> {
    this.relay.refuse();
    this.relay.resetAll();
    await until(() => !this.client.connected && !this.session.connected, { what: "both sides know" });
  }

  async mend(): Promise<void> {
    const count = this.connects + 1;
    await this.relay.listen();
    await this.connected(count);
  }

  /** Cut and mended. */
  async flap(): Promise<void> {
    await this.cut();
    await this.mend();
  }
}

/** `attach` is called before the client connects. */
export async function openLine(
  owner: Owner,
  attach: (io: Server) => void,
  options: { readonly server?: object; readonly client?: Options } = {},
): Promise<Line> {
  const { io, url } = await openServer(owner, "Holdfast", options.server);
  const server = io as unknown as Server;
  attach(server);
  const relay = await startRelay(owner, { port: Number(new URL(url).port) });
  const client = makeClient(owner, "Holdfast", relay.url, { ...options.client, autoConnect: false });
  const line = new Line(server, relay, client as unknown as ClientSocket);
  line.client.connect();
  await line.connected(1);
  return line;
}
