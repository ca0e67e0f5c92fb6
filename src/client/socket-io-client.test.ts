/**
 * The contract with socket.io-client 4.8: every internal that Holdfast's client touches. Each test fails by
 * the name of what has moved.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";
import { Manager, Socket } from "socket.io-client";
import { expect, onTestFinished, test, vi } from "vitest";
import { type ManagerInternals, packetConnect, packetEvent, SocketBase } from "./socket-io-client.ts";
import { reservedEvents } from "../protocol/reserved-events.ts";

const prototypes = { Manager: Manager.prototype, Socket: Socket.prototype };

/** Methods that are called or replaced, with the number of their parameters. */
test.for<[keyof typeof prototypes, string, number]>([
  ["Manager", "socket", 2],
  ["Manager", "reconnectionDelay", 1],
  ["Manager", "randomizationFactor", 1],
  ["Socket", "connect", 0],
  ["Socket", "disconnect", 0],
  ["Socket", "emit", 1],
  ["Socket", "emitWithAck", 1],
  ["Socket", "emitEvent", 1],
  ["Socket", "packet", 1],
  ["Socket", "onpacket", 1],
  ["Socket", "onconnect", 2],
  ["Socket", "onclose", 2],
  ["Socket", "notifyOutgoingListeners", 1],
  ["Socket", "_sendConnectPacket", 1],
])("%s#%s takes %i parameters", ([owner, name, length]) => {
  const method = (prototypes[owner] as unknown as Record<string, unknown>)[name];
  expect(method, `${owner}#${name}`).toBeTypeOf("function");
  expect((method as () => void).length, `parameters of ${owner}#${name}`).toBe(length);
});

test("_sendConnectPacket gets on open what auth gives, and sends pid and offset", async () => {
  const { io, manager } = await open();
  const auth = new Promise<object>((resolve) => {
    io.use((socket, next) => {
      resolve(socket.handshake.auth);
      next();
    });
  });
  class Probe extends SocketBase {
    override _sendConnectPacket(data: Record<string, unknown> | undefined): void {
      this.packet({ type: packetConnect, data: { ...data, pid: "", offset: "hello" } });
    }
  }
  const socket = new Probe(manager, "/", { auth: (done: (data: object) => void) => done({ token: 1 }) });
  socket.connect();
  expect(await auth).toEqual({ token: 1, pid: "", offset: "hello" });
});

test("onpacket gets every packet with its namespace, the CONNECT packet first", async () => {
  const { io, manager, socket } = await open();
  const packets: unknown[] = [];
  const target = socket as unknown as { onpacket(packet: object): void };
  const { onpacket } = target;
  target.onpacket = (packet) => {
    packets.push(packet);
    onpacket.call(socket, packet);
  };
  io.on("connection", (other) => other.emit("event", 1));
  socket.connect();
  await vi.waitFor(() => expect(packets).toHaveLength(2));
  expect(packets).toEqual([
    { type: packetConnect, nsp: "/", data: { sid: expect.any(String) } },
    { type: packetEvent, nsp: "/", data: ["event", 1] },
  ]);
  expect(manager.nsps["/"]).toBe(socket);
});

test("onconnect says connected, and recovered when the token is the one in _pid", async () => {
  const { socket } = await open();
  const internals = socket as unknown as {
    onconnect(id: string, pid?: string): void;
    _pid: string | undefined;
  };
  internals._pid = "token";
  internals.onconnect("id", "token");
  expect([socket.connected, socket.id, socket.recovered, internals._pid]).toEqual([
    true,
    "id",
    true,
    "token",
  ]);
  internals.onconnect("id", "other");
  expect(socket.recovered).toBe(false);
});

test("onclose says disconnect with its reason, and connected is false", async () => {
  const { socket } = await open();
  const internals = socket as unknown as { onconnect(id: string): void; onclose(reason: string): void };
  const said = vi.fn();
  socket.on("disconnect", said);
  internals.onconnect("id");
  internals.onclose("a reason");
  expect([socket.connected, socket.id]).toEqual([false, undefined]);
  expect(said.mock.calls[0]?.[0]).toBe("a reason");
});

test("a new socket opens in its constructor exactly when the manager's _autoConnect is on", async () => {
  const { manager } = await open();
  const opened = vi.spyOn(Socket.prototype, "open").mockReturnThis();
  onTestFinished(() => opened.mockRestore());
  expect(manager._autoConnect).toBe(false);
  Reflect.construct(Socket, [manager, "/x", {}]);
  expect(opened).not.toHaveBeenCalled();
  manager._autoConnect = true;
  Reflect.construct(Socket, [manager, "/y", {}]);
  expect(opened).toHaveBeenCalledTimes(1);
});

test("emitEvent calls the catch-all listeners, then those of the event", async () => {
  const { socket } = await open();
  const heard: string[] = [];
  socket.onAny((event) => heard.push(`any ${event}`));
  socket.on("event", (value) => heard.push(`event ${value}`));
  (socket as unknown as { emitEvent(args: unknown[]): void }).emitEvent(["event", 1]);
  expect(heard).toEqual(["any event", "event 1"]);
});

test("notifyOutgoingListeners tells the listeners the data of a packet", async () => {
  const { socket } = await open();
  const heard = vi.fn();
  socket.onAnyOutgoing(heard);
  (socket as unknown as { notifyOutgoingListeners(packet: object): void }).notifyOutgoingListeners({
    data: ["a", 1],
  });
  expect(heard).toHaveBeenCalledWith("a", 1);
});

test("timeout(), volatile and compress() set flags; _opts has ackTimeout and retries", async () => {
  const { manager } = await open();
  const socket = new Socket(manager as never, "/", { ackTimeout: 3, retries: 2 });
  const internals = socket as unknown as { flags: object; _opts: object };
  expect(internals.flags).toEqual({});
  void socket.timeout(5).volatile.compress(false);
  expect(internals.flags).toEqual({ timeout: 5, volatile: true, compress: false });
  expect(internals._opts).toMatchObject({ ackTimeout: 3, retries: 2 });
});

test("the engine writes ready-made packet text, knows whether its ping has expired, and closes", async () => {
  const { io, manager, socket } = await open();
  const heard = vi.fn();
  io.on("connection", (other) => other.on("event", heard));
  socket.connect();
  await vi.waitFor(() => expect(socket.connected).toBe(true));
  const { engine } = manager;
  expect(engine?.readyState).toBe("open");
  expect(engine?._hasPingExpired()).toBe(false);
  engine?.write('2["event","written"]', { compress: false });
  await vi.waitFor(() => expect(heard).toHaveBeenCalledWith("written"));
  const closed = new Promise((resolve) => socket.once("disconnect", resolve));
  engine?.close();
  expect(await closed).toBe("forced close");
});

test("a reconnect waits for the delay that is set, then says reconnect_attempt", async () => {
  const { manager, socket } = await open();
  socket.connect();
  await vi.waitFor(() => expect(socket.connected).toBe(true));
  manager.reconnectionDelay(1);
  manager.randomizationFactor(0);
  expect([manager.reconnectionDelay(), manager.randomizationFactor()]).toEqual([1, 0]);
  const attempted = new Promise<void>((resolve) => manager.once("reconnect_attempt", resolve));
  (manager.engine as unknown as { transport: { ws: { close(): void } } }).transport.ws.close();
  await attempted;
});

test("the manager keeps opts with the parser that was chosen", () => {
  const parser = {
    Encoder: class {},
    Decoder: class {
      on() {}
    },
  };
  const manager = new Manager("http://127.0.0.1:1", {
    autoConnect: false,
    parser,
  }) as unknown as ManagerInternals;
  expect(manager.opts.parser).toBe(parser);
  expect(manager.engine).toBeUndefined();
});

test("the reserved names are those that socket.io-client refuses", async () => {
  const { socket } = await open();
  for (const name of reservedEvents)
    expect(() => socket.emit(name), name).toThrow("is a reserved event name");
});

async function open() {
  const http = createServer();
  const io = new Server(http);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  const manager = new Manager(`http://127.0.0.1:${port}`, { autoConnect: false, transports: ["websocket"] });
  const socket = manager.socket("/");
  onTestFinished(async () => {
    manager._close();
    await io.close();
  });
  return { io, manager: manager as unknown as ManagerInternals, socket };
}
