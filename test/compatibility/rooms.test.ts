/** Rooms, broadcasts and the server's view of its sockets mean what they mean in Socket.IO, in every pair. */

import type { Server, Socket as ServerSocket } from "socket.io";
import type { Socket as ClientSocket } from "socket.io-client";
import { describe, expect, test, type TestContext, vi } from "vitest";
import { until, within } from "../harness/until.ts";
import { next, openClient, openServer, type Pair, pairs, reaches, record } from "./pair.ts";

describe.each(pairs)("$server server, $client client", (pair) => {
  test("to, in and except choose who gets a broadcast; several rooms deliver once", async (context) => {
    const { io, members } = await three(context, pair);
    const [ann, bob] = members;
    io.emit("event", "everyone");
    io.to("a").emit("event", "to a");
    io.in(["a", "b"]).emit("event", "to a and b");
    io.to("a").to("b").to("c").except("b").emit("event", "to a, b, c but not b");
    io.except(["a"]).emit("event", "not a");
    io.to(ann.server.id).emit("event", "to ann");
    ann.server.to("b").emit("event", "from ann to b");
    ann.server.to(["a", "b", "c"]).emit("event", "from ann to a, b, c");
    bob.server.broadcast.except("c").emit("event", "from bob, not c");
    bob.server.in("c").except("c").emit("event", "to nobody");
    io.to("nowhere").emit("event", "to nobody");
    io.send("end");
    await Promise.all(members.map(({ messages }) => reaches(messages, 1)));
    const heard = members.map(({ events }) => events.flat());
    expect(heard).toEqual([
      ["everyone", "to a", "to a and b", "to a, b, c but not b", "to ann", "from bob, not c"],
      ["everyone", "to a", "to a and b", "from ann to b", "from ann to a, b, c"],
      ["everyone", "to a, b, c but not b", "not a", "from ann to a, b, c"],
    ]);
  });

  test("volatile, local and compressed broadcasts arrive", async (context) => {
    const { io, members } = await three(context, pair);
    const [ann, ...others] = members;
    io.local.emit("event", "local");
    await Promise.all(members.map(({ events }) => reaches(events, 1)));
    ann.server.to("a").to("b").to("c").volatile.emit("event", "volatile");
    await Promise.all(others.map(({ events }) => reaches(events, 2)));
    io.to("a").compress(false).emit("event", "compressed");
    await reaches(ann.events, 2);
    expect(ann.events.flat()).toEqual(["local", "compressed"]);
  });

  test("a broadcast with a callback gathers the replies of all", async (context) => {
    const { io, members } = await three(context, pair);
    members.forEach(({ client }, index) =>
      client.on("ask", (question, answer) => answer(`${question} ${index}`)),
    );
    const [error, replies] = await called((done) => io.timeout(5_000).emit("ask", "all", done));
    expect(error).toBeNull();
    expect((replies as string[]).toSorted()).toEqual(["all 0", "all 1", "all 2"]);
    const some = (await io.to("a").timeout(5_000).emitWithAck("ask", "some")) as string[];
    expect(some.toSorted()).toEqual(["some 0", "some 1"]);
    const others = await members[0].server.broadcast.timeout(5_000).emitWithAck("ask", "others");
    expect((others as string[]).toSorted()).toEqual(["others 1", "others 2"]);
    expect(await io.to("nowhere").timeout(5_000).emitWithAck("ask")).toEqual([]);
  });

  test("a broadcast whose replies do not all come fails, and gives those that came", async (context) => {
    const { io, members } = await three(context, pair);
    members[0].client.on("ask", (answer) => answer("here"));
    const [error, replies] = await called((done) => io.timeout(100).emit("ask", done));
    expect((error as Error).message).toBe("operation has timed out");
    expect(replies).toEqual(["here"]);
    await expect(io.timeout(50).emitWithAck("ask")).rejects.toMatchObject({ responses: ["here"] });
  });

  test("socket.rooms has the socket's own room and those it joined", async (context) => {
    const { members } = await three(context, pair);
    const { server } = members[1];
    expect([...server.rooms].toSorted()).toEqual([server.id, "a", "b"].toSorted());
    await server.leave("a");
    await server.join(["d", "e"]);
    expect([...server.rooms].toSorted()).toEqual([server.id, "b", "d", "e"].toSorted());
    const disconnecting = new Promise<string[]>((resolve) => {
      server.on("disconnecting", () => resolve([...server.rooms]));
    });
    members[1].client.disconnect();
    expect(await within(disconnecting, { what: "disconnecting" })).toHaveLength(4);
    await until(() => server.rooms.size === 0, { what: "no rooms" });
  });

  test("fetchSockets, socketsJoin, socketsLeave and disconnectSockets", async (context) => {
    const { io, members } = await three(context, pair);
    const ids = (room: string) =>
      members.filter(({ rooms }) => rooms.includes(room)).map(({ server }) => server.id);
    const fetched = await io.in("a").fetchSockets();
    expect(fetched.map(({ id }) => id).toSorted()).toEqual(ids("a").toSorted());
    const [remote] = await io.in(members[0].server.id).fetchSockets();
    expect(remote?.data).toEqual({ name: 0 });
    expect([...(remote?.rooms ?? [])].toSorted()).toEqual([members[0].server.id, "a"].toSorted());
    expect(remote?.handshake.auth).toMatchObject({ name: 0 });
    io.in("a").socketsJoin(["x", "y"]);
    await until(() => io.of("/").adapter.rooms.get("x")?.size === 2, { what: "two members of x" });
    io.to("x").emit("event", "to x");
    members[2].server.to("y").emit("event", "to y");
    io.in("b").socketsLeave("x");
    await until(() => io.of("/").adapter.rooms.get("x")?.size === 1, { what: "one member of x" });
    io.to("x").emit("event", "to x again");
    io.send("end");
    await Promise.all(members.map(({ messages }) => reaches(messages, 1)));
    expect(members.map(({ events }) => events.flat())).toEqual([
      ["to x", "to y", "to x again"],
      ["to x", "to y"],
      [],
    ]);
    const gone = next(members[2].client, "disconnect");
    io.in("c").disconnectSockets();
    expect((await gone)[0]).toBe("io server disconnect");
    expect((await io.fetchSockets()).length).toBe(2);
  });

  test("the adapter says when rooms begin, are joined, left and end", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const { adapter } = io.of("/");
    const heard: string[] = [];
    for (const event of ["create-room", "join-room", "leave-room", "delete-room"] as const) {
      adapter.on(event, (room: string) => heard.push(`${event} ${room}`));
    }
    const connection = next(io, "connection");
    await openClient(context, pair.client, url);
    const [socket] = (await connection) as [ServerSocket];
    expect(heard.splice(0)).toEqual([`create-room ${socket.id}`, `join-room ${socket.id}`]);
    await socket.join("a");
    await socket.leave("a");
    expect(heard.splice(0)).toEqual(["create-room a", "join-room a", "leave-room a", "delete-room a"]);
    socket.disconnect();
    await until(() => heard.length === 2, { what: "the own room ends" });
    expect(heard).toEqual([`leave-room ${socket.id}`, `delete-room ${socket.id}`]);
  });

  test("rooms that a middleware joins are joined once the socket is connected", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    io.use((socket, continues) => {
      void socket.join("early");
      continues();
    });
    const connection = next(io, "connection");
    const client = await openClient(context, pair.client, url);
    const [socket] = (await connection) as [ServerSocket];
    await until(() => socket.rooms.has("early"), { what: "membership" });
    const heard = next(client, "event");
    io.to("early").emit("event", 1);
    expect(await heard).toEqual([1]);
  });

  test("serverSideEmit needs an adapter of several servers, and says so", async (context) => {
    const { io } = await openServer(context, pair.server);
    const warn = vi.spyOn(console, "warn").mockReturnValue(undefined);
    context.onTestFinished(() => warn.mockRestore());
    io.serverSideEmit("event");
    io.of("/").serverSideEmit("event");
    const words = "this adapter does not support the serverSideEmit() functionality";
    expect(warn.mock.calls).toEqual([[words], [words]]);
  });
});

/** Three clients: the first in room a, the second in a and b, the third in c. */
async function three(
  context: TestContext,
  pair: Pair,
): Promise<{ io: Server; members: [Member, Member, Member] }> {
  const { io, url } = await openServer(context, pair.server);
  io.use((socket, continues) => {
    socket.data.name = socket.handshake.auth.name;
    continues();
  });
  const members: Member[] = [];
  for (const rooms of [["a"], ["a", "b"], ["c"]]) {
    const connection = next(io, "connection");
    const client = await openClient(context, pair.client, url, { auth: { name: members.length } });
    const [server] = (await connection) as [ServerSocket];
    await server.join(rooms);
    members.push({
      rooms,
      client,
      server,
      events: record(client, "event"),
      messages: record(client, "message"),
    });
  }
  return { io, members: members as [Member, Member, Member] };
}

/** What a callback is called with. */
async function called(start: (done: (...args: unknown[]) => void) => unknown): Promise<unknown[]> {
  const calling = new Promise<unknown[]>((resolve) => start((...args) => resolve(args)));
  return await within(calling, { what: "callback" });
}

type Member = {
  readonly rooms: readonly string[];
  readonly client: ClientSocket;
  readonly server: ServerSocket;
  readonly events: unknown[][];
  readonly messages: unknown[][];
};
