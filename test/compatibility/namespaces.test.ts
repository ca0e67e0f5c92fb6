/** Namespaces and middlewares mean what they mean in Socket.IO, in every pair. */

import type { Socket as ServerSocket } from "socket.io";
import { describe, expect, test } from "vitest";
import { connected, makeClient, next, openClient, openServer, pairs, reaches, record } from "./pair.ts";

describe.each(pairs)("$server server, $client client", (pair) => {
  test("namespaces share a connection and nothing else", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const sockets = record(io.of("/admin"), "connection");
    const client = await openClient(context, pair.client, url);
    const admin = client.io.socket("/admin", {});
    await connected(admin);
    const [[server]] = (await reaches(sockets, 1)) as [[ServerSocket]];
    expect(server.nsp.name).toBe("/admin");
    expect(admin.io).toBe(client.io);
    expect(io.engine.clientsCount).toBe(1);
    const [here, there] = [record(client, "event"), record(admin, "event")];
    await server.join("room");
    io.emit("event", "main");
    io.to("room").emit("event", "nobody");
    io.of("admin").to("room").emit("event", "room of admin");
    io.of("/admin").emit("event", "admin");
    expect(await reaches(there, 2)).toEqual([["room of admin"], ["admin"]]);
    expect(await reaches(here, 1)).toEqual([["main"]]);
    const gone = next(server, "disconnect");
    admin.disconnect();
    await gone;
    expect(client.connected).toBe(true);
    io.emit("event", "still here");
    await reaches(here, 2);
  });

  test("a namespace that nobody made is a connect_error", async (context) => {
    const { url } = await openServer(context, pair.server);
    const client = makeClient(context, pair.client, `${url}/nowhere`);
    const [error] = (await next(client, "connect_error")) as [Error];
    expect(error.message).toBe("Invalid namespace");
    expect(client.active).toBe(false);
  });

  test("dynamic namespaces are made by a regular expression and by a function", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const dynamic = io.of(/^\/team-\d+$/);
    dynamic.use((socket, continues) => {
      socket.data.team = socket.nsp.name;
      continues();
    });
    const teams = record(dynamic, "connection") as [ServerSocket][];
    io.of((name, auth, continues) => {
      continues(null, name === "/secret" && auth.password === "open");
    }).on("connection", (socket) => socket.emit("event", "secret"));
    const one = await openClient(context, pair.client, `${url}/team-1`);
    const two = await openClient(context, pair.client, `${url}/team-2`);
    await reaches(teams, 2);
    expect(teams.map(([socket]) => socket.data.team)).toEqual(["/team-1", "/team-2"]);
    const heard = [record(one, "event"), record(two, "event")];
    io.of("/team-1").emit("event", 1);
    dynamic.emit("event", "all teams");
    expect(await reaches(heard[0]!, 2)).toEqual([[1], ["all teams"]]);
    expect(await reaches(heard[1]!, 1)).toEqual([["all teams"]]);
    const refused = makeClient(context, pair.client, `${url}/secret`, { auth: { password: "wrong" } });
    expect(((await next(refused, "connect_error"))[0] as Error).message).toBe("Invalid namespace");
    const secret = makeClient(context, pair.client, `${url}/secret`, { auth: { password: "open" } });
    expect(await next(secret, "event")).toEqual(["secret"]);
  });

  test("middlewares run in order, and refuse with an error that carries data", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const ran: string[] = [];
    io.use((_socket, continues) => {
      ran.push("first");
      setImmediate(continues);
    });
    io.use((socket, continues) => {
      ran.push("second");
      if (socket.handshake.auth.ok === true) continues();
      else continues(Object.assign(new Error("not you"), { data: { code: 403, nested: ["x"] } }));
    });
    const connections = record(io, "connection");
    const client = makeClient(context, pair.client, url, { auth: { ok: false } });
    const [error] = (await next(client, "connect_error")) as [Error & { data?: unknown }];
    expect([error.message, error.data]).toEqual(["not you", { code: 403, nested: ["x"] }]);
    expect([client.connected, client.active, connections.length]).toEqual([false, false, 0]);
    expect(io.of("/").sockets.size).toBe(0);
    client.auth = { ok: true };
    client.connect();
    await connected(client);
    expect(ran).toEqual(["first", "second", "first", "second"]);
  });

  test("a socket's middlewares see and change each event, and can refuse it", async (context) => {
    const { io, url } = await openServer(context, pair.server);
    const connection = next(io, "connection");
    const client = await openClient(context, pair.client, url);
    const [server] = (await connection) as [ServerSocket];
    const seen: string[] = [];
    server.use((event, continues) => {
      seen.push(event[0]);
      event[1] = `${String(event[1])}, changed`;
      setImmediate(continues);
    });
    server.use((event, continues) => continues(event[0] === "bad" ? new Error("refused") : undefined));
    const [errors, heard] = [record(server, "error"), record(server, "good")];
    record(server, "bad").push = () => expect.fail("a refused event was heard");
    client.emit("bad", 1);
    client.emit("good", 2);
    expect(await reaches(heard, 1)).toEqual([["2, changed"]]);
    expect(await reaches(errors, 1)).toMatchObject([[{ message: "refused" }]]);
    expect(seen).toEqual(["bad", "good"]);
  });

  test("new_namespace is told, and cleaned up children where it is asked for", async (context) => {
    const { io, url } = await openServer(context, pair.server, { cleanupEmptyChildNamespaces: true });
    const made = record(io, "new_namespace") as [{ name: string }][];
    io.of(/^\/game-\d+$/).on("connection", () => undefined);
    const client = await openClient(context, pair.client, `${url}/game-7`);
    expect(made.map(([{ name }]) => name).filter((name) => name.startsWith("/game"))).toEqual(["/game-7"]);
    const [socket] = await io.of("/game-7").fetchSockets();
    expect(socket).toBeDefined();
    client.disconnect();
    const again = await openClient(context, pair.client, `${url}/game-7`);
    const heard = record(again, "event");
    io.of("/game-7").emit("event", 1);
    await reaches(heard, 1);
  });
});
