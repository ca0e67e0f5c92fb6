/** Events, acknowledgements, binary and listeners mean what they mean in Socket.IO, in every pair. */

import type { Socket as ServerSocket } from "socket.io";
import type { Socket as ClientSocket } from "socket.io-client";
import { describe, expect, test, type TestContext } from "vitest";
import { within } from "../harness/until.ts";
import { next, openClient, openServer, type Pair, pairs, reaches, record } from "./pair.ts";

describe.each(pairs)("$server server, $client client", (pair) => {
  test("events arrive in order, both ways, with any number of arguments", async (context) => {
    const { server, client } = await both(context, pair);
    const up = record(server, "up");
    const down = record(client, "down");
    client.emit("up");
    client.emit("up", 1, "two", { three: [null, true] });
    server.emit("down", []);
    server.emit("down", undefined, "after");
    expect(await reaches(up, 2)).toEqual([[], [1, "two", { three: [null, true] }]]);
    expect(await reaches(down, 2)).toEqual([[[]], [null, "after"]]);
  });

  test("binary of any kind, nested too, arrives as Buffer on the server", async (context) => {
    const { server, client } = await both(context, pair);
    const up = record(server, "up");
    const bytes = Uint8Array.from([0, 1, 254, 255]);
    client.emit("up", Buffer.from(bytes), bytes.buffer.slice(0), bytes, { deep: [{ deeper: bytes }] });
    client.emit("up", new Uint8Array(bytes.buffer, 1, 2), Buffer.alloc(0));
    const [first, second] = await reaches(up, 2);
    const buffer = Buffer.from(bytes);
    expect(first).toEqual([buffer, buffer, buffer, { deep: [{ deeper: buffer }] }]);
    expect(second).toEqual([Buffer.from([1, 254]), Buffer.alloc(0)]);
    expect([...first!.slice(0, 3), ...second!].every(Buffer.isBuffer)).toBe(true);
  });

  test("binary arrives as Buffer in Node clients, and in acknowledgements", async (context) => {
    const { server, client } = await both(context, pair);
    const down = record(client, "down");
    const bytes = Uint8Array.from([7, 8, 9]);
    server.emit("down", Buffer.from(bytes), bytes, bytes.buffer, { deep: [bytes] });
    server.on("ask", (answer) => answer({ bytes: Buffer.from(bytes) }));
    const [[first, ...rest] = []] = await reaches(down, 1);
    expect(Buffer.isBuffer(first)).toBe(true);
    expect([first, ...rest]).toEqual([
      Buffer.from(bytes),
      Buffer.from(bytes),
      Buffer.from(bytes),
      { deep: [Buffer.from(bytes)] },
    ]);
    expect(await client.emitWithAck("ask")).toEqual({ bytes: Buffer.from(bytes) });
  });

  test("a Date travels as its JSON, a property without a value not at all", async (context) => {
    const { server, client } = await both(context, pair);
    const date = new Date(0);
    const up = record(server, "up");
    client.emit("up", date, { gone: undefined, toJSON: undefined, kept: 1 });
    expect(await reaches(up, 1)).toEqual([["1970-01-01T00:00:00.000Z", { kept: 1 }]]);
  });

  test("an acknowledgement has the values only, as no timeout was asked for", async (context) => {
    const { server, client } = await both(context, pair);
    server.on("ask", (question, answer) => answer(question, "answer", 3));
    client.on("ask", (question, answer) => answer(question, "reply"));
    expect(await called((done) => client.emit("ask", "up", done))).toEqual(["up", "answer", 3]);
    expect(await called((done) => server.emit("ask", "down", done))).toEqual(["down", "reply"]);
  });

  test("with timeout() the acknowledgement takes an error first", async (context) => {
    const { server, client } = await both(context, pair);
    server.on("ask", (answer) => answer("answer"));
    client.on("ask", (answer) => answer("reply"));
    expect(await called((done) => client.timeout(5_000).emit("ask", done))).toEqual([null, "answer"]);
    expect(await called((done) => server.timeout(5_000).emit("ask", done))).toEqual([null, "reply"]);
  });

  test("a timeout that passes says so: to callbacks and to emitWithAck, both ways", async (context) => {
    const { server, client } = await both(context, pair);
    const unanswered: ((...args: unknown[]) => void)[] = [];
    for (const side of [server, client] as Listening[]) {
      side.on("ask", (answer) => unanswered.push(answer as (typeof unanswered)[0]));
    }
    const [upError, ...upRest] = await called((done) => client.timeout(50).emit("ask", done));
    const [downError, ...downRest] = await called((done) => server.timeout(50).emit("ask", done));
    expect(upError).toBeInstanceOf(Error);
    expect(downError).toBeInstanceOf(Error);
    expect((downError as Error).message).toBe("operation has timed out");
    expect((upError as Error).message).toBe("operation has timed out");
    expect([...upRest, ...downRest]).toEqual([]);
    await expect(client.timeout(50).emitWithAck("ask")).rejects.toThrow("operation has timed out");
    await expect(server.timeout(50).emitWithAck("ask")).rejects.toThrow("operation has timed out");
    for (const answer of unanswered) answer("too late");
    expect(await called((done) => client.emit("ping", done))).toEqual([]);
  });

  test("emitWithAck resolves with the first value, both ways", async (context) => {
    const { server, client } = await both(context, pair);
    server.on("ask", (question, answer) => answer(`${question}, answered`, "dropped"));
    client.on("ask", (question, answer) => answer(`${question}, replied`));
    expect(await client.emitWithAck("ask", "up")).toBe("up, answered");
    expect(await client.timeout(5_000).emitWithAck("ask", "up")).toBe("up, answered");
    expect(await server.emitWithAck("ask", "down")).toBe("down, replied");
    expect(await server.timeout(5_000).emitWithAck("ask", "down")).toBe("down, replied");
  });

  test("an acknowledgement called twice counts once", async (context) => {
    const { server, client } = await both(context, pair);
    server.on("ask", (answer) => {
      answer(1);
      answer(2);
    });
    const answers: unknown[] = [];
    client.emit("ask", (value: unknown) => answers.push(value));
    await next(client.emit("end"), "end");
    expect(answers).toEqual([1]);
  });

  test("send() is the event message, on both sides", async (context) => {
    const { server, client } = await both(context, pair);
    const up = record(server, "message");
    const down = record(client, "message");
    client.send("hello", 1);
    server.send("hello", 2);
    server.write("hello", 3);
    expect(await reaches(up, 1)).toEqual([["hello", 1]]);
    expect(await reaches(down, 2)).toEqual([
      ["hello", 2],
      ["hello", 3],
    ]);
  });

  test("compress() and volatile can be put in front of emit, on both sides", async (context) => {
    const { server, client } = await both(context, pair);
    const up = record(server, "up");
    const down = record(client, "down");
    client.volatile.emit("up", 1);
    server.volatile.emit("down", 1);
    await Promise.all([reaches(up, 1), reaches(down, 1)]);
    client.compress(false).emit("up", 2);
    server.compress(false).emit("down", 2);
    expect(await reaches(up, 2)).toEqual([[1], [2]]);
    expect(await reaches(down, 2)).toEqual([[1], [2]]);
  });

  test("once hears one event and off none", async (context) => {
    const { server, client } = await both(context, pair);
    const heard: string[] = [];
    const never = () => heard.push("never");
    for (const side of [server, client] as Listening[]) {
      side.once("event", () => heard.push("once"));
      side.on("event", never);
      side.off("event", never);
      side.on("event", () => heard.push("on"));
    }
    client.emit("event").emit("event");
    await next(client.emit("end"), "end");
    expect(heard).toEqual(["once", "on", "on"]);
    server.emit("event");
    server.emit("event");
    await reaches(heard, 6);
    expect(heard.slice(3)).toEqual(["once", "on", "on"]);
  });

  test("onAny, prependAny and offAny hear what comes in, before the listeners", async (context) => {
    const { server, client } = await both(context, pair);
    for (const [side, send] of [
      [server, (...args: [string, ...unknown[]]) => client.emit(...args)],
      [client, (...args: [string, ...unknown[]]) => server.emit(...args)],
    ] as [Listening, (...args: [string, ...unknown[]]) => unknown][]) {
      const heard: unknown[][] = [];
      const off = () => heard.push(["off"]);
      side.onAny((...args) => heard.push(["any", ...args]));
      side.prependAny((...args) => heard.push(["prepended", ...args]));
      side.onAny(off);
      side.offAny(off);
      side.on("event", (...args) => heard.push(["event", ...args]));
      send("event", 1, 2);
      await reaches(heard, 3);
      expect(heard).toEqual([
        ["prepended", "event", 1, 2],
        ["any", "event", 1, 2],
        ["event", 1, 2],
      ]);
      expect(side.listenersAny()).toHaveLength(2);
      side.offAny();
      expect(side.listenersAny()).toHaveLength(0);
    }
  });

  test("onAnyOutgoing, prependAnyOutgoing and offAnyOutgoing hear what goes out", async (context) => {
    const { server, client } = await both(context, pair);
    for (const side of [server, client] as (Listening & { emit: ClientSocket["emit"] })[]) {
      const heard: unknown[][] = [];
      const off = () => heard.push(["off"]);
      side.onAnyOutgoing((...args) => heard.push(["any", ...args]));
      side.prependAnyOutgoing((...args) => heard.push(["prepended", ...args]));
      side.onAnyOutgoing(off);
      side.offAnyOutgoing(off);
      side.emit("event", 1);
      await reaches(heard, 2);
      expect(heard).toEqual([
        ["prepended", "event", 1],
        ["any", "event", 1],
      ]);
      side.offAnyOutgoing();
    }
  });

  test("a reserved name cannot be emitted, on either side", async (context) => {
    const { server, client } = await both(context, pair);
    for (const name of [
      "connect",
      "connect_error",
      "disconnect",
      "disconnecting",
      "newListener",
      "removeListener",
    ]) {
      expect(() => client.emit(name)).toThrow(`"${name}" is a reserved event name`);
      expect(() => server.emit(name)).toThrow(`"${name}" is a reserved event name`);
    }
  });
});

/** A connected client and its socket on the server. `end` is answered by an event of the same name. */
async function both(
  context: TestContext,
  pair: Pair,
): Promise<{ server: ServerSocket; client: ClientSocket }> {
  const { io, url } = await openServer(context, pair.server);
  const connection = next(io, "connection");
  const client = await openClient(context, pair.client, url);
  const server = (await connection)[0] as ServerSocket;
  server.on("ping", (answer) => answer());
  server.on("end", () => server.emit("end"));
  return { server, client };
}

/** What a callback is called with. */
async function called(start: (done: (...args: unknown[]) => void) => unknown): Promise<unknown[]> {
  const calling = new Promise<unknown[]>((resolve) => start((...args) => resolve(args)));
  return await within(calling, { what: "callback" });
}

type Listener = (...args: unknown[]) => void;
type Listening = {
  on(event: string, listener: Listener): unknown;
  once(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
  onAny(listener: Listener): unknown;
  prependAny(listener: Listener): unknown;
  offAny(listener?: Listener): unknown;
  listenersAny(): unknown[];
  onAnyOutgoing(listener: Listener): unknown;
  prependAnyOutgoing(listener: Listener): unknown;
  offAnyOutgoing(listener?: Listener): unknown;
};
