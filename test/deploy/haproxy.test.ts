/** The parts of `haproxy/`, as shipped, in front of shipped nodes. */

import { describe, expect, test } from "vitest";
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

  test("G1 G2 three nodes are rolled while 150 clients talk", async (context) => {
    const site = await openSite(context);
    const old = await site.startNodes(slotA);
    const haproxy = await site.startHaproxy(parts);
    const load = await beginLoad(context, site.url());
    const reconnected = await load.over(async () => {
      await site.startNodes(slotB);
      await haproxySees(site.haproxySocket, slotB, "UP");
      await drain(old);
    }, 1);
    expect(reconnected).toBe(150);
    // A reload in mid-load: the old process keeps the connections it has.
    const dropped = await load.over(async () => {
      haproxy.signal("SIGUSR2");
      await haproxySees(site.haproxySocket, slotA, "DOWN");
    }, 0);
    expect(dropped).toBe(0);
    await load.end();
  });
});
