/** Scenarios in which servers come and go. */

import type { NodeName } from "../../test/deploy/site.ts";
import { drainLeadMs } from "../fleet.ts";
import type { Scenario } from "./scenario.ts";

const slotB: readonly NodeName[] = ["b00", "b01", "b02"];

/** A deploy as `deploy/` does it: all new servers first, then every old one lets its clients go. */
export const rollingDeploy: Scenario = {
  name: "rolling-deploy",
  title: "three servers behind HAProxy are replaced by three new ones",
  clients: 200,
  rate: 100,
  talkMs: 40_000,
  lateAfterMs: 15_000,
  testedShareMin: 1,
  act: async ({ fleet, first, talkMs, at, talk, note }) => {
    await at(talkMs * 0.1);
    await note("the new servers start");
    await fleet.start(slotB);
    await note("the new servers are ready");
    const drainAtMs = talkMs * 0.4;
    // Old servers publish until they begin to let clients go.
    await talk(slotB, drainAtMs + drainLeadMs);
    await at(drainAtMs);
    await note("the old servers are told to end");
    const codes = await fleet.drain(first);
    await note(`the old servers have ended (${codes.join(", ")})`);
  },
};

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
    await fleet.start(slotB);
    await note("six servers run");
    await at(talkMs * 0.35);
    await note(`${links.reset(() => true)} links break: clients come back to all six`);
    await at(talkMs * 0.6);
    await note("three servers are told to end");
    await fleet.drain(slotB);
    await note("three servers run");
  },
};
