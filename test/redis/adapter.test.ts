/** What is not stored reaches the other processes of a Redis, alone and as a Cluster. */

import { Adapter } from "socket.io-adapter";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { next, reaches, record } from "../compatibility/pair.ts";
import { Scope } from "../harness/owner.ts";
import { type RedisCluster, startRedisCluster } from "../harness/redis-cluster.ts";
import { type RedisServer, startRedis } from "../harness/redis-server.ts";
import { redisTest } from "../harness/redis-test.ts";
import { until } from "../harness/until.ts";
import { type Member, openNode, openNodes, reachEachOther, type TestNode } from "./nodes.ts";

describe.each([
  { kind: "a Redis alone", start: (owner: Scope) => startRedis(owner) },
  { kind: "a Cluster", start: (owner: Scope) => startRedisCluster(owner, { masters: 3 }) },
])("$kind", ({ kind, start }) => {
  const owner = new Scope();
  let redis: RedisServer | RedisCluster;
  let stores = 0;

  beforeAll(async () => {
    redis = await start(owner);
  });
  afterAll(() => owner.end());

  /** Every test has channels and keys of its own. */
  function freshStore(): string {
    stores += 1;
    return `${redis.address}?prefix=adapter${stores}`;
  }

  redisTest("fetchSockets sees the sockets of all nodes, with rooms and data", async (context) => {
    const [here, there] = await openNodes(context, freshStore());
    const near = await here.member(["a"]);
    const far = await there.member(["a", "b"]);
    const stock = await there.member(["b"], "stock");
    far.server.data.name = "far";
    const ids = async (node: TestNode, room?: string) =>
      (await (room === undefined ? node.io : node.io.in(room)).fetchSockets()).map(({ id }) => id).toSorted();
    for (const node of [here, there]) {
      expect(await ids(node)).toEqual(idsOf(near, far, stock));
      expect(await ids(node, "a")).toEqual(idsOf(near, far));
    }
    const [remote] = await here.io.in(far.server.id).fetchSockets();
    expect(remote?.data).toEqual({ name: "far" });
    expect([...(remote?.rooms ?? [])].toSorted()).toEqual([far.server.id, "a", "b"].toSorted());
    expect(await here.io.local.fetchSockets()).toHaveLength(1);
  });

  redisTest("serverSideEmit reaches the other node, whose answer comes back", async (context) => {
    const [here, there] = await openNodes(context, freshStore());
    const heard = record(there.io, "tell");
    const own = record(here.io, "tell");
    there.io.on("ask", (question: string, answer: (value: unknown) => void) => answer({ question }));
    const bytes = Buffer.from([0, 255, 123]);
    here.io.serverSideEmit("tell", "text", { bytes });
    expect(await reaches(heard, 1)).toEqual([["text", { bytes }]]);
    expect(await here.io.serverSideEmitWithAck("ask", "why")).toEqual([{ question: "why" }]);
    expect(own).toEqual([]);
  });

  redisTest("socketsJoin, socketsLeave and disconnectSockets reach the other node", async (context) => {
    const [here, there] = await openNodes(context, freshStore());
    const near = await here.member(["a"]);
    const far = await there.member(["a"]);
    const bystander = await there.member(["b"]);
    here.io.in("a").socketsJoin("x");
    const inRoom = (member: Member, room: string) => member.server.rooms.has(room);
    await until(() => inRoom(near, "x") && inRoom(far, "x"), { what: "both in x" });
    expect(inRoom(bystander, "x")).toBe(false);
    const heard = record(far.client, "event");
    here.io.to("x").emit("event", "stored");
    expect(await reaches(heard, 1)).toEqual([["stored"]]);
    here.io.in("a").socketsLeave("x");
    await until(() => !inRoom(near, "x") && !inRoom(far, "x"), { what: "both have left x" });
    const gone = [near, far].map(({ client }) => next(client, "disconnect"));
    here.io.in("a").disconnectSockets();
    for (const [why] of await Promise.all(gone)) expect(why).toBe("io server disconnect");
    expect(bystander.client.connected).toBe(true);
  });

  redisTest(
    "G2: what is emitted right after socketsJoin reaches the sockets of the other node",
    async (context) => {
      const [here, there] = await openNodes(context, freshStore());
      const far = await there.member(["a"]);
      const heard = record(far.client, "event");
      const rooms = Array.from({ length: 50 }, (_, index) => `room ${index}`);
      for (const room of rooms) {
        here.io.in("a").socketsJoin(room);
        here.io.to(room).emit("event", room);
      }
      const shown = (await reaches(heard, rooms.length)).flat();
      expect(new Set(shown)).toEqual(new Set(rooms));
    },
  );

  redisTest("a volatile broadcast reaches clients of the other node and is not stored", async (context) => {
    const [here, there] = await openNodes(context, freshStore());
    const members = [await here.member(["room"]), await there.member(["room"])];
    const stock = await there.member(["room"], "stock");
    const far = members[1]!;
    const everyone = [...members, stock].map(({ client }) => record(client, "event"));
    // Until the room's channel is heard, and whenever a connection has something to write, it may be lost.
    await repeat(
      () => here.io.to("room").volatile.emit("event", Buffer.from([1])),
      () => everyone.every((events) => events.length > 0),
    );
    for (const [first] of everyone) expect(first).toEqual([Buffer.from([1])]);
    const own = record(far.client, "own");
    await repeat(
      () => here.io.to(far.server.id).volatile.emit("own", "to one"),
      () => own.length > 0,
    );
    const all = record(far.client, "all");
    await repeat(
      () => here.io.volatile.emit("all"),
      () => all.length > 0,
    );
    const stored = [...members, stock].map(({ client }) => record(client, "stored"));
    here.io.to("room").emit("stored", "once");
    here.io.to("room").emit("stored", "end");
    for (const events of stored) expect(await reaches(events, 2)).toEqual([["once"], ["end"]]);
    const { entries } = await here.delivery.read("room", { limit: 10 });
    expect(entries.map(({ args }) => args)).toEqual([["once"], ["end"]]);
  });

  redisTest("a room's channel is heard as long as somebody is in the room", async (context) => {
    const store = freshStore();
    const [here, there] = await openNodes(context, store);
    const far = await there.member([]);
    const channels = async () => (await shardChannels(redis)).filter((name) => name.endsWith("#room#"));
    for (let round = 0; round < 5; round += 1) {
      void far.server.join("room");
      void far.server.leave("room");
    }
    await far.server.join("room");
    await until(async () => (await channels()).length === 1, { what: "the room's channel" });
    const events = record(far.client, "event");
    await repeat(
      () => here.io.to("room").volatile.emit("event"),
      () => events.length > 0,
    );
    await far.server.leave("room");
    await until(async () => (await channels()).length === 0, { what: "no channel of the room" });
  });

  redisTest("a callback of a volatile broadcast gathers the replies of both nodes", async (context) => {
    const [here, there] = await openNodes(context, freshStore());
    const members = [await here.member(["room"], "stock"), await there.member(["room"], "stock")];
    for (const [index, { client }] of members.entries()) {
      client.on("ask", (answer: (value: number) => void) => answer(index));
    }
    const replies = (await here.io.to("room").volatile.timeout(5_000).emitWithAck("ask")) as number[];
    expect(new Set(replies)).toEqual(new Set([0, 1]));
  });

  redisTest("G4: a callback of a stored broadcast gathers the replies of both nodes", async (context) => {
    const [here, there] = await openNodes(context, freshStore());
    for (const [node, rooms] of [
      [here, ["near", "both"]],
      [there, ["both"]],
    ] as const) {
      const { client } = await node.member([...rooms]);
      client.on("ask", (answer: (value: string) => void) => answer("here"));
    }
    expect(await here.io.to("near").timeout(5_000).emitWithAck("ask")).toEqual(["here"]);
    expect(await here.io.to("both").timeout(5_000).emitWithAck("ask")).toEqual(["here", "here"]);
  });

  redisTest("a server that has closed leaves no channel and no connection", async (context) => {
    const [here, there] = await openNodes(context, freshStore());
    await there.member(["room"]);
    await there.io.close();
    // Redis hears of a closed connection in its own time.
    await until(async () => (await here.io.of("/").adapter.serverCount()) === 1, { what: "one server" });
    await here.io.close();
    await until(async () => (await connections(redis)) === 0, { what: "no connection" });
  });

  redisTest("servers of another prefix or database are not reached", async (context) => {
    const nodes = await openNodes(context, freshStore());
    const strangers = [await openNode(context, freshStore())];
    // A Cluster has no databases.
    const [host, settings] = freshStore().split("?");
    if (kind === "a Redis alone") {
      for (const database of [0, 1])
        strangers.push(await openNode(context, `${host}/${database}?${settings}`));
    }
    await reachEachOther(nodes);
    for (const { io } of strangers) {
      await until(async () => (await io.of("/").adapter.serverCount()) > 0, { what: "its own channel" });
      expect(await io.of("/").adapter.serverCount()).toBe(1);
    }
  });

  redisTest("an adapter that is given is the one that is used", async (context) => {
    const store = freshStore();
    const node = await openNode(context, store, { adapter: Adapter });
    await node.member(["room"]);
    expect(await node.io.of("/").adapter.serverCount()).toBe(1);
    expect((await shardChannels(redis)).filter((name) => name.includes(":bus"))).toEqual([]);
  });
});

async function repeat(emit: () => void, isHeard: () => boolean): Promise<void> {
  await until(
    () => {
      emit();
      return isHeard();
    },
    { what: "a volatile event" },
  );
}

function idsOf(...members: readonly Member[]): string[] {
  return members.map(({ server }) => server.id).toSorted();
}

/** Connections besides the test's own, of which each server has one. */
async function connections(redis: RedisServer | RedisCluster): Promise<number> {
  const servers = "masters" in redis ? redis.masters : [redis];
  const lists = await Promise.all(servers.map((server) => server.command<string>("CLIENT", "LIST")));
  return lists.flatMap((text) => text.trim().split("\n")).length - servers.length;
}

/** The channels that somebody listens to, at any of the servers. */
async function shardChannels(redis: RedisServer | RedisCluster): Promise<string[]> {
  const servers = "masters" in redis ? redis.masters : [redis];
  const lists = await Promise.all(
    servers.map((server) => server.command<string[]>("PUBSUB", "SHARDCHANNELS")),
  );
  return lists.flat();
}
