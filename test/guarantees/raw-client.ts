/**
 * A hand-written client: it speaks Engine.IO and Socket.IO just well enough to say anything at all to the
 * server.
 */

import { WebSocket } from "ws";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";

export const goodHello = { v: [1], low: 1, next: 1, at: [] };

/**
 * Connects with this CONNECT payload, and resolves when the server has answered it or closed the connection.
 */
export async function openRaw(owner: Owner, port: number, connect?: unknown): Promise<RawClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/socket.io/?EIO=4&transport=websocket`);
  const client = new RawClient(socket);
  owner.onTestFinished(() => socket.terminate());
  await until(() => client.packets.length > 0, { what: "the handshake" });
  client.send(`40${JSON.stringify(connect ?? { offset: JSON.stringify(goodHello) })}`);
  await until(() => client.closed || client.packets.length > 1, { what: "an answer to CONNECT" });
  return client;
}

export class RawClient {
  readonly packets: string[] = [];
  closed = false;
  readonly #socket: WebSocket;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on("message", (data: Buffer) => {
      const text = data.toString("utf8");
      if (text === "2") socket.send("3");
      else this.packets.push(text);
    });
    socket.on("close", () => {
      this.closed = true;
    });
    socket.on("error", () => undefined);
  }

  send(text: string | Buffer): void {
    this.#socket.send(text);
  }

  /** Sends frames as JSON values or as text, in one packet. */
  sendFrames(...frames: readonly unknown[]): void {
    const texts = frames.map((frame) => (typeof frame === "string" ? frame : JSON.stringify(frame)));
    this.send(`42["$hf"${texts.map((text) => `,${text}`).join("")}]`);
  }

  /** All frames that the server has sent. */
  get frames(): unknown[][] {
    return this.packets
      .filter((packet) => packet.startsWith('42["$hf"'))
      .flatMap((packet) => (JSON.parse(packet.slice(2)) as unknown[]).slice(1) as unknown[][]);
  }

  /** The answer to CONNECT: `40…` or `44…`. */
  get answer(): string {
    return this.packets[1] ?? "";
  }

  /** Waits for a frame of this kind. */
  async frame(kind: string, deadlineMs = 5_000): Promise<unknown[]> {
    const find = (): unknown[] | undefined => this.frames.find(([name]) => name === kind);
    const state = (): string => `closed: ${this.closed}, ${this.packets.slice(1).join(" ").slice(0, 1_000)}`;
    return await until(find, { deadlineMs, what: `a frame "${kind}"`, state });
  }

  async closes(deadlineMs = 5_000): Promise<void> {
    await until(() => this.closed, { deadlineMs, what: "the server closes the connection" });
  }
}
