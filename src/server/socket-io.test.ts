/**
 * The contract with Socket.IO 4.8: every internal that `socket-io.ts`, `adapter.ts`, `publish.ts`,
 * `stock-clients.ts`, `connection-ids.ts` and `delivery-node.ts` touch. Each test fails by the name of what
 * has moved.
 */

import { EventEmitter } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Namespace, Server, Socket } from "socket.io";
import { Adapter, type BroadcastOptions } from "socket.io-adapter";
import { io as connect } from "socket.io-client";
import { expect, onTestFinished, test, vi } from "vitest";
import { reservedEvents } from "../protocol/reserved-events.ts";

const prototypes = {
  Namespace: Namespace.prototype,
  Socket: Socket.prototype,
  Adapter: Adapter.prototype,
  Server: Server.prototype,
};

/** Methods that are called or replaced, with the number of their parameters. */
test.for<[keyof typeof prototypes, string, number]>([
  ["Namespace", "_add", 3],
  ["Namespace", "_remove", 1],
  ["Namespace", "_doConnect", 2],
  ["Namespace", "run", 2],
  ["Socket", "run", 2],
  ["Socket", "packet", 1],
  ["Socket", "onevent", 1],
  ["Socket", "notifyOutgoingListeners", 1],
  ["Socket", "_onpacket", 1],
  ["Socket", "_onconnect", 0],
  ["Socket", "_onclose", 2],
  ["Socket", "_onerror", 1],
  ["Socket", "_cleanup", 0],
  ["Socket", "_error", 1],
  ["Socket", "join", 1],
  ["Socket", "disconnect", 0],
  ["Socket", "listenersAny", 0],
  ["Socket", "listenersAnyOutgoing", 0],
  ["Socket", "onAny", 1],
  ["Socket", "prependAny", 1],
  ["Socket", "onAnyOutgoing", 1],
  ["Socket", "prependAnyOutgoing", 1],
  ["Adapter", "addAll", 2],
  ["Adapter", "del", 2],
  ["Adapter", "broadcast", 2],
  ["Adapter", "broadcastWithAck", 4],
  ["Adapter", "addSockets", 2],
  ["Adapter", "delSockets", 2],
  ["Adapter", "apply", 2],
  ["Server", "attach", 1],
  ["Server", "listen", 1],
  ["Server", "close", 1],
  ["Server", "adapter", 1],
])("%s#%s takes %i parameters", ([owner, name, length]) => {
  const method = (prototypes[owner] as unknown as Record<string, unknown>)[name];
  expect(method, `${owner}#${name}`).toBeTypeOf("function");
  expect((method as () => void).length, `parameters of ${owner}#${name}`).toBe(length);
});

test("Socket takes namespace, client, auth and a previous session with its id and data", async () => {
  expect(Socket.length).toBe(4);
  const { server } = await connection();
  const previous = { sid: "previous-id", pid: "", rooms: [], missedPackets: [], data: { kept: 1 } };
  const Made = Socket as unknown as new (...args: unknown[]) => Socket & { recovered: boolean };
  const socket = new Made(server.nsp, (server as unknown as { client: unknown }).client, {}, previous);
  expect([socket.id, socket.data, socket.recovered]).toEqual(["previous-id", { kept: 1 }, true]);
});

test("Namespace#_add asks the middlewares, then _doConnect, _onconnect, connection", async () => {
  const order: string[] = [];
  const nsp = Namespace.prototype as unknown as Record<
    "_add" | "run" | "_doConnect",
    (...args: unknown[]) => unknown
  >;
  const original = { _add: nsp._add, run: nsp.run, _doConnect: nsp._doConnect };
  onTestFinished(() => void Object.assign(nsp, original));
  for (const name of ["_add", "run", "_doConnect"] as const) {
    vi.spyOn(nsp, name).mockImplementation(function (this: unknown, ...args) {
      order.push(name);
      return original[name].apply(this, args);
    });
  }
  const onconnect = vi.spyOn(Socket.prototype, "_onconnect").mockImplementation(function (this: Socket) {
    order.push("_onconnect");
    onconnect.mockRestore();
    this._onconnect();
  });
  const io = await listen();
  io.use((_socket, next) => {
    order.push("middleware");
    next();
  });
  io.on("connection", () => order.push("connection"));
  await connection(io);
  expect(order).toEqual(["_add", "run", "middleware", "_doConnect", "_onconnect", "connection"]);
  vi.restoreAllMocks();
});

test("Namespace keeps sockets, _preConnectSockets and the counter _ids", async () => {
  const { server } = await connection();
  const { sockets, _preConnectSockets, _ids } = server.nsp as unknown as Record<string, unknown>;
  expect(sockets).toBeInstanceOf(Map);
  expect(sockets).toHaveProperty("size", 1);
  expect(_preConnectSockets).toBeInstanceOf(Map);
  expect(_preConnectSockets).toHaveProperty("size", 0);
  expect(_ids).toBeTypeOf("number");
});

test("Namespace is an EventEmitter of Node, whose own emit calls listeners instead of sending", async () => {
  const { io } = await connection();
  const heard = vi.fn();
  (io.sockets as unknown as EventEmitter).on("session", heard);
  EventEmitter.prototype.emit.call(io.sockets, "session", 1);
  expect(heard).toHaveBeenCalledWith(1);
});

test("Socket has flags, acks, nsp, client, connected, pid, and listeners as Node keeps them", async () => {
  const { server } = await connection();
  const socket = server as unknown as Record<string, unknown>;
  expect(socket.flags).toEqual({});
  expect(socket.acks).toBeInstanceOf(Map);
  expect(socket.client).toHaveProperty("conn");
  expect([socket.connected, socket.recovered, socket.pid]).toEqual([true, false, undefined]);
  const listener = () => undefined;
  server.on("event", listener);
  expect(server.rawListeners("event")).toEqual([listener]);
  void server.timeout(5).volatile.compress(false);
  expect(socket.flags).toEqual({ timeout: 5, volatile: true, compress: false });
});

test("an event packet reaches onevent, a disconnect packet _onclose with its reason", async () => {
  const { server, client } = await connection();
  const onevent = vi.spyOn(server as unknown as { onevent(packet: unknown): void }, "onevent");
  const onclose = vi.spyOn(server as unknown as { _onclose(reason: string): void }, "_onclose");
  client.emit("event", 1);
  await vi.waitFor(() => expect(onevent).toHaveBeenCalledTimes(1));
  expect(onevent.mock.calls[0]?.[0]).toMatchObject({ type: 2, data: ["event", 1], nsp: "/" });
  client.disconnect();
  await vi.waitFor(() => expect(onclose.mock.calls[0]?.[0]).toBe("client namespace disconnect"));
});

test("_onclose cleans up: rooms, the namespace's sockets, and join does nothing from then on", async () => {
  const { server, io } = await connection();
  const join = server.join;
  const said: string[] = [];
  server.on("disconnecting", () => said.push(`disconnecting with ${server.rooms.size} room`));
  server.on("disconnect", (reason) => said.push(reason));
  (server as unknown as { _onclose(reason: string): void })._onclose("a reason");
  expect(said).toEqual(["disconnecting with 1 room", "a reason"]);
  expect([io.sockets.sockets.size, server.rooms.size, server.connected]).toEqual([0, 0, false]);
  expect(server.join).not.toBe(join);
});

test("a packet goes to conn.write as text of the default parser", async () => {
  const { server } = await connection();
  const write = vi.spyOn(server.conn as unknown as { write(text: string): void }, "write");
  server.emit("event", "ü");
  expect(write.mock.calls[0]?.[0]).toBe('2["event","ü"]');
});

test("Engine.IO's connection has id, readyState, transport, writeBuffer, drain", async () => {
  const { server } = await connection();
  const conn = server.conn as unknown as EventEmitter &
    Record<string, unknown> & { write(text: string, options: object): void };
  expect(conn.readyState).toBe("open");
  expect(conn.id).toBeTypeOf("string");
  expect(conn.transport).toMatchObject({ name: "websocket" });
  await vi.waitFor(() => expect((conn.transport as { writable: boolean }).writable).toBe(true));
  expect(conn.writeBuffer).toEqual([]);
  const drained = vi.fn();
  conn.once("drain", drained);
  conn.write('2["one"]', {});
  conn.write('2["two"]', {});
  expect(conn.writeBuffer, "what waits while the transport writes").toHaveLength(1);
  await vi.waitFor(() => expect(conn.writeBuffer).toEqual([]));
  expect(drained).toHaveBeenCalled();
});

test("a ready-made WebSocket frame in the options is what the transport writes", async () => {
  const { server, client } = await connection();
  const heard = vi.fn();
  client.on("framed", heard);
  const text = '42["framed",1]';
  const frame = Buffer.concat([Buffer.from([0x81, text.length]), Buffer.from(text)]);
  const conn = server.conn as unknown as { write(text: string, options: object): void };
  conn.write('2["text"]', { compress: false, wsPreEncodedFrame: [frame] });
  await vi.waitFor(() => expect(heard).toHaveBeenCalledWith(1));
});

test("generateId makes connection ids, a middleware refuses, clients has the connections", async () => {
  const io = await listen();
  const engine = io.engine as unknown as {
    generateId(): string;
    clients: Record<string, unknown>;
    use(middleware: (request: { _query: object }, response: ServerResponse) => void): void;
  };
  engine.generateId = () => "abc-0123456789abcdef";
  const { server } = await connection(io);
  expect((server.conn as unknown as { id: string }).id).toBe("abc-0123456789abcdef");
  expect(Object.keys(engine.clients)).toEqual(["abc-0123456789abcdef"]);
  let query: object = {};
  engine.use((request, response) => {
    query = request._query;
    response.writeHead(503).end();
  });
  const { port } = (io as unknown as { httpServer: { address(): AddressInfo } }).httpServer.address();
  const response = await fetch(`http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`);
  expect(response.status).toBe(503);
  expect(query).toMatchObject({ EIO: "4", transport: "polling" });
});

test("verify decides by a code, with 1 for an unknown id, and headers come with every answer", async () => {
  const io = await listen();
  const engine = io.engine as unknown as EventEmitter & { verify(...args: unknown[]): void };
  const verify = vi.spyOn(engine, "verify");
  const decided: unknown[] = [];
  verify.mockImplementation((request, isUpgrade, decide) => {
    verify.mockRestore();
    engine.verify(request, isUpgrade, (...args: unknown[]) => {
      decided.push(isUpgrade, args[0], (request as { res?: unknown }).res !== undefined);
      (decide as (...args: unknown[]) => void)(...args);
    });
  });
  engine.on("headers", (headers: Record<string, string>) => (headers["x-said"] = "so"));
  const { port } = (io as unknown as { httpServer: { address(): AddressInfo } }).httpServer.address();
  const url = `http://127.0.0.1:${port}/socket.io/?EIO=4&transport=polling`;
  const unknown = await fetch(`${url}&sid=abc-0123456789abcdef`);
  expect([unknown.status, await unknown.json()]).toEqual([400, { code: 1, message: "Session ID unknown" }]);
  expect(decided).toEqual([false, 1, true]);
  expect((await fetch(url)).headers.get("x-said")).toBe("so");
});

test("a broadcast operator has rooms, exceptRooms and adapter, and one class", async () => {
  const { io, server } = await connection();
  const operator = io.to("a").except("b") as unknown as Record<string, unknown> & { adapter: Adapter };
  expect(operator.rooms).toEqual(new Set(["a"]));
  expect(operator.exceptRooms).toEqual(new Set(["b"]));
  expect(operator.adapter.nsp).toBe(io.sockets);
  for (const other of [io.sockets.in("a"), server.to("a"), server.broadcast, io.local]) {
    expect(other.constructor).toBe(operator.constructor);
  }
});

test("broadcasts reach the adapter with rooms, except and flags", async () => {
  const { io, server } = await connection();
  const broadcast = vi.spyOn(io.sockets.adapter, "broadcast").mockReturnValue(undefined);
  const withAck = vi.spyOn(io.sockets.adapter, "broadcastWithAck").mockReturnValue(undefined);
  server.to("a").volatile.emit("event", 1);
  io.local.emit("event");
  io.timeout(7).emit("ask", () => undefined);
  const [packet, options] = broadcast.mock.calls[0] ?? [];
  expect(packet).toMatchObject({ type: 2, data: ["event", 1] });
  expect(options).toEqual({ rooms: new Set(["a"]), except: new Set([server.id]), flags: { volatile: true } });
  expect(broadcast.mock.calls[1]?.[1].flags).toEqual({ local: true });
  expect(withAck.mock.calls[0]?.[1].flags).toEqual({ timeout: 7 });
  expect(withAck.mock.calls[0]?.slice(2).map((value) => typeof value)).toEqual(["function", "function"]);
});

test("Adapter keeps rooms and sids, and apply chooses sockets by rooms and except", async () => {
  const { io, server } = await connection();
  const { adapter } = io.sockets;
  await server.join("a");
  expect(adapter.rooms.get("a")).toEqual(new Set([server.id]));
  expect(adapter.sids.get(server.id)).toEqual(new Set([server.id, "a"]));
  const chosen: unknown[] = [];
  const apply = (options: BroadcastOptions) =>
    adapter["apply"](options, (socket: unknown) => chosen.push(socket));
  apply({ rooms: new Set(["a"]), except: new Set() });
  apply({ rooms: new Set(["a"]), except: new Set([server.id]) });
  expect(chosen).toEqual([server]);
});

test("adapter() gives every namespace that exists its adapter anew, by new", async () => {
  const io = new Server();
  const made: string[] = [];
  io.adapter(
    class extends Adapter {
      constructor(nsp: Namespace) {
        super(nsp);
        made.push(nsp.name);
      }
    } as never,
  );
  expect(made).toEqual(["/"]);
  io.of("/x");
  expect(made).toEqual(["/", "/x"]);
});

test("the parent of dynamic namespaces has a name that begins with /_", () => {
  expect((new Server().of(/^\/x-/) as unknown as { name: string }).name).toMatch(/^\/_\d+$/);
});

test("Server keeps opts, httpServer and engine", async () => {
  const io = await listen();
  const { opts, httpServer, engine } = io as unknown as Record<string, unknown>;
  expect(opts).toBeTypeOf("object");
  expect((opts as { parser?: unknown }).parser).toBeUndefined();
  expect(httpServer).toBeInstanceOf(createServer().constructor);
  expect(engine).toHaveProperty("clientsCount", 0);
});

test("the reserved names are those that Socket.IO refuses", async () => {
  const { server } = await connection();
  for (const name of reservedEvents)
    expect(() => server.emit(name), name).toThrow("is a reserved event name");
  expect(() => server.emit("error", 1)).not.toThrow();
});

async function listen(): Promise<Server> {
  const http = createServer();
  const io = new Server(http);
  onTestFinished(() => io.close());
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  return io;
}

async function connection(given?: Server) {
  const io = given ?? (await listen());
  const { port } = (io as unknown as { httpServer: { address(): AddressInfo } }).httpServer.address();
  const connected = new Promise<Socket>((resolve) => io.once("connection", resolve));
  const client = connect(`http://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true });
  onTestFinished(() => void client.disconnect());
  return { io, client, server: await connected };
}
