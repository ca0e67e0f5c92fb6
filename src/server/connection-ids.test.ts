/** What a node says about itself to edges that route by connection ids. */

import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { Server } from "holdfast";
import { expect, onTestFinished, test } from "vitest";

const unknown = { code: 1, message: "Session ID unknown" };
const another = "_ab-0123456789abcdef";
const own = "n01-0123456789abcdef";

test("every answer of a node says its name, with which its connection ids begin", async () => {
  const { url, port } = await listen();
  const opened = await fetch(url);
  expect(opened.headers.get("x-holdfast-node")).toBe("n01");
  const { sid } = JSON.parse((await opened.text()).slice(1)) as { sid: string };
  expect(sid).toMatch(/^n01-[\w-]{16}$/);
  const posted = await fetch(`${url}&sid=${sid}`, { method: "POST", body: "40" });
  expect([posted.status, posted.headers.get("x-holdfast-node")]).toEqual([200, "n01"]);
  const polled = await fetch(`${url}&sid=${sid}`);
  expect([polled.status, polled.headers.get("x-holdfast-node")]).toEqual([200, "n01"]);
  expect(await upgrade(port, "")).toMatch(/^HTTP\/1.1 101 [^]*\r\nX-Holdfast-Node: n01\r\n/);
});

test.each(["GET", "POST"])("%s for a connection of another node is 404, of its own 400", async (method) => {
  const { url } = await listen();
  const what = method === "POST" ? { method, body: "2" } : { method };
  const elsewhere = await fetch(`${url}&sid=${another}`, what);
  expect([elsewhere.status, await elsewhere.json()]).toEqual([404, unknown]);
  const gone = await fetch(`${url}&sid=${own}`, what);
  expect([gone.status, await gone.json()]).toEqual([400, unknown]);
  const nobodys = await fetch(`${url}&sid=${"x".repeat(20)}`, what);
  expect([nobodys.status, await nobodys.json()]).toEqual([400, unknown]);
});

test("an upgrade is told the same", async () => {
  const { port } = await listen();
  expect(await upgrade(port, `&sid=${another}`)).toMatch(/^HTTP\/1.1 404 [^]*Session ID unknown/);
  expect(await upgrade(port, `&sid=${own}`)).toMatch(/^HTTP\/1.1 400 /);
});

async function listen() {
  const http = createServer();
  const io = new Server(http, { delivery: { store: "memory:", node: "n01" } });
  onTestFinished(async () => {
    const closed = io.close();
    http.closeAllConnections();
    await closed;
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return { port, url: `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling` };
}

/** The answer to a request to become a WebSocket. */
async function upgrade(port: number, query: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  const head = [
    `GET /socket.io/?EIO=4&transport=websocket${query} HTTP/1.1`,
    "Host: localhost",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  socket.once("data", () => socket.end());
  return await text(socket);
}
