/** Workers of one machine: rolled, killed, and found again by clients on every transport. */

import { expect, test } from "vitest";
import { Chance } from "../guarantees/seed.ts";
import { until } from "../harness/until.ts";
import { Crowd } from "./crowd.ts";
import { startTree } from "./tree.ts";

const workers = 4;

test("G1 G2 four workers, rolled twice and killed five times under load", {
  timeout: 240_000,
}, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers });
  const crowd = await Crowd.gather(context, {
    kind: "Holdfast",
    url: tree.url,
    clients: 200,
    roomSize: 10,
    rate: 200,
  });
  crowd.talk();
  for (let roll = 0; roll < 2; roll++) {
    const started = performance.now();
    await tree.roll();
    await crowd.allConnected();
    const reconnects = crowd.reconnectsSince(started);
    expect(reconnects.map(({ length }) => length)).toEqual(Array(200).fill(1));
    const moments = reconnects.flat();
    expect(Math.max(...moments) - Math.min(...moments)).toBeGreaterThan(1_000);
  }
  const chance = new Chance(context);
  for (let kill = 0; kill < 5; kill++) {
    const before = crowd.acknowledged;
    await tree.killWorker((count) => chance.between(0, count - 1));
    await until(() => crowd.acknowledged > before + 100, { what: "the talk to go on", deadlineMs: 30_000 });
  }
  await crowd.settle();
  expect(crowd.verdict()).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  expect(crowd.acknowledged).toBe(crowd.emitted);
  expect(crowd.emitted).toBeGreaterThan(1_000);
});

test("clients get through while the primary has not heard yet whose they are", async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers: 3, tellsLateMs: 60_000 });
  const started = performance.now();
  const crowd = await Crowd.gather(context, {
    kind: "Holdfast",
    url: tree.url,
    clients: 60,
    roomSize: 10,
    rate: 60,
  });
  const transportOf = (index: number) => crowd.members[index]?.socket.io.engine.transport.name;
  const isOnItsOwn = (index: number) => transportOf(index) === (index % 3 === 0 ? "polling" : "websocket");
  await until(() => crowd.members.every(({ number }) => isOnItsOwn(number)), {
    what: "every client to be on its transport",
    state: () => crowd.members.map(({ number }) => transportOf(number)).join(" "),
  });
  // Without the mark in the id two of three requests went to a worker that does not know it.
  expect(crowd.reconnectsSince(started).every(({ length }) => length === 1)).toBe(true);
});

test("control: stock Socket.IO with its cluster adapter loses messages in one roll", {
  timeout: 120_000,
}, async (context) => {
  const tree = await startTree(context, { kind: "stock", workers: 2 });
  const crowd = await Crowd.gather(context, {
    kind: "stock",
    url: tree.url,
    clients: 60,
    roomSize: 10,
    rate: 200,
  });
  crowd.talk();
  const before = crowd.acknowledged;
  await until(() => crowd.acknowledged > before + 100, { what: "the talk to begin", deadlineMs: 30_000 });
  await tree.roll();
  await crowd.settle();
  expect(crowd.verdict().lost).toBeGreaterThan(0);
});

test("a burst of 600 connections spreads over the workers", { timeout: 120_000 }, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers });
  const crowd = await Crowd.gather(context, {
    kind: "Holdfast",
    url: tree.url,
    clients: 600,
    roomSize: 600,
    rate: 0,
  });
  const pids = await Promise.all(
    crowd.members.map(({ socket }) => socket.timeout(30_000).emitWithAck("where") as Promise<number>),
  );
  const counts = [...Map.groupBy(pids, (pid) => pid).values()].map(({ length }) => length);
  expect(counts.length).toBe(workers);
  expect(Math.max(...counts) / (600 / workers)).toBeLessThanOrEqual(1.3);
});

test("G1 G2 SIGKILL of the primary ends its workers, and a restart goes on with nothing lost", {
  timeout: 120_000,
}, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers: 2 });
  const crowd = await Crowd.gather(context, {
    kind: "Holdfast",
    url: tree.url,
    clients: 30,
    roomSize: 10,
    rate: 100,
  });
  crowd.talk();
  await until(() => crowd.acknowledged > 100, { what: "the talk to begin", deadlineMs: 30_000 });
  const pids = (await tree.workers()).map(({ pid }) => pid);
  await tree.child.kill("SIGKILL");
  await until(() => pids.every((pid) => !isAlive(pid)), { what: "the workers to end" });
  await tree.restart();
  await crowd.allConnected();
  await crowd.settle();
  expect(crowd.verdict()).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
  expect(crowd.acknowledged).toBe(crowd.emitted);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
