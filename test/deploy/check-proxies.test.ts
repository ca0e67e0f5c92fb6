/** `holdfast check` through real proxies that are set wrong: each fault is named, with its cure. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort } from "../harness/free-port.ts";
import { type Owner, Scope } from "../harness/owner.ts";
import { startNodes } from "./check/nodes.ts";
import {
  haproxy,
  haproxyNodes,
  nginx,
  nginxNodes,
  passesAll,
  startHaproxy,
  startNginx,
} from "./check/proxies.ts";
import { auth, check, checkJson, curesOf } from "./check/run-check.ts";

const scope = new Scope();
/** Two nodes with one store, as a deployment should be. */
let ports: Readonly<Record<string, number>> = {};

beforeAll(async () => {
  ports = await startNodes(scope, ["a00", "a01"]);
});
afterAll(() => scope.end());

const withHaproxy = test.runIf(isThere(haproxy, "haproxy"));
const withNginx = test.runIf(isThere(nginx, "nginx"));

describe.concurrent("through a proxy", () => {
  withHaproxy(
    "a good pair behind HAProxy: it worked, on both nodes, beyond the ping interval",
    async (context) => {
      const port = await startHaproxy(context, { backend: haproxyNodes(ports) });
      const checked = await check(context, `http://127.0.0.1:${port}`, ...auth, "--idle", "9");
      expect(checked.last, checked.text).toBe("It worked.");
      expect(checked.code).toBe(0);
      expect(checked.said).toContain("30 of 30 clients without cookies");
      expect(checked.said).toMatch(/nodes a00 \d+, a01 \d+/);
      expect(checked.said).toMatch(/the same session on a0[01], opened on a0[01]/);
      expect(checked.said).toContain("polling and websocket held for 9 s, 1 pings each");
      expect(Math.max(...checked.text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(100);
    },
  );

  withNginx("a good pair behind nginx: it worked", async (context) => {
    const port = await startNginx(context, { http: nginxNodes(ports), location: passesAll });
    const checked = await check(context, `http://127.0.0.1:${port}`, ...auth);
    expect(checked.last, checked.text).toBe("It worked.");
    expect(checked.code).toBe(0);
    expect(checked.said).toContain("which was not given");
  });

  withHaproxy("no stickiness behind HAProxy", async (context) => {
    const port = await startHaproxy(context, { backend: haproxyNodes(ports, true) });
    const { code, of, bad } = await checkJson(context, `http://127.0.0.1:${port}`, ...auth, "--idle", "1");
    expect(code).toBe(1);
    expect(bad).toContain("polling");
    expect(of("polling").seen).toMatch(/^\d+ of 30 clients failed: status 404 "Session ID unknown"/);
    expect(curesOf(of("polling"))).toMatch(/No stickiness[^]*use-server[^]*haproxy\/nodes\.cfg/);
    // A client that begins as a WebSocket needs none, so that the rest is still tried.
    expect(of("websocket").result).toBe("ok");
    expect(of("nodes").seen).toMatch(/^the same session on/);
  });

  withNginx("no stickiness behind nginx, and nothing is advised for HAProxy", async (context) => {
    const port = await startNginx(context, { http: nginxNodes(ports, true), location: passesAll });
    const { code, report, of, bad } = await checkJson(context, `http://127.0.0.1:${port}`, "--idle", "1");
    expect([code, report.proxy]).toEqual([1, "nginx"]);
    expect(bad).toContain("polling");
    expect(curesOf(of("polling"))).toMatch(/No stickiness[^]*sticky route or map/);
    expect(curesOf(of("polling"))).not.toContain("HAProxy:");
  });

  withNginx("the upgrade header is not passed on", async (context) => {
    const location = passesAll.filter((line) => !/Upgrade|Connection/.test(line));
    const port = await startNginx(context, { http: nginxNodes(ports), location });
    const { code, of, bad, shown } = await checkWithSession(context, port, 1);
    expect([code, bad], shown).toEqual([1, ["websocket"]]);
    expect(of("websocket").seen).toMatch(/^not opened: status 400/);
    expect(curesOf(of("websocket"))).toMatch(
      /proxy_set_header Upgrade \$http_upgrade[^]*nginx\/parts\/http\.conf/,
    );
    // The session is tried by polling then.
    expect(of("resume").result).toBe("ok");
  });

  withNginx("an nginx time-out shorter than the ping interval", async (context) => {
    const location = passesAll.map((line) => line.replace("75s", "4s"));
    const port = await startNginx(context, { http: nginxNodes(ports), location });
    const { code, of, bad, shown } = await checkWithSession(context, port, 6);
    expect([code, bad], shown).toEqual([1, ["idle"]]);
    expect(of("idle").seen).toMatch(
      /polling cut after [4-6](\.\d)? s \(status 504 [^;]*; websocket cut after [4-6](\.\d)? s/,
    );
    expect(curesOf(of("idle"))).toMatch(/shorter than the ping interval of 8 s[^]*proxy_read_timeout 75s/);
  });

  withHaproxy("HAProxy's time-outs shorter than the ping interval, each by its name", async (context) => {
    const timeouts = ["timeout server 4s", "timeout tunnel 5s"];
    const port = await startHaproxy(context, { backend: haproxyNodes(ports), timeouts });
    const { code, of, bad, shown } = await checkWithSession(context, port, 7);
    expect([code, bad], shown).toEqual([1, ["idle"]]);
    expect(of("idle").seen).toMatch(
      /polling cut after [4-6](\.\d)? s \(status 504 [^;]*; websocket cut after [5-7](\.\d)? s/,
    );
    expect(curesOf(of("idle"))).toMatch(/HAProxy: timeout server 60s[^]*HAProxy: timeout tunnel/);
  });

  withNginx("a body limit below what the server takes", async (context) => {
    const location = [...passesAll, "client_max_body_size 100k;"];
    const port = await startNginx(context, { http: nginxNodes(ports), location });
    const { code, of, bad, shown } = await checkWithSession(context, port, 1);
    expect([code, bad], shown).toEqual([1, ["large"]]);
    expect(of("large").seen).toMatch(
      /^polling: status 413 413 Request Entity Too Large; about (9\d|10\d) kB pass$/,
    );
    expect(curesOf(of("large"))).toMatch(/message of 999 kB is too large[^]*client_max_body_size 1m/);
  });

  withHaproxy("two nodes that do not share a store", async (context) => {
    const apart = await startNodes(context, ["b00", "b01"], { separateStores: true });
    const port = await startHaproxy(context, { backend: haproxyNodes(apart) });
    const { code, of, bad, shown } = await checkWithSession(context, port, 1);
    expect([code, bad], shown).toEqual([1, ["nodes"]]);
    expect(of("nodes").seen).toMatch(/^the session of b0[01] is a new one on b0[01]$/);
    expect(curesOf(of("nodes"))).toMatch(
      /Nodes without a shared store: b0[01][^]*HOLDFAST_STORE[^]*docs\/REDIS\.md/,
    );
  });

  withHaproxy("no node behind the proxy", async (context) => {
    const port = await startHaproxy(context, {
      backend: ["server a00 127.0.0.1:1 check", "http-request return status 503"],
    });
    const { code, of, bad, shown } = await checkJson(context, `http://127.0.0.1:${port}`);
    expect([code, bad], shown).toEqual([1, ["handshake"]]);
    expect(of("http").result).toBe("warning");
    expect(curesOf(of("handshake"))).toMatch(/no node behind it[^]*\/readyz/);
    expect(of("large")).toMatchObject({ result: "skipped", seen: "there was no handshake" });
  });

  withHaproxy("a node that is not there, among others that are", async (context) => {
    // In turns: the front page, the handshake, and then the first of the many comes to the third.
    const backend = ["retries 0", ...haproxyNodes({ ...ports, b00: await freePort() })];
    const port = await startHaproxy(context, { backend });
    const { code, of, bad, shown } = await checkJson(context, `http://127.0.0.1:${port}`, "--idle", "1");
    expect([code, of("handshake").result], shown).toEqual([1, "ok"]);
    expect(bad).toContain("polling");
    expect(of("polling").seen).toMatch(/^\d+ of 30 clients failed: status 503/);
    expect(curesOf(of("polling"))).toContain("sends clients to nodes that are not there");
  });

  withHaproxy(
    "a limit on handshakes turns clients away: a warning, because they come back",
    async (context) => {
      const isNew = "!{ url_param(sid) -m found } { url_param(transport) polling }";
      const rules = [
        "stick-table type ip size 10 expire 60s store http_req_rate(60s)",
        `http-request track-sc0 src if ${isNew}`,
        `http-request return status 429 hdr retry-after 1 if { sc_http_req_rate(0) gt 25 } ${isNew}`,
      ];
      const port = await startHaproxy(context, { backend: haproxyNodes(ports), rules });
      const { code, of, shown } = await checkWithSession(context, port, 1);
      expect(code, shown).toBe(0);
      expect(of("polling")).toMatchObject({ result: "warning", seen: expect.stringContaining("status 429") });
      expect(curesOf(of("polling"))).toContain("HAProxy: the rate limit of handshakes");
    },
  );
});

/** With what the chat asks its clients for, and idle for so many seconds. */
async function checkWithSession(owner: Owner, port: number, idleSeconds: number) {
  return await checkJson(owner, `http://127.0.0.1:${port}`, ...auth, "--idle", String(idleSeconds));
}

/** Says why tests are skipped; where everything has to be there, nothing is skipped. */
function isThere(path: string | undefined, name: string): boolean {
  if (path === undefined && process.env["CI"] === "true") throw new Error(`${name} is not installed`);
  if (path === undefined) console.log(`skipped: ${name} is not installed`);
  return path !== undefined;
}
