/** Several machines behind one HAProxy, with one Redis between them, and what happens when a machine dies. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Child } from "../harness/child.ts";
import { haproxySees } from "./haproxy-runtime.ts";
import { expectPassage } from "./passage.ts";
import { beginLoad, drain } from "./roll-under-load.ts";
import { startSecondStack, type Who, whoAsks } from "./second-stack.ts";
import { type NodeName, openSite, type Site, whyNoSite } from "./site.ts";

const parts = ["base", "edge-http", "nodes-on-several-machines", "website-on-several-machines"];

describe.skipIf(whyNoSite !== undefined)("HAProxy before several machines", () => {
  test("clients of every transport get through, drop and resume", async (context) => {
    const site = await openSite(context);
    await startMachines(site, ["a00", "a01", "a02"]);
    await expectPassage(context, site.url());
    // The second stack takes turns, and sees whose request it is.
    const instances = ["one", "two", "three"] as const;
    for (const [index, INSTANCE] of instances.entries()) {
      await startSecondStack(site, { INSTANCE, HOST: machines[index] ?? "" });
    }
    await haproxySees(site.haproxySocket, instances, "UP", "website");
    const answers: Who[] = [];
    for (let count = 0; count < 6; count += 1) answers.push(await whoAsks(site.url()));
    const counts = instances.map((name) => answers.filter(({ instance }) => instance === name).length);
    expect(counts).toEqual([2, 2, 2]);
    expect(new Set(answers.map(({ client }) => client))).toEqual(new Set([site.clientAddress]));
  });

  test("G1 G2 a node is killed, all are rolled, and HAProxy is started again", async (context) => {
    const site = await openSite(context);
    const { nodes, haproxy } = await startMachines(site, ["a00", "a01", "a02"]);
    const load = await beginLoad(context, site.url());
    const [killed, ...others] = nodes as [Child, Child, Child];
    const lost = await load.over(async () => {
      killed.signal("SIGKILL");
      await killed.exited();
      await haproxySees(site.haproxySocket, ["a00"], "DOWN");
    }, 1);
    expect(lost).toBeGreaterThan(20);
    const rolled = await load.over(async () => {
      await Promise.all((["b00", "b01", "b02"] as const).map((name) => startMachine(site, name)));
      await haproxySees(site.haproxySocket, ["b00", "b01", "b02"], "UP");
      await drain(others);
    }, 1);
    expect(rolled).toBe(150);
    await load.over(async () => {
      await haproxy.kill();
      haproxy.restart();
      await site.reachable(80);
    }, 2);
    await load.end();
  });
});

/** The addresses of the shipped file, all on one machine here; Redis has one more. */
const machines = ["10.0.0.10", "10.0.0.11", "10.0.0.12"] as const;
const redisAddress = "10.0.0.20";

async function startMachines(
  site: Site,
  names: readonly NodeName[],
): Promise<{ readonly nodes: readonly Child[]; readonly haproxy: Child }> {
  for (const address of [...machines, redisAddress]) await site.addAddress(address);
  const settings = `--bind ${redisAddress} --protected-mode no --appendonly yes --dir ${site.folder}`;
  const redis = site.startSystem("redis-server", settings.split(" "));
  await redis.line(/Ready to accept connections/);
  const nodes = await Promise.all(names.map((name) => startMachine(site, name)));
  const haproxy = await site.startHaproxy(parts);
  await haproxySees(site.haproxySocket, names, "UP");
  return { nodes, haproxy };
}

async function startMachine(site: Site, name: NodeName): Promise<Child> {
  return await site.startNode(name, {
    environment: {
      PORT: name.startsWith("a") ? "8000" : "8010",
      HOST: machines[Number(name.at(-1))] ?? "",
      HOLDFAST_STORE: `redis://${redisAddress}`,
      HOLDFAST_CHAT_DATABASE: join(site.folder, "chat.db"),
    },
  });
}
