/** The load test against servers that are there already: a deployment as it is shipped, and others. */

import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { findK6 } from "../../loadtest/k6/binary.ts";
import { runTarget, startTarget } from "../../loadtest/target/run-target.ts";
import { targetScenario } from "../../loadtest/target/scenarios.ts";
import { makeCertificate } from "../harness/certificate.ts";
import { type Child, programPath, startChild } from "../harness/child.ts";
import { freePort } from "../harness/free-port.ts";
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

describe.skipIf(k6 === undefined)("a target", () => {
  test("is reached over TLS through links that break, by the name that was typed", async (context) => {
    const { certificateFile, keyFile, authorityFile } = await makeCertificate(context);
    const port = await freePort();
    const node = startChild(context, {
      program: programPath("../../src/main.ts", import.meta.url),
      environment: {
        PORT: String(port),
        HOLDFAST_STORE: "memory:",
        HOLDFAST_CHAT_DATABASE: ":memory:",
        HOLDFAST_TLS_CERTIFICATE: certificateFile,
        HOLDFAST_TLS_KEY: keyFile,
        HOLDFAST_INTERNAL_PORT: String(await freePort()),
      },
    });
    await node.line(/Holdfast is at/, 30_000);
    const scenario = targetScenario("reconnect-storm");
    if (typeof scenario === "string") throw new Error(scenario);
    const load = { scenario, k6Path, clients: 20, rate: 20, seconds: 10 };
    const url = `https://localhost:${port}`;
    await expect(startTarget(context, { url, ...load })).rejects.toThrow(
      /certificate of https:.* is refused: .*--ca FILE/,
    );
    const { outcome, run } = await runTarget(context, { url, ca: authorityFile, ...load });
    expect(outcome, JSON.stringify(run.judgement?.verdict.examples)).toMatchObject({
      exitCode: 0,
      objections: [],
    });
    expect(outcome.reconnectsMax).toBeGreaterThanOrEqual(2);
  });

  test("may be published to by its own HTTP API", async (context) => {
    const port = await startPlainChat(context, "careful");
    const url = `http://127.0.0.1:${port}`;
    const load = { url, k6Path, clients: 10, rate: 40, seconds: 5, dialect: listening };
    const { outcome, run } = await runTarget(context, {
      ...load,
      publish: { url: `${url}/publish`, token: "open sesame" },
    });
    expect(outcome, JSON.stringify(run)).toMatchObject({ exitCode: 0, objections: [] });
    expect(run.judgement?.verdict.toClients.owed).toBeGreaterThan(1_000);
    expect(run.judgement?.verdict.toServers.owed).toBe(0);
  });

  test("with the load test's events mounted reports what its handlers did", async (context) => {
    const ledgerPort = await freePort();
    const program = programPath("./mounted-program.ts", import.meta.url);
    const server = startChild(context, { program, args: [`http://127.0.0.1:${ledgerPort}`] });
    const { port } = await server.event<{ port: number }>("ready", 30_000);
    const { outcome, run } = await runTarget(context, {
      url: `http://127.0.0.1:${port}`,
      listen: `127.0.0.1:${ledgerPort}`,
      dialect: "loadtest",
      k6Path,
      clients: 10,
      rate: 20,
      seconds: 5,
    });
    expect(outcome, JSON.stringify(run)).toMatchObject({ exitCode: 0, objections: [] });
    expect(outcome.remarks.join()).not.toContain("Not judged");
    expect(run.judgement?.verdict.toServers.owed).toBeGreaterThan(80);
    expect(run.judgement?.verdict.toClients.owed).toBeGreaterThan(400);
    expect(run.judgement?.durabilities).toEqual(["memory"]);
  });

  test("finds what a careless server loses and doubles, and ends with 1", async (context) => {
    const port = await startPlainChat(context, "careless");
    const child = command(context, "steady", `http://127.0.0.1:${port}`);
    const { code } = await child.exited(55_000);
    removeReport(context, child);
    expect(child.stdout).toMatch(/^broken: .* lost [1-9]\d*, duplicated [1-9]\d* and reordered 0 /);
    expect(child.stdout).toContain("the server was plain Socket.IO");
    expect(child.stdout).toContain("Not judged: how often handlers ran");
    expect(code).toBe(1);
  });

  test("that turns publishes away proves nothing: 2, with what it said", async (context) => {
    const url = `http://127.0.0.1:${await startPlainChat(context, "careful")}`;
    const child = command(context, "steady", url, "--publish", `${url}/publish`);
    expect((await child.exited(55_000)).code).toBe(2);
    removeReport(context, child);
    expect(child.stdout).toMatch(/publishes failed: .*\/publish answers 401 who are you\?/);
  });

  test("that is not there is named, and the command ends with 2", async (context) => {
    const child = command(context, "steady", "http://127.0.0.1:1");
    expect((await child.exited(20_000)).code).toBe(2);
    expect(child.stderr).toContain("http://127.0.0.1:1 cannot be reached: connect ECONNREFUSED");
  });
});

function command(owner: Owner, scenario: string, url: string, ...more: readonly string[]): Child {
  const load = ["--clients", "20", "--rate", "40", "--seconds", "8"];
  return startChild(owner, {
    program: programPath("../../loadtest/main.ts", import.meta.url),
    args: [scenario, "--target", url, ...load, ...more],
    deadlineMs: 58_000,
  });
}

async function startPlainChat(owner: Owner, manner: "careful" | "careless"): Promise<number> {
  const program = programPath("./plain-chat.ts", import.meta.url);
  const server = startChild(owner, { program, args: [manner] });
  return (await server.event<{ port: number }>("ready", 30_000)).port;
}

function removeReport(owner: Owner, child: Child): void {
  owner.onTestFinished(() => {
    for (const [, file = ""] of child.stdout.matchAll(/written: (\S+)/g)) {
      rmSync(file, { force: true });
      rmSync(file.replace(/\.\w+$/, ".evidence.json.gz"), { force: true });
    }
  });
}

/** Clients that publish nothing themselves. */
const listening = { enter: [{ emit: "join", with: [{ room: "{room}" }] }], hear: "message" };
