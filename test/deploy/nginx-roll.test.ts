/** Nodes are exchanged, nginx is reloaded and a node dies, while clients talk through it. */

import { readFile } from "node:fs/promises";
import type { Socket } from "socket.io-client";
import { describe, expect, test } from "vitest";
import type { Child } from "../harness/child.ts";
import { until } from "../harness/until.ts";
import { newerNginx } from "./newer-nginx.ts";
import { installedNginx, layNginx, type Nginx } from "./nginx-site.ts";
import { beginLoad, drain } from "./roll-under-load.ts";
import { type NodeOptions, openSite, whyNoSite } from "./site.ts";

const slotA = ["a00", "a01", "a02"] as const;
const slotB = ["b00", "b01", "b02"] as const;
/** nginx has no checks that a lead could wait for: it takes the 503 of the node itself. */
const withoutLead: NodeOptions = { environment: { HOLDFAST_DRAIN_LEAD_MS: "0" } };
const newer = whyNoSite ?? (await newerNginx());
if (typeof newer === "string") console.warn(`nginx's sticky routing is not tested: ${newer}`);

const forms: [form: string, topology: string, nginx: Nginx | undefined][] = [
  ["a map", "single-stack", whyNoSite === undefined ? await installedNginx() : undefined],
  ["sticky routing", "second-stack-tls-sticky-route", typeof newer === "string" ? undefined : newer],
];

describe.each(forms)("nginx with %s", (_form, topology, nginx) => {
  test.skipIf(nginx === undefined)(
    "G1 G2 nodes are rolled and killed, and nginx is reloaded",
    async (context) => {
      const site = await openSite(context);
      const laid = await layNginx(context, site, nginx);
      const old = await site.startNodes(slotA, withoutLead);
      const child = await laid.start(topology);
      const url = topology.includes("tls") ? `https://${site.address}` : site.url();
      const load = await beginLoad(context, url, { ca: laid.authority });

      let young: readonly Child[] = [];
      const rolled = await load.over(async () => {
        young = await site.startNodes(slotB, withoutLead);
        await laid.finds(url, [8010, 8011, 8012]);
        await drain(old);
      }, 1);
      expect(rolled).toBe(150);

      const dropped = await load.over(async () => {
        const before = await workersOf(child.pid);
        child.signal("SIGHUP");
        await until(async () => (await workersOf(child.pid)).some((pid) => !before.includes(pid)), {
          what: "nginx to have new workers",
        });
      }, 0);
      expect(dropped).toBe(0);

      await load.over(async () => {
        await young[0]?.kill("SIGKILL");
        await until(() => load.crowd.members.every(({ socket }) => !isOn(socket, "b00")), {
          what: "everybody to be elsewhere",
          deadlineMs: 30_000,
        });
      }, 1);
      await load.end();
    },
  );
});

function isOn(socket: Socket, node: string): boolean {
  return !socket.connected || (socket.io.engine.id?.startsWith(node) ?? false);
}

async function workersOf(pid: number): Promise<string[]> {
  const children = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return children.trim().split(" ");
}
