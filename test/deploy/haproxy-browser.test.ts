/** A browser behind HAProxy: it takes HTTP/2 for the page, and WebSockets over it where it can. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { browserTest, startBrowser } from "../browser/browser.ts";
import { ChatWindow } from "../browser/chat-window.ts";
import { makeCertificate } from "../harness/certificate.ts";
import { until } from "../harness/until.ts";
import { haproxySees } from "./haproxy-runtime.ts";
import { drain } from "./roll-under-load.ts";
import { openSite, whyNoSite } from "./site.ts";

describe.skipIf(whyNoSite !== undefined)("HAProxy", () => {
  browserTest("a page over HTTP/2 lives through a roll", async (context) => {
    const site = await openSite(context);
    const { keyFile, certificateFile } = await makeCertificate(context, site.address);
    const file = join(site.folder, "site.pem");
    writeFileSync(file, Buffer.concat([readFileSync(certificateFile), readFileSync(keyFile)]), {
      mode: 0o600,
    });
    const old = await site.startNodes(["a00", "a01"]);
    await site.startHaproxy(["base", "edge-tls", "nodes", "website-from-nodes"], {
      environment: { TLS_CERTIFICATE: file },
      readyPort: 443,
    });
    await haproxySees(site.haproxySocket, ["a00", "a01"], "UP");
    const browser = await startBrowser(context);
    const tab = await browser.newContext({ ignoreHTTPSErrors: true });
    const window = await ChatWindow.open(tab, `https://${site.address}/`);
    expect(await window.page.evaluate(nextHopProtocol)).toBe("h2");
    await window.takeName("Ada");
    await window.say("before");
    await until(async () => (await window.marked("stored")) === 1, {
      what: "the first message to be stored",
    });

    await site.startNodes(["b00", "b01"]);
    await haproxySees(site.haproxySocket, ["b00", "b01"], "UP");
    await drain(old);

    await window.say("after");
    await until(async () => (await window.marked("stored")) === 2, { what: "the second one to be stored" });
    expect(await window.texts()).toEqual(["before", "after"]);
    expect(await window.isFirstDocument()).toBe(true);
    expect(window.complaints).toEqual([]);
  });
});

/** Runs in the page. */
function nextHopProtocol(): string | undefined {
  const [entry] = performance.getEntriesByType("navigation") as unknown as { nextHopProtocol: string }[];
  return entry?.nextHopProtocol;
}
