/** The Socket.IO server at port 80, which passes everything else on to the second stack at 3000. */

import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Child } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { expectPassage } from "./passage.ts";
import { ask, startSecondStack, whoAsks } from "./second-stack.ts";
import { openSite, type Site, whyNoSite } from "./site.ts";

const lies = { "x-forwarded-for": "192.0.2.66", "x-forwarded-proto": "https", forwarded: "for=192.0.2.66" };

describe.skipIf(whyNoSite !== undefined)("Node in front of a second stack", () => {
  test.for([
    ["one process", {}],
    ["workers", { HOLDFAST_WORKERS: "max" }],
  ] as const)(
    "%s: clients get through, and the application sees whose requests",
    async ([, how], context) => {
      const { site, url } = await openFront(context, how);
      await expectPassage(context, url);
      const who = {
        instance: "second-stack",
        host: site.address,
        client: site.clientAddress,
        scheme: "http",
      };
      expect(await whoAsks(url)).toEqual({ ...who, method: "GET", path: "/who" });
      expect(await whoAsks(url, { headers: lies })).toEqual({ ...who, method: "GET", path: "/who" });
      expect((await ask(url)).text).toContain("<title>Second stack</title>");
      expect((await ask(`${url}/readyz`)).text).toBe("ready\n");
      const body = randomBytes(3_000_000);
      const echo = await ask(`${url}/echo`, { method: "POST", body });
      const sha256 = createHash("sha256").update(body).digest("hex");
      expect(JSON.parse(echo.text)).toEqual({ bytes: body.length, sha256 });
      // It is reached through here only.
      await expect(ask(site.url(3000))).rejects.toThrow("ECONNREFUSED");
    },
  );

  test("a balancer that is trusted may say whose request it is", async (context) => {
    const site = await openSite(context);
    await startSecondStack(site);
    await site.startNode("a00", { environment: front({ HOLDFAST_TRUSTED_PROXIES: site.clientAddress }) });
    const said = { "x-forwarded-for": "192.0.2.66", "x-forwarded-proto": "https", "x-forwarded-host": "a.b" };
    expect(await whoAsks(site.url(), { headers: said })).toMatchObject({
      // The application trusts private ranges, and so the balancer too.
      client: "192.0.2.66",
      scheme: "https",
      host: "a.b",
    });
  });

  test("while it is down, Socket.IO goes on; a drain waits for its answers", async (context) => {
    const { site, url, node, secondStack } = await openFront(context, {});
    await secondStack.kill("SIGKILL");
    const refused = await ask(url);
    expect([refused.status, refused.text]).toEqual([
      502,
      "The application behind this server cannot be reached.\n",
    ]);
    expect((await ask(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(200);
    await startSecondStack(site);
    await until(async () => (await ask(url)).status === 200, { what: "the second stack to be back" });
    await until(() => node.stderr.includes("answers again"), { what: "the log to say so" });
    // Longer than the lead of 2.5 s, after which nothing new is let in.
    const slow = ask(`${url}/slow?ms=4000`);
    node.signal("SIGTERM");
    expect(await slow).toMatchObject({ status: 200, headers: { connection: "close" } });
    expect(await node.exited()).toEqual({ code: 0, signal: null });
  });
});

async function openFront(owner: Owner, environment: Record<string, string>): Promise<Front> {
  const site = await openSite(owner);
  const secondStack = await startSecondStack(site);
  const node = await site.startNode("a00", { environment: front(environment) });
  return { site, url: site.url(), node, secondStack };
}

/** What the page of `deploy/second-stack/` says to set. */
function front(environment: Record<string, string>): Record<string, string> {
  return {
    PORT: "80",
    HOST: "0.0.0.0",
    HOLDFAST_SECOND_STACK: "http://127.0.0.1:3000",
    HOLDFAST_LOG_LEVEL: "info",
    ...environment,
  };
}

type Front = {
  readonly site: Site;
  readonly url: string;
  readonly node: Child;
  readonly secondStack: Child;
};
