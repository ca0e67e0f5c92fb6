/** `holdfast check` of what is shipped, as it is shipped: all is well there. */

import { expect, test } from "vitest";
import { auth, check, checkJson, curesOf } from "./check/run-check.ts";
import { haproxySees } from "./haproxy-runtime.ts";
import { openSite, whyNoSite } from "./site.ts";

test.skipIf(whyNoSite !== undefined)("three nodes behind the shipped HAProxy: it worked", async (context) => {
  const site = await openSite(context);
  await site.startNodes(["a00", "a01", "a02"]);
  await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
  // Until it has looked, HAProxy takes servers for there that are not, and answers some clients with 503.
  await haproxySees(site.haproxySocket, ["b00", "b01", "b02"], "DOWN");
  const checked = await check(context, site.url(), ...auth, "--idle", "10");
  expect([checked.code, checked.last], checked.text).toEqual([0, "It worked."]);
  expect(checked.said).toMatch(/nodes a00 \d+, a01 \d+, a02 \d+/);
  expect(checked.said).toMatch(/the same session on a0\d, a0\d, opened on a0\d/);
});

test.skipIf(whyNoSite !== undefined)(
  "the edge for TLS sends clients away that come without",
  async (context) => {
    const site = await openSite(context);
    await site.startHaproxy(["base", "edge-behind-stunnel", "nodes", "website-from-nodes", "plain-website"]);
    const { code, bad, of } = await checkJson(context, site.url());
    expect([code, bad]).toEqual([1, ["handshake"]]);
    expect(curesOf(of("handshake"))).toContain("Client: use https://");
  },
);
