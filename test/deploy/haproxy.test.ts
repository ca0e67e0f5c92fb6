/** The parts of `haproxy/`, as shipped, in front of shipped nodes. */

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { workerCount } from "../cluster/holdfast-process.ts";
import type { Child } from "../harness/child.ts";
import { haproxySees } from "./haproxy-runtime.ts";
import { expectPassage } from "./passage.ts";
import { beginLoad, drain } from "./roll-under-load.ts";
import { openSite, whyNoSite } from "./site.ts";

const slotA = ["a00", "a01", "a02"] as const;
const slotB = ["b00", "b01", "b02"] as const;
const parts = ["base", "edge-http", "nodes", "website-from-nodes"] as const;

describe.skipIf(whyNoSite !== undefined)("HAProxy", () => {
  test("clients of every transport get through, drop and resume", async (context) => {
    const site = await openSite(context);
    await site.startNodes(slotA);
    await site.startHaproxy(parts);
    await expectPassage(context, site.url());
  });

  test("G1 G2 three nodes are rolled and HAProxy reloaded while 150 clients talk", async (context) => {
    const site = await openSite(context);
    const old = await site.startNodes(slotA);
    const haproxy = await site.startHaproxy(parts);
    const load = await beginLoad(context, site.url());
    let current: readonly Child[] = [];
    const reconnected = await load.over(async () => {
      current = await site.startNodes(slotB);
      await haproxySees(site.haproxySocket, slotB, "UP");
      await drain(old);
    }, 1);
    expect(reconnected).toBe(150);
    // Reloaded when nothing else happens: the old process keeps the connections it has.
    const dropped = await load.over(async () => {
      haproxy.signal("SIGUSR2");
      await haproxySees(site.haproxySocket, slotA, "DOWN");
    }, 0);
    expect(dropped).toBe(0);
    // Reloaded in the middle of a roll: the new process has to find out by itself who drains.
    const back = await load.over(async () => {
      await site.startNodes(slotA);
      await haproxySees(site.haproxySocket, slotA, "UP");
      const drained = drain(current);
      haproxy.signal("SIGUSR2");
      await drained;
    }, 1);
    expect(back).toBe(150);
    await load.end();
  });

  test("G1 G2 a primary rolls its workers behind it, all on keep-alive connections", async (context) => {
    const site = await openSite(context);
    await site.startNode("a00", { environment: { HOLDFAST_WORKERS: String(workerCount) } });
    await site.startHaproxy(parts);
    await haproxySees(site.haproxySocket, ["a00"], "UP");
    await expectPassage(context, site.url());
    const load = await beginLoad(context, site.url());
    await load.over(async () => {
      const command = join(site.repository, "src/command.ts");
      const roll = site.start({ program: command, args: ["roll", "--port", "9000"] });
      const { code } = await roll.exited(60_000);
      expect(code, roll.stderr).toBe(0);
    }, 1);
    await load.end();
  });
});
