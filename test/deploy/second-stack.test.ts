/** The Socket.IO server at port 80, which passes everything else on to the second stack at 3000. */

import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type VerifyClientCallbackAsync, WebSocket, WebSocketServer } from "ws";
import { type Child, programPath, startChild } from "../harness/child.ts";
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

  test("while it is down, Socket.IO goes on", async (context) => {
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
  });

  test("a drain waits for the answers of the second stack", async (context) => {
    const { url, node } = await openFront(context, {});
    // Longer than the lead of 2.5 s, after which nothing new is let in.
    const slow = ask(`${url}/slow?ms=4000`);
    node.signal("SIGTERM");
    expect((await slow).status).toBe(200);
    expect(await node.exited()).toEqual({ code: 0, signal: null });
  });
});

test.for([
  ["one process", {}],
  ["workers", { HOLDFAST_WORKERS: "1" }],
] as const)(
  "%s: a WebSocket of the second stack passes, also one that is slow to open",
  async ([, how], owner) => {
    const back = createServer();
    // Engine.IO would end an upgrade that is not its own after a second.
    const verifyClient: VerifyClientCallbackAsync = (_, done) => void setTimeout(() => done(true), 1_500);
    const sockets = new WebSocketServer({ server: back, path: "/live", verifyClient });
    sockets.on("connection", (socket) =>
      socket.on("message", (data: Buffer) => socket.send(data.toString())),
    );
    await new Promise<void>((resolve) => back.listen(0, "127.0.0.1", resolve));
    const folder = mkdtempSync(join(tmpdir(), "holdfast-second-stack-"));
    owner.onTestFinished(() => {
      for (const socket of sockets.clients) socket.terminate();
      back.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const node = startChild(owner, {
      program: programPath("../../src/main.ts", import.meta.url),
      environment: {
        PORT: "0",
        HOLDFAST_STORE: `sqlite:${join(folder, "holdfast.db")}`,
        HOLDFAST_CHAT_DATABASE: join(folder, "chat.db"),
        HOLDFAST_SECOND_STACK: `http://127.0.0.1:${(back.address() as AddressInfo).port}`,
        ...how,
      },
    });
    const [, port] = await node.line(/Holdfast is at http:\/\/localhost:(\d+)/, 30_000);
    const client = new WebSocket(`ws://127.0.0.1:${port}/live`);
    const heard: string[] = [];
    client.on("message", (data: Buffer) => heard.push(data.toString()));
    client.on("open", () => client.send("hello"));
    await until(() => heard.length === 1, { what: "the echo", deadlineMs: 10_000 });
    const closed = new Promise((resolve) => client.once("close", resolve));
    expect(await node.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    await closed;
  },
);

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
