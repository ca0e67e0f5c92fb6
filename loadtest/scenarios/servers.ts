/** Scenarios in which servers come and go. */

import { oneCluster, type Topology } from "../topology/topology.ts";
import type { Scenario, Stage } from "./scenario.ts";

/** What the deploys below have in common; they differ in what is deployed behind what. */
const deploy = {
  clients: 200,
  rate: 100,
  talkMs: 40_000,
  lateAfterMs: 15_000,
  testedShareMin: 1,
} as const;

export const rollingDeploy = deployOf(
  "rolling-deploy",
  "three servers behind HAProxy are replaced by three new ones",
);

export const rollingDeploy5 = deployOf(
  "rolling-deploy-5",
  "five servers behind HAProxy are replaced by five new ones",
  { nodes: 5, edge: "haproxy" },
);

export const rollingDeployNginx = deployOf(
  "rolling-deploy-nginx",
  "three servers behind nginx are replaced by three new ones",
  { nodes: 3, edge: "nginx" },
);

/** One port, one primary; `holdfast roll` has it exchange its workers. */
export const rollingDeployCluster: Scenario = {
  ...deploy,
  name: "rolling-deploy-cluster",
  title: "all workers of a cluster are replaced by `holdfast roll`",
  topology: oneCluster,
  act: async ({ fleet, talkMs, at, note }) => {
    await at(talkMs * 0.3);
    await note("holdfast roll");
    await note(await fleet.roll());
  },
};

/** A deploy as `deploy/` does it: all new servers first, then every old one lets its clients go. */
function deployOf(name: string, title: string, topology?: Topology): Scenario {
  return { ...deploy, name, title, ...(topology === undefined ? {} : { topology }), act: replaceSlot };
}

async function replaceSlot({ fleet, first, talkMs, at, talk, note }: Stage): Promise<void> {
  const next = fleet.slot("b");
  await at(talkMs * 0.1);
  await note("the new servers start");
  await fleet.start(next);
  await note("the new servers are ready");
  const drainAtMs = talkMs * 0.4;
  // Old servers publish until they begin to let clients go.
  await talk(next, drainAtMs + fleet.drainLeadMs);
  await at(drainAtMs);
  await note("the old servers are told to end");
  const codes = await fleet.drain(first);
  await note(`the old servers have ended (${codes.join(", ")})`);
}

/** Each server in turn is killed, and started again a second later. */
export const workerKill: Scenario = {
  name: "worker-kill",
  title: "each of three servers is killed and started again",
  clients: 200,
  rate: 100,
  talkMs: 45_000,
  lateAfterMs: 25_000,
  testedShareMin: 1,
  act: async ({ fleet, first, talkMs, at, talk, note }) => {
    for (const [index, name] of first.entries()) {
      const killAtMs = talkMs * (0.1 + 0.25 * index);
      await at(killAtMs);
      await fleet.kill(name);
      await note(`${name} is killed`, [name]);
      await at(killAtMs + 1_000);
      await fleet.start([name]);
      await note(`${name} is back`);
      await talk([name], killAtMs + talkMs * 0.2);
    }
  },
};

/** The old HAProxy keeps the connections that it has, the new one takes new ones. */
export const proxyReload: Scenario = {
  name: "proxy-reload",
  title: "HAProxy is reloaded, twice",
  clients: 200,
  rate: 100,
  talkMs: 25_000,
  lateAfterMs: 15_000,
  testedShareMin: 0,
  act: async ({ fleet, talkMs, at, note }) => {
    for (const share of [0.2, 0.5]) {
      await at(talkMs * share);
      fleet.reloadProxy();
      await note("HAProxy is told to reload");
    }
  },
};

export const proxyRestart: Scenario = {
  name: "proxy-restart",
  title: "HAProxy is killed, and started again a second later",
  clients: 200,
  rate: 100,
  talkMs: 30_000,
  lateAfterMs: 20_000,
  testedShareMin: 0.85,
  act: async ({ fleet, talkMs, at, note }) => {
    await at(talkMs * 0.2);
    await fleet.killProxy();
    await note("HAProxy is killed");
    await at(talkMs * 0.2 + 1_000);
    await fleet.startProxy();
    await note("HAProxy is back");
  },
};

/** Redis keeps what it has on its disk; publishes fail or wait meanwhile, and are counted as such. */
export const storeRestart: Scenario = {
  name: "store-restart",
  title: "Redis ends, and comes back with its file two seconds later",
  clients: 200,
  rate: 60,
  talkMs: 40_000,
  lateAfterMs: 25_000,
  testedShareMin: 0,
  store: "redis",
  act: async ({ fleet, talkMs, at, note }) => {
    await at(talkMs * 0.25);
    await fleet.stopRedis();
    await note("Redis has ended");
    await at(talkMs * 0.25 + 2_000);
    await fleet.startRedis();
    await note("Redis is back");
  },
};

/**
 * What Holdfast acknowledged is on a replica, so it has to lose nothing and report no gap: publishes and
 * handlers wait until there is a primary again, and clients may be sent away meanwhile and come back. What a
 * control has written last may not be on the replica that is promoted.
 */
export const storeFailover: Scenario = {
  name: "store-failover",
  title: "Redis' primary is killed, and Sentinel puts a replica in its place",
  clients: 200,
  rate: 60,
  talkMs: 40_000,
  lateAfterMs: 25_000,
  testedShareMin: 0,
  store: "redis",
  redis: "sentinel",
  storeSettings: "?durability=replicated&replicas=1",
  act: async ({ fleet, talkMs, at, note }) => {
    await at(talkMs * 0.3);
    await note("Redis' primary is killed");
    const { killed, promoted } = await fleet.failOver();
    await note(`port ${promoted} is the primary in the place of ${killed}`);
  },
};

/**
 * Six servers for a while: clients that come back are spread over all, and those of three have to move on.
 */
export const scale: Scenario = {
  name: "scale",
  title: "three servers become six, and three again",
  clients: 200,
  rate: 100,
  talkMs: 45_000,
  lateAfterMs: 20_000,
  testedShareMin: 0.85,
  links: true,
  act: async ({ fleet, links, talkMs, at, note }) => {
    await at(talkMs * 0.1);
    const more = fleet.slot("b");
    await fleet.start(more);
    await note("six servers run");
    await at(talkMs * 0.35);
    await note(`${links.reset(() => true)} links break: clients come back to all six`);
    await at(talkMs * 0.6);
    await note("three servers are told to end");
    await fleet.drain(more);
    await note("three servers run");
  },
};
