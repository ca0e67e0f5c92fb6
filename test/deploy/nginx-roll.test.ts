/** Nodes are exchanged, a node dies and nginx is reloaded, while clients talk through it. */

import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { until } from "../harness/until.ts";
import { newerNginx } from "./newer-nginx.ts";
import { installedNginx, layNginx, type Nginx } from "./nginx-site.ts";
import { beginLoad, drain } from "./roll-under-load.ts";
import { type NodeOptions, openSite, whyNoSite } from "./site.ts";

const slotA = ["a00", "a01", "a02"] as const;
const slotB = ["b00", "b01", "b02"] as const;
/** A node's 503 is what nginx notices it by, and it says that at once. */
const withoutLead: NodeOptions = { environment: { HOLDFAST_DRAIN_LEAD_MS: "0" } };
const newer = whyNoSite === undefined ? await newerNginx() : whyNoSite;
if (typeof newer === "string") console.warn(`nginx's sticky routing is not tested: ${newer}`);

const forms: [string, string, Nginx | undefined][] = [];
if (whyNoSite === undefined) forms.push(["a map", "single-stack", await installedNginx()]);
forms.push([
  "sticky routing",
  "second-stack-tls-sticky-route",
  typeof newer === "string" ? undefined : newer,
]);

describe.skipIf(whyNoSite !== undefined).each(forms)("nginx with %s", (_form, topology, nginx) => {
  test.skipIf(nginx === undefined)("G1 G2 three nodes are rolled while 150 clients talk", async (context) => {
    const site = await openSite(context);
    const laid = await layNginx(context, site, nginx);
    const old = await site.startNodes(slotA, withoutLead);
    const child = await laid.start(topology);
    const tls = topology.includes("tls");
    const url = tls ? `https://${site.address}` : site.url();
    const load = await beginLoad(context, url, { client: tls ? { ca: laid.authority } : {} });
    const reconnected = await load.over(async () => {
      await site.startNodes(slotB, withoutLead);
      await drain(old);
    }, 1);
    console.info("rolled", performance.now());
    expect(reconnected).toBe(150);
    console.info(topology, laid.accessLog.split("\n").filter((l) => /503/.test(l)).length, "503s;", load.crowd.members.map(m => m.socket.io.engine.id.slice(0,3)).reduce((o: any, n) => ((o[n] = (o[n] ?? 0) + 1), o), {}));
    const dropped = await load.over(async () => {
      const before = await workersOf(child.pid);
      child.signal("SIGHUP");
      await until(async () => (await workersOf(child.pid)).some((pid) => !before.includes(pid)), {
        what: "nginx to have new workers",
      });
    }, 0);
    console.info("reloaded", performance.now(), dropped);
    expect(dropped).toBe(0);
    const watch = setInterval(() => console.info(load.crowd.acknowledged, load.crowd.emitted, load.crowd.members.filter(m => !m.socket.connected).length), 5000);
    await load.end();
    clearInterval(watch);
    console.info("ended", performance.now());
  });
});

async function workersOf(pid: number): Promise<string[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ");
}
