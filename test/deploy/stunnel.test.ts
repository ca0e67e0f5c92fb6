/**
 * stunnel at 443 -> HAProxy at 4000 -> Socket.IO at 8000 and the second stack at 3000; HAProxy at 80 -> the
 * second stack.
 */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Child } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { haproxySees } from "./haproxy-runtime.ts";
import { layNginx } from "./nginx-site.ts";
import { expectPassage } from "./passage.ts";
import { ask, startSecondStack, whoAsks } from "./second-stack.ts";
import { openSite, type Site, whyNoSite } from "./site.ts";
import { clientOf, makeTlsSite, shakeHands, type TlsSite } from "./tls-site.ts";

const nodes = ["a00", "a01", "a02"] as const;
const lies = { "x-forwarded-for": "192.0.2.66", "x-forwarded-proto": "gopher", forwarded: "for=192.0.2.66" };

describe.skipIf(whyNoSite !== undefined)("stunnel in front of HAProxy", () => {
  test("clients get through over TLS only; a renewed certificate drops nobody", async (context) => {
    const { site, url, tls, stunnel } = await openStunnelSite(context);
    const crowd = await expectPassage(context, url, clientOf(context, tls));

    const who = { host: site.address, client: site.clientAddress };
    for (const headers of [{}, lies]) {
      expect(await whoAsks(url, { ca: tls.authority, headers })).toMatchObject({ ...who, scheme: "https" });
      expect(await whoAsks(site.url(80), { headers })).toMatchObject({ ...who, scheme: "http" });
    }
    const turnedAway = await ask(`${site.url(80)}/socket.io/?EIO=4&transport=polling`);
    expect([turnedAway.status, turnedAway.text]).toEqual([403, "Socket.IO is served over https only."]);
    // Whoever reaches the port behind stunnel could claim any address; from outside nobody does.
    await expect(ask(site.url(4000))).rejects.toThrow("ECONNREFUSED");

    const before = await shakeHands(site.address, tls.authority);
    const since = performance.now();
    crowd.talk();
    await makeTlsSite(site.folder, site.address, true);
    stunnel.signal("SIGHUP");
    // While it reads its configuration again, stunnel listens anew, and who comes in that moment is reset.
    const isRenewed = () =>
      shakeHands(site.address, tls.authority).then(
        ({ serial }) => serial !== before.serial,
        () => false,
      );
    await until(isRenewed, { what: "the new certificate" });
    await crowd.settle();
    expect(crowd.verdict()).toEqual({ lost: 0, duplicated: 0, reordered: 0 });
    const webSockets = crowd.reconnectsSince(since).filter((_, number) => number % 3 !== 0);
    expect([webSockets.length, webSockets.flat()]).toEqual([60, []]);
    await expect(shakeHands(site.address, tls.authority, "TLSv1.1")).rejects.toThrow("alert");
  });

  test("with nginx at 80: static files from it, the rest through it to the second stack", async (context) => {
    const site = await openSite(context);
    const tls = await makeTlsSite(site.folder, site.address);
    await Promise.all([site.startNodes(nodes), startSecondStack(site)]);
    const nginx = await layNginx(context, site);
    nginx.addFile("static/page.css", "a{}");
    await nginx.start("static-and-second-stack");
    await site.startHaproxy(["base", "edge-behind-stunnel", "nodes", "website-from-second-stack"], {
      environment: { SECOND_STACK: "127.0.0.1:80" },
    });
    // At port 80 it is nginx that answers, and HAProxy's own ports are on loopback.
    await until(() => existsSync(site.haproxySocket), { what: "HAProxy to have begun" });
    await haproxySees(site.haproxySocket, nodes, "UP");
    startStunnel(site, tls.siteFile);
    await site.reachable(443);
    const url = `https://${site.address}`;
    await expectPassage(context, url, clientOf(context, tls));
    const who = { host: site.address, client: site.clientAddress };
    for (const headers of [{}, lies]) {
      expect(await whoAsks(url, { ca: tls.authority, headers })).toMatchObject({ ...who, scheme: "https" });
      expect(await whoAsks(site.url(80), { headers })).toMatchObject({ ...who, scheme: "http" });
    }
    expect((await ask(`${url}/static/page.css`, { ca: tls.authority })).text).toBe("a{}");
    expect((await ask(`${site.url(80)}/socket.io/?EIO=4&transport=polling`)).status).toBe(403);
  });

  test("a certificate that is missing is named", async (context) => {
    const site = await openSite(context);
    const stunnel = startStunnel(site, "/nowhere/site.pem");
    expect((await stunnel.exited()).code).toBe(1);
    expect(stunnel.stderr).toContain("/nowhere/site.pem");
  });
});

async function openStunnelSite(owner: Owner): Promise<OpenSite> {
  const site = await openSite(owner);
  const tls = await makeTlsSite(site.folder, site.address);
  await Promise.all([site.startNodes(nodes), startSecondStack(site)]);
  const edges = ["edge-behind-stunnel", "plain-website"];
  await site.startHaproxy(["base", ...edges, "nodes", "website-from-second-stack"]);
  await haproxySees(site.haproxySocket, nodes, "UP");
  const stunnel = startStunnel(site, tls.siteFile);
  await site.reachable(443);
  return { site, url: `https://${site.address}`, tls, stunnel };
}

/** As shipped, with the certificate at another place than `/etc/holdfast`. */
function startStunnel(site: Site, siteFile: string): Child {
  const shipped = readFileSync(join(site.repository, "deploy/stunnel/stunnel.conf"), "utf8");
  const place = "cert = /etc/holdfast/tls/site.pem\n";
  expect(shipped).toContain(place);
  const file = join(site.folder, "stunnel.conf");
  writeFileSync(file, shipped.replace(place, `cert = ${siteFile}\n`));
  return site.startSystem("stunnel4", [file]);
}

type OpenSite = { readonly site: Site; readonly url: string; readonly tls: TlsSite; readonly stunnel: Child };
