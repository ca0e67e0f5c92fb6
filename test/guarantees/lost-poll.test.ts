/**
 * A poll whose answer is lost on the way: the HTTP library repeats the GET by itself, and Engine.IO goes on
 * with the next packets, as browsers do when a connection that they kept is reset.
 */

import { createServer, type IncomingMessage, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { pipeline } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { Owner } from "../harness/owner.ts";
import { startClient } from "./client.ts";
import { startNode, type TestNode } from "./node.ts";

const heartbeats = { pingInterval: 300, pingTimeout: 5_000 };

test("G1 an answer that is lost with a poll is brought by the next connection", async (context) => {
  const { node, path, ann } = await stage(context);
  await ann.connected();
  path.lose('["ok"');
  expect(await ann.call({ id: 1 })).toMatchObject({ id: 1 });
  expect(path.lost).toBe(1);
  expect(node.handled()).toHaveLength(1);
  expect(ann.connects).toHaveLength(2);
});

test.for([1, 2])(
  "G2 entry %i of a room, lost with a poll, is brought by the next connection",
  async (which, context) => {
    const { node, path, ann } = await stage(context);
    await ann.connected();
    await ann.roundTrip();
    for (const id of [1, 2]) {
      if (id === which) path.lose('["en"');
      await node.publish("log", id, 1);
      expect(await ann.receives("log", id)).toHaveLength(id);
    }
    expect(path.lost).toBe(1);
    expect(ann.received("log")).toEqual([1, 2]);
    expect(ann.gaps).toEqual([]);
    expect(ann.connects).toHaveLength(2);
  },
);

test("G1 a welcome that is lost with a poll is said again on the next connection", async (context) => {
  const { node, path, ann } = await stage(context, '40{"sid"');
  expect(await ann.call({ id: 1 })).toMatchObject({ id: 1 });
  expect(path.lost).toBe(1);
  expect(node.handled()).toHaveLength(1);
});

test("G1 a welcome that is lost with a poll is missed once a WebSocket has taken over", async (context) => {
  // No heartbeat comes while the client polls.
  const server = { pingInterval: 60_000, pingTimeout: 60_000 };
  const { node, path, ann } = await stage(context, '40{"sid"', ["polling", "websocket"], server);
  expect(await ann.call({ id: 1 })).toMatchObject({ id: 1 });
  expect(path.lost).toBe(1);
  expect(node.handled()).toHaveLength(1);
});

async function stage(owner: Owner, lost?: string, transports = ["polling"], server = heartbeats) {
  const node = await startNode(owner, { server });
  const path = new ForgetfulPath(owner, node);
  if (lost !== undefined) path.lose(lost);
  const url = await path.listen();
  const ann = startClient(owner, url, { name: "ann", rooms: ["log"], socket: { transports } });
  return { node, path, ann };
}

/** Passes requests on, and loses what it is told to lose. */
class ForgetfulPath {
  /** How many answers it has lost. */
  lost = 0;
  #toLose: string | undefined;
  readonly #node: TestNode;
  readonly #server = createServer((incoming, outgoing) => {
    this.#pass(incoming).then(
      ({ status, type, body }) => outgoing.writeHead(status, { "content-type": type }).end(body),
      () => outgoing.destroy(),
    );
  });

  constructor(owner: Owner, node: TestNode) {
    this.#node = node;
    this.#server.on("upgrade", ({ url = "", rawHeaders }, socket) => {
      const onward = connect(node.port, "127.0.0.1");
      const headers = rawHeaders.map((text, index) => text + (index % 2 === 0 ? ": " : "\r\n"));
      onward.write(`GET ${url} HTTP/1.1\r\n${headers.join("")}\r\n`);
      pipeline(socket, onward, socket, () => undefined);
    });
    owner.onTestFinished(() => {
      this.#server.close();
      this.#server.closeAllConnections();
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next answer to a GET that holds this text is thrown away, and the GET sent again. */
  lose(text: string): void {
    this.#toLose = text;
  }

  async #pass(incoming: IncomingMessage) {
    const body = await buffer(incoming);
    const answer = await ask(this.#node, incoming, body);
    if (this.#toLose === undefined || incoming.method !== "GET" || !answer.body.includes(this.#toLose))
      return answer;
    this.#toLose = undefined;
    this.lost += 1;
    return await ask(this.#node, incoming, body);
  }
}

async function ask(node: TestNode, { method, url: path, headers }: IncomingMessage, body: Buffer) {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const { port } = node;
    request({ port, host: "127.0.0.1", method, path, headers }, resolve).on("error", reject).end(body);
  });
  const type = answer.headers["content-type"] ?? "text/plain";
  return { status: answer.statusCode ?? 502, type, body: await text(answer) };
}
