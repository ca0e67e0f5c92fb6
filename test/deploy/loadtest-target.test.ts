/**
 * The load test against servers that are there already: a deployment as it is shipped, and a careless one.
 */

import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { findK6 } from "../../loadtest/k6/binary.ts";
import { startTarget } from "../../loadtest/target/run-target.ts";
import { type Child, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { haproxySees } from "./haproxy-runtime.ts";
import { drain } from "./roll-under-load.ts";
import { openSite, whyNoSite } from "./site.ts";

const k6 = await findK6();
if (k6 === undefined) console.warn("No load test against a target: there is no k6; npm run loadtest:k6");
const k6Path = k6?.path ?? "";

test.skipIf(whyNoSite !== undefined || k6 === undefined)(
  "three shipped nodes behind HAProxy are replaced by three others, and lose nothing (G9)",
  async (context) => {
    const site = await openSite(context);
    const old = await site.startNodes(["a00", "a01", "a02"]);
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    await haproxySees(site.haproxySocket, ["a00", "a01", "a02"], "UP");
    const run = await startTarget(context, { url: site.url(), k6Path, clients: 40, rate: 40, seconds: 120 });
    await run.note("three more nodes start");
    await site.startNodes(["b00", "b01", "b02"]);
    await haproxySees(site.haproxySocket, ["b00", "b01", "b02"], "UP");
    await run.note("the old nodes are told to end");
    await drain(old);
    const { outcome, run: result } = await run.finish();
    expect(outcome, JSON.stringify(result.judgement?.verdict.examples)).toMatchObject({
      exitCode: 0,
      objections: [],
      reconnectsMax: 1,
    });
    expect(result.judgement?.verdict.toClients.owed).toBeGreaterThan(1_000);
    expect(result.judgement?.course.reconnects).toEqual(Array.from({ length: 40 }, () => 1));
  },
);

describe.skipIf(k6 === undefined)("the command", () => {
  test("finds what a careless server loses and doubles, and ends with 1", async (context) => {
    const server = startChild(context, { program: programPath("./careless-chat.ts", import.meta.url) });
    const { port } = await server.event<{ port: number }>("ready");
    const child = command(context, "steady", `http://127.0.0.1:${port}`);
    const { code } = await child.exited(55_000);
    removeReport(context, child);
    expect(child.stdout).toMatch(/^broken: .* lost [1-9]\d*, duplicated [1-9]\d* and reordered 0 /);
    expect(child.stdout).toContain("the server was plain Socket.IO");
    expect(child.stdout).toContain("Not judged: how often handlers ran");
    expect(code).toBe(1);
  });

  test("says what is wrong with the target, and ends with 2", async (context) => {
    const child = command(context, "steady", "http://127.0.0.1:1");
    expect((await child.exited(20_000)).code).toBe(2);
    expect(child.stderr).toContain("http://127.0.0.1:1 cannot be reached: connect ECONNREFUSED");
  });

  test("refuses a scenario that needs the servers, with the reason", async (context) => {
    const child = command(context, "worker-kill", "http://127.0.0.1:1");
    expect((await child.exited(20_000)).code).toBe(2);
    expect(child.stderr).toContain("worker-kill cannot be run against a --target: it kills servers");
  });
});

function command(owner: Owner, scenario: string, url: string): Child {
  const load = ["--clients", "20", "--rate", "40", "--seconds", "8"];
  return startChild(owner, {
    program: programPath("../../loadtest/main.ts", import.meta.url),
    args: [scenario, "--target", url, ...load],
    deadlineMs: 58_000,
  });
}

function removeReport(owner: Owner, child: Child): void {
  owner.onTestFinished(() => {
    for (const [, file = ""] of child.stdout.matchAll(/written: (\S+)/g)) {
      rmSync(file, { force: true });
      rmSync(file.replace(/\.\w+$/, ".evidence.json.gz"), { force: true });
    }
  });
}
