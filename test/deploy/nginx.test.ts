/** Clients through the topologies of `nginx/`, as shipped, in front of shipped nodes. */

import { describe, expect, test } from "vitest";
import type { Crowd } from "../cluster/crowd.ts";
import { newerNginx } from "./newer-nginx.ts";
import { layNginx } from "./nginx-site.ts";
import { expectPassage } from "./passage.ts";
import { openSite, type Site, whyNoSite } from "./site.ts";

const slotA = ["a00", "a01", "a02"] as const;
const newer = whyNoSite ?? (await newerNginx());
if (typeof newer === "string") console.warn(`nginx's sticky routing is not tested: ${newer}`);

describe.skipIf(whyNoSite !== undefined)("nginx", () => {
  test("clients of every transport get through, in the clear and over TLS", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    await site.startNodes(slotA);
    await startSecondStack(site);
    const inTheClear = await nginx.start("single-stack");
    expectSpread(await expectPassage(context, site.url()));
    await nginx.stop(inTheClear);
    await nginx.start("second-stack-tls");
    expectSpread(await expectPassage(context, `https://${site.address}`, { ca: nginx.authority }));
  });

  test("clients of every transport get through to several machines", async (context) => {
    const site = await openSite(context);
    const nginx = await layNginx(context, site);
    const machines = ["10.0.0.10", "10.0.0.11", "10.0.0.12"];
    for (const address of machines) {
      await site.addAddress(address);
      await startSecondStack(site, address);
    }
    await Promise.all(
      slotA.map((name, place) =>
        site.startNode(name, { environment: { HOST: machines[place] as string, PORT: "8000" } }),
      ),
    );
    await nginx.start("several-machines");
    expectSpread(await expectPassage(context, `https://${site.address}`, { ca: nginx.authority }));
    expect(nginx.accessLog).toMatch(/"10\.0\.0\.10:8000/);
  });

  test.skipIf(typeof newer === "string")("clients get through nginx's sticky routing", async (context) => {
    if (typeof newer === "string") return;
    const site = await openSite(context);
    const nginx = await layNginx(context, site, newer);
    await site.startNodes(slotA);
    await nginx.start("second-stack-tls-sticky-route");
    expectSpread(await expectPassage(context, `https://${site.address}`, { ca: nginx.authority }));
  });
});

/** Those that poll stay on every node: where a node's sessions are not routed to it, none of them does. */
function expectSpread(crowd: Crowd): void {
  const polling = crowd.members.filter(({ socket }) => socket.io.engine.transport.name === "polling");
  const nodes = new Set(polling.map(({ socket }) => socket.io.engine.id.slice(0, 3)));
  expect([...nodes].toSorted()).toEqual(slotA);
}

async function startSecondStack(site: Site, address = "127.0.0.1"): Promise<void> {
  const child = site.start({
    program: `${site.repository}/test/deploy/echo-program.ts`,
    name: `second stack at ${address}`,
    args: ["3000", address],
  });
  await child.line(/listening/);
}
