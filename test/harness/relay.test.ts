import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { expect, test } from "vitest";
import type { Owner } from "./owner.ts";
import { startRelay, type Relay } from "./relay.ts";
import { until } from "./until.ts";

test("passes bytes and the end of a connection in both directions, and counts them", async (t) => {
  const link = await openLink(t);
  const payload = randomBytes(3_000_000);
  link.client.socket.end(payload);
  await until(() => link.server.ended, { what: "the server sees the end of the client's half" });
  link.server.socket.end("answer");
  await until(() => link.client.ended, { what: "the client sees the end of the server's half" });
  expect(link.server.hash()).toBe(createHash("sha256").update(payload).digest("hex"));
  expect(link.client.text()).toBe("answer");
  expect(link.relay.bytesToServer).toBe(3_000_000);
  expect(link.relay.bytesToClient).toBe(6);
  await until(() => link.relay.open.length === 0, { what: "the connection ends by itself" });
});

test("reset reaches both ends as ECONNRESET", async (t) => {
  const link = await openLink(t);
  link.relay.resetAll();
  await until(() => link.client.error && link.server.error, { what: "both ends learn" });
  expect([link.client.error, link.server.error]).toEqual(["ECONNRESET", "ECONNRESET"]);
});

test("an abort of one end reaches the other as a reset", async (t) => {
  const link = await openLink(t);
  link.client.socket.resetAndDestroy();
  await until(() => link.server.error, { what: "the server learns" });
  expect(link.server.error).toBe("ECONNRESET");
});

test("held: the ends notice nothing, and on release everything arrives in order", async (t) => {
  const link = await openLink(t);
  link.relay.latest.hold();
  link.client.socket.write("to server");
  link.server.socket.end("to client");
  await until(() => link.relay.latest.toServer.heldBytes === 9, {
    what: "the client's bytes wait in the relay",
  });
  await until(() => link.relay.latest.toClient.heldBytes === 9, {
    what: "the server's bytes wait in the relay",
  });
  expect([link.client.text(), link.server.text(), link.client.ended]).toEqual(["", "", false]);
  link.relay.latest.release();
  await until(() => link.client.ended && link.server.text() === "to server", { what: "both arrive" });
  expect(link.client.text()).toBe("to client");
});

test("held in one direction: the other one works", async (t) => {
  const link = await openLink(t);
  link.relay.latest.toServer.hold();
  link.client.socket.write("unheard");
  link.server.socket.write("heard");
  await until(() => link.client.text() === "heard", { what: "the client hears the server" });
  await until(() => link.relay.latest.toServer.heldBytes === 7, { what: "the client's bytes wait" });
  expect(link.server.text()).toBe("");
});

test("half-open: the client is reset, the server writes on and is never told", async (t) => {
  const link = await openLink(t);
  const connection = link.relay.latest;
  connection.resetClient();
  await until(() => link.client.error === "ECONNRESET", { what: "the client is reset" });
  // Enough to overflow the kernel's buffers, were nobody reading.
  await new Promise<void>((resolve, reject) => {
    link.server.socket.write(randomBytes(10_000_000), (error) => (error ? reject(error) : resolve()));
  });
  expect([connection.clientOpen, connection.serverOpen, connection.open]).toEqual([false, true, false]);
  expect([link.server.ended, link.server.error, link.server.socket.destroyed]).toEqual([
    false,
    undefined,
    false,
  ]);
});

test("half-open the other way round: the server is reset, the client is never told", async (t) => {
  const link = await openLink(t);
  link.relay.latest.resetServer();
  await until(() => link.server.error === "ECONNRESET", { what: "the server is reset" });
  link.client.socket.write("into nothing");
  expect([link.client.ended, link.client.error]).toEqual([false, undefined]);
});

test("refused, reset and silent connections, and passing ones again on the same port", async (t) => {
  const link = await openLink(t);
  link.relay.refuse();
  const refused = new End(connect(link.relay.port, "127.0.0.1"));
  await until(() => refused.error, { what: "an error" });
  expect(refused.error).toBe("ECONNREFUSED");
  link.client.socket.write("the old connection stays");
  await until(() => link.server.text() !== "", { what: "the old connection still forwards" });

  await link.relay.listen();
  link.relay.admission = "reset";
  const reset = new End(connect(link.relay.port, "127.0.0.1"));
  await until(() => reset.error, { what: "an error" });
  expect([reset.error, link.relay.refusals]).toEqual(["ECONNRESET", 1]);

  link.relay.admission = "silent";
  const silent = new End(connect(link.relay.port, "127.0.0.1"));
  silent.socket.write("hello?");
  const connection = await link.relay.accepted(2);
  await until(() => connection.toServer.heldBytes === 6, { what: "the bytes wait" });
  expect(link.servers[1]?.text() ?? "").toBe("");
  connection.release();
  await until(() => link.servers[1]?.text() === "hello?", { what: "the bytes arrive after the release" });
});

test("a delay holds each byte back for its time, without loss", async (t) => {
  const link = await openLink(t, (relay) => (relay.shape = { toServerDelayMs: 80 }));
  const startedAt = performance.now();
  link.client.socket.write("late");
  await until(() => link.server.text() === "late", { what: "the bytes arrive" });
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(79);
});

test("a slow reader: the rate is kept, and the sender's own socket fills up", async (t) => {
  const link = await openLink(t, (relay) => (relay.shape = { toClientBytesPerSecond: 200_000 }));
  let flushed = false;
  const startedAt = performance.now();
  link.server.socket.write(randomBytes(20_000_000), () => (flushed = true));
  await until(() => link.client.bytes >= 60_000, { what: "the first bytes" });
  expect(performance.now() - startedAt).toBeGreaterThan(200);
  expect(flushed).toBe(false);
  expect(link.server.socket.writableLength).toBeGreaterThan(1_000_000);
  expect(link.relay.latest.toClient.heldBytes).toBeLessThan(300_000);
  link.relay.latest.toClient.pace({});
  await until(() => link.client.bytes === 20_000_000, {
    what: "the rest, at full speed",
    deadlineMs: 10_000,
  });
});

/** One end of a link, with what it has received and how it ended. */
class End {
  readonly socket: Socket;
  readonly #chunks: Buffer[] = [];
  ended = false;
  error: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => this.#chunks.push(chunk));
    socket.on("end", () => (this.ended = true));
    socket.on("error", (error: NodeJS.ErrnoException) => (this.error = error.code));
  }

  get bytes(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  text(): string {
    return Buffer.concat(this.#chunks).toString();
  }

  hash(): string {
    return createHash("sha256").update(Buffer.concat(this.#chunks)).digest("hex");
  }
}

/** A client connected to a server through a relay that is set up first. */
async function openLink(owner: Owner, setUp: (relay: Relay) => void = () => {}): Promise<Link> {
  const servers: End[] = [];
  const listener = createServer({ allowHalfOpen: true }, (socket) => servers.push(new End(socket)));
  listener.listen(0, "127.0.0.1");
  await once(listener, "listening");
  const relay = await startRelay(owner, { port: (listener.address() as AddressInfo).port });
  setUp(relay);
  const client = new End(connect({ port: relay.port, host: "127.0.0.1", allowHalfOpen: true }));
  owner.onTestFinished(() => {
    for (const end of [client, ...servers]) end.socket.destroy();
    listener.close();
  });
  const server = await until(() => servers[0], { what: "the server has its connection" });
  return { relay, client, server, servers };
}

type Link = {
  readonly relay: Relay;
  readonly client: End;
  readonly server: End;
  readonly servers: readonly End[];
};
