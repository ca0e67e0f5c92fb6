/**
 * Who holds which name in the shipped chat: the same rules in a file and in Redis, there for all machines.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { io, type Socket } from "holdfast/client";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Names, namesPerUserMax } from "../../src/app/names.ts";
import { RedisNames } from "../../src/app/redis-names.ts";
import { SqliteNames } from "../../src/app/sqlite-names.ts";
import { openSharedKeys } from "../../src/store/redis/shared-keys.ts";
import { programPath, startChild } from "../harness/child.ts";
import { type Owner, Scope } from "../harness/owner.ts";
import { startRedisCluster } from "../harness/redis-cluster.ts";
import { startRedis } from "../harness/redis-server.ts";
import { redisIsThere, redisTest } from "../harness/redis-test.ts";
import { until } from "../harness/until.ts";

describe("names in a file", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-names-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  namesContract((place) => new SqliteNames(join(folder, `${place}.db`)));
});

describe.runIf(redisIsThere)("names in a Redis", () => {
  const owner = new Scope();
  afterAll(() => owner.end());
  let address = "";
  beforeAll(async () => {
    ({ address } = await startRedis(owner, { appendonly: "always" }));
  });
  namesContract((place) => namesAt(`${address}?durability=fsynced&prefix=${place}`));
});

describe.runIf(redisIsThere)("names in a Cluster", () => {
  const owner = new Scope();
  afterAll(() => owner.end());
  let address = "";
  beforeAll(async () => {
    ({ address } = await startRedisCluster(owner, { masters: 3, replicas: 0 }));
  });
  namesContract((place) => namesAt(`${address}?prefix=${place}`));
});

/** `open` opens the names that belong to a place, as each of several processes does. */
function namesContract(open: (place: string) => Names): void {
  let places = 0;
  const openTwo = async (owner: Owner): Promise<readonly [Names, Names]> => {
    places += 1;
    const two = [open(`place${places}`), open(`place${places}`)] as const;
    for (const names of two) owner.onTestFinished(() => names.close());
    await Promise.all(two.map(({ ready }) => ready));
    return two;
  };

  test("a name is theirs who claimed it first, in any spelling, also after a change", async (owner) => {
    const [here, there] = await openTwo(owner);
    await here.claim("Ada", "user-1");
    await expect(there.claim("ADA", "user-2")).rejects.toMatchObject({ code: "name_taken" });
    await there.claim("Countess", "user-1");
    expect(await here.nameOf("user-1")).toBe("Countess");
    expect(await there.userOf("ada")).toBe("user-1");
    await expect(here.claim("Ada", "user-2")).rejects.toMatchObject({ code: "name_taken" });
    await here.claim("ada", "user-1");
    expect(await there.nameOf("user-1")).toBe("ada");
    expect(await there.nameOf("user-2")).toBeUndefined();
    expect(await there.userOf("constructor")).toBeUndefined();
  });

  test("a user holds at most five names, may go back to each, and repeats cost none", async (owner) => {
    const [here, there] = await openTwo(owner);
    const names = ["one", "two", "three", "four", "five"];
    for (const name of [...names, ...names]) await here.claim(name, "user");
    await expect(there.claim("six", "user")).rejects.toMatchObject({ code: "names_used_up" });
    await there.claim("two", "user");
    expect(await here.nameOf("user")).toBe("two");
    expect(names).toHaveLength(namesPerUserMax);
  });

  test("of many who claim one name at once, one gets it", async (owner) => {
    const two = await openTwo(owner);
    const users = Array.from({ length: 40 }, (_, number) => `user-${number}`);
    const claims = users.map((user, number) => two[number % 2 === 0 ? 0 : 1].claim("Ada", user));
    const won = (await Promise.allSettled(claims)).flatMap(({ status }, number) =>
      status === "fulfilled" ? [users[number]] : [],
    );
    expect(won).toHaveLength(1);
    expect(await two[1].userOf("Ada")).toBe(won[0]);
  });

  test("what is asked is done in the order of the calls", async (owner) => {
    const [here] = await openTwo(owner);
    const calls = [here.nameOf("user"), here.claim("Ada", "user"), here.nameOf("user"), here.userOf("Ada")];
    expect(await Promise.all(calls)).toEqual([undefined, undefined, "Ada", "user"]);
  });
}

redisTest("what is asked while Redis is away is answered in its order when it is back", async (owner) => {
  const redis = await startRedis(owner, { appendonly: "always" });
  const names = namesAt(redis.address);
  owner.onTestFinished(() => names.close());
  await names.claim("Ada", "user");
  await redis.kill();
  const answers: unknown[] = [];
  const ask = async (number: number) => answers.push([number, await names.nameOf("user")]);
  const asked = [ask(0), ask(1)];
  const claimed = names.claim("Countess", "user");
  asked.push(ask(2));
  await redis.restart();
  asked.push(ask(3));
  await Promise.all([claimed, ...asked]);
  expect(answers).toEqual([
    [0, "Ada"],
    [1, "Ada"],
    [2, "Countess"],
    [3, "Countess"],
  ]);
  expect(await names.userOf("ada")).toBe("user");
});

redisTest("whoever has a name at one node writes under it at another", async (owner) => {
  const redis = await startRedis(owner);
  const [one, other] = await Promise.all([
    startNode(owner, redis.address, "one"),
    startNode(owner, redis.address, "two"),
  ]);
  const [ada, adaElsewhere, grace] = [
    open(owner, one, "A"),
    open(owner, other, "A"),
    open(owner, other, "B"),
  ];
  await ada.emitWithAck("claim_name", { name: "Ada" });
  const shown: unknown[] = [];
  ada.on("message", (message: { from: { name: string }; text: string }) =>
    shown.push(`${message.from.name}: ${message.text}`),
  );
  await ada.emitWithAck("join", { room: "lobby" });
  const text = "from the other side";
  await adaElsewhere.emitWithAck("say", { room: "lobby", id: "message-1", text });
  await until(() => shown.length > 0, { what: "the message" });
  expect(shown).toEqual([`Ada: ${text}`]);
  await expect(grace.emitWithAck("claim_name", { name: "ADA" })).rejects.toMatchObject({
    code: "name_taken",
  });
});

redisTest("a Redis for the names that cannot keep them is refused at the start", async (owner) => {
  const redis = await startRedis(owner, { maxmemoryPolicy: "allkeys-lru" });
  const child = startMain(owner, { HOLDFAST_STORE: "memory:", HOLDFAST_CHAT_DATABASE: redis.address });
  expect((await child.exited(20_000)).code).toBe(2);
  expect(child.stderr).toMatch(/^HOLDFAST_CHAT_DATABASE=redis:.* cannot be opened: .*noeviction/);
});

function namesAt(address: string): Names {
  return new RedisNames(openSharedKeys(address));
}

async function startNode(owner: Owner, store: string, node: string): Promise<string> {
  const child = startMain(owner, { HOLDFAST_STORE: store, HOLDFAST_NODE: node });
  const [, url = ""] = await child.line(/Holdfast is at (\S+)/, 20_000);
  return url;
}

function startMain(owner: Owner, environment: Readonly<Record<string, string>>) {
  return startChild(owner, {
    program: programPath("../../src/main.ts", import.meta.url),
    environment: { PORT: "0", HOST: "127.0.0.1", ...environment },
    deadlineMs: 50_000,
  });
}

/** `letter` makes the secret that tells users apart. */
function open(owner: Owner, url: string, letter: string): Socket {
  const options = { auth: { secret: letter.repeat(43) }, forceNew: true, transports: ["websocket"] };
  const socket = io(url, options);
  owner.onTestFinished(() => void socket.disconnect());
  return socket;
}
