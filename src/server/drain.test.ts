/** Letting clients go: told when, spread, with their handlers finished, and nobody new let in. */

import { createServer } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../test/harness/until.ts";
import { io as connectTo, type Socket as ClientSocket } from "../client/index.ts";
import { MemoryEngine } from "../store/memory.ts";
import { queuedStore } from "../store/queued-store.ts";
import { Server, type Socket } from "./index.ts";

type House = { readonly server: Server; readonly port: number; readonly url: string };

async function open(onSocket: (socket: Socket) => void): Promise<House> {
  const limits = { queueLimit: 1_000, queueBytesLimit: 1_000_000 };
  const http = createServer();
  const server = new Server(http, { delivery: { store: queuedStore(new MemoryEngine({}), limits) } });
  server.on("connection", onSocket);
  onTestFinished(async () => {
    await server.delivery.close();
    http.close();
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  return { server, port, url: `http://127.0.0.1:${port}` };
}

async function client({ url }: House, transports: string[]): Promise<ClientSocket> {
  const socket = connectTo(url, { forceNew: true, transports });
  onTestFinished(() => void socket.disconnect());
  await until(() => socket.connected, { what: "a client to connect" });
  return socket;
}

test("connections close batch by batch, polling ones first, each told when to come back", async () => {
  const house = await open(() => undefined);
  const left: { readonly transport: string; readonly at: number; readonly toldInMs: number }[] = [];
  for (let index = 0; index < 12; index++) {
    const transport = index % 3 === 0 ? "polling" : "websocket";
    const socket = await client(house, [transport]);
    let toldInMs = -1;
    socket.delivery.on("drain", ({ reconnectInMs }) => {
      toldInMs = reconnectInMs;
    });
    socket.on("disconnect", (reason) => {
      expect(reason).toBe("transport close");
      left.push({ transport, at: performance.now(), toldInMs });
    });
  }
  await house.server.delivery.close({ batchSize: 4, batchIntervalMs: 300 });
  await until(() => left.length === 12, { what: "all to have left" });
  expect(left.slice(0, 4).map(({ transport }) => transport)).toEqual(Array(4).fill("polling"));
  for (const { toldInMs } of left) {
    expect(toldInMs).toBeGreaterThanOrEqual(0);
    expect(toldInMs).toBeLessThanOrEqual(300);
  }
  const first = left[0]?.at ?? 0;
  expect((left[4]?.at ?? 0) - first).toBeGreaterThan(150);
  expect((left[8]?.at ?? 0) - first).toBeGreaterThan(400);
});

test("too many for the time they have go in larger batches", async () => {
  const house = await open(() => undefined);
  for (let index = 0; index < 10; index++) await client(house, ["websocket"]);
  const started = performance.now();
  await house.server.delivery.close({ batchSize: 1, batchIntervalMs: 500, withinMs: 1_000 });
  expect(performance.now() - started).toBeLessThan(2_000);
});

test("G1 G4 handlers finish and are answered; what comes meanwhile waits for the next server", async () => {
  let finish = (): void => undefined;
  const ran: string[] = [];
  const house = await open((socket) => {
    socket.on("slow", (name: string, done: (value: string) => void) => {
      ran.push(name);
      finish = () => done(`re ${name}`);
    });
  });
  const socket = await client(house, ["websocket"]);
  const first = socket.emitWithAck("slow", "first") as Promise<string>;
  await until(() => ran.length === 1, { what: "the handler to run" });
  const closing = house.server.delivery.close();
  // The drain has begun once nobody new is let in.
  const handshake = `${house.url}/socket.io/?EIO=4&transport=polling`;
  await until(async () => (await fetch(handshake)).status === 503, { what: "new ones to be refused" });
  const second = socket.emitWithAck("slow", "second");
  let settled = false;
  void second.then(() => {
    settled = true;
  });
  finish();
  expect(await first).toBe("re first");
  await closing;
  expect([ran, settled, socket.delivery.pending]).toEqual([["first"], false, 1]);
});

test("a handler that takes too long is not waited for", async () => {
  const house = await open((socket) => socket.on("never", () => new Promise(() => undefined)));
  const socket = await client(house, ["websocket"]);
  socket.emit("never");
  await handlerRuns(house);
  await house.server.delivery.close({ handlersTimeoutMs: 50 });
  await until(() => !socket.connected, { what: "the client to be let go" });
  expect(socket.delivery.pending).toBe(1);
});

test("new connections are refused with 503 and the time to come back, on both transports", async () => {
  let finish = (): void => undefined;
  const house = await open((socket) => socket.on("slow", (done: () => void) => void (finish = done)));
  const socket = await client(house, ["polling"]);
  socket.emit("slow", () => undefined);
  await handlerRuns(house);
  const closing = house.server.delivery.close();
  const polling = await fetch(`${house.url}/socket.io/?EIO=4&transport=polling`);
  expect([polling.status, polling.headers.get("retry-after")]).toEqual([503, "1"]);
  const answer = await upgrade(house.port);
  expect(answer).toContain("HTTP/1.1 503");
  expect(answer).toContain("retry-after: 1");
  // Whoever is inside goes on polling until its turn.
  expect(socket.connected).toBe(true);
  finish();
  await closing;
});

function handlerRuns({ server }: House): Promise<unknown> {
  const runs = async () => (await server.delivery.figures()).runningHandlers === 1;
  return until(runs, { what: "the handler to run" });
}

/** What a WebSocket handshake is answered. */
function upgrade(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" +
          "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      ),
    );
    let text = "";
    socket.on("data", (data) => (text += data.toString()));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}
