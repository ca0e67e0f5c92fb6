import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Child, programPath, startChild } from "../test/harness/child.ts";
import type { Owner } from "../test/harness/owner.ts";
import { until } from "../test/harness/until.ts";

test("the server says where it is, is ready, and ends with 0 on SIGTERM", async (owner) => {
  const child = start(owner);
  const url = await urlOf(child);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  const page = await fetch(url);
  expect(await page.text()).toContain("<title>Holdfast</title>");
  const bundle = await fetch(`${url}/socket.io/holdfast.js`);
  expect(bundle.headers.get("content-type")).toContain("javascript");
  expect((await fetch(`${url}/nothing-here`)).status).toBe(404);
  expect(await child.kill("SIGTERM")).toEqual({ code: 0, signal: null });
});

test("a draining server is alive and not ready, and a second signal ends it at once", async (owner) => {
  const child = start(owner, { HOLDFAST_DRAIN_LEAD_MS: "30000" });
  const url = await urlOf(child);
  child.signal("SIGTERM");
  await until(async () => (await fetch(`${url}/readyz`)).status === 404, { what: "readyz to answer 404" });
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect(await child.kill("SIGTERM", 2000)).toEqual({ code: 1, signal: null });
});

test("a port that is in use is told with what to do about it", async (owner) => {
  const port = await takenPort(owner);
  const child = start(owner, { PORT: String(port) });
  expect(await child.exited()).toEqual({ code: 2, signal: null });
  expect(child.stderr).toContain(`Port ${port} on 127.0.0.1 is in use by another process`);
  expect(child.stderr).toContain("npm start");
});

test("a wrong setting stops the start and is named", async (owner) => {
  const child = start(owner, { HOLDFAST_STORE: "postgres:somewhere", HOLDFAST_LOG_LEVEL: "loud" });
  expect(await child.exited()).toEqual({ code: 2, signal: null });
  expect(child.stderr).toContain('HOLDFAST_STORE is "postgres:somewhere"; allowed is ');
  expect(child.stderr).toContain('HOLDFAST_LOG_LEVEL is "loud"; allowed is ');
});

test("workers: started, exchanged on SIGHUP by new ones, and ended with 0 on SIGTERM", async (owner) => {
  const child = start(owner, { HOLDFAST_WORKERS: "1" });
  const url = await urlOf(child);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  child.signal("SIGHUP");
  await until(() => child.stderr.includes("rolled: 1 workers"), { what: "the roll", deadlineMs: 15_000 });
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  expect(await (await fetch(url)).text()).toContain("<title>Holdfast</title>");
  expect(await child.kill("SIGTERM")).toEqual({ code: 0, signal: null });
});

test.for([
  ["a store that cannot be opened", { HOLDFAST_STORE: "sqlite:/dev/null/x.db" }, "HOLDFAST_STORE=sqlite:"],
  ["more workers than cores", { HOLDFAST_WORKERS: "1000" }, 'HOLDFAST_WORKERS is "1000"; allowed is `max`'],
  ["a store that workers cannot share", { HOLDFAST_STORE: "memory:" }, "needs a store that processes share"],
] as const)("with workers, %s is said once and starts nothing", async ([, environment, message], owner) => {
  const child = start(owner, { HOLDFAST_WORKERS: "1", ...environment });
  expect(await child.exited()).toEqual({ code: 2, signal: null });
  expect(child.stderr.split(message)).toHaveLength(2);
  expect(child.stdout).toBe("");
});

test("with workers, a port that is in use is said before any worker is started", async (owner) => {
  const port = await takenPort(owner);
  const child = start(owner, { HOLDFAST_WORKERS: "1", PORT: String(port) });
  expect(await child.exited()).toEqual({ code: 2, signal: null });
  expect(child.stderr).toContain(`Port ${port} on 127.0.0.1 is in use by another process`);
  expect(child.stderr.trim().split("\n")).toHaveLength(2);
});

test.for([
  ["one process", {}],
  ["a primary", { HOLDFAST_WORKERS: "1" }],
] as const)("an internal port that is in use stops the start of %s", async ([, environment], owner) => {
  const port = await takenPort(owner);
  const child = start(owner, { ...environment, HOLDFAST_INTERNAL_PORT: String(port) });
  expect(await child.exited()).toEqual({ code: 2, signal: null });
  expect(child.stderr).toContain(`The internal port cannot be opened (HOLDFAST_INTERNAL_PORT=${port}`);
  expect(child.stderr).toContain("EADDRINUSE");
  expect(child.stdout).toBe("");
});

test("nothing is measured, and no port opened, where none is asked for", async (owner) => {
  const child = start(owner);
  await urlOf(child);
  expect(child.stdout.trim().split("\n")).toHaveLength(1);
});

function start(owner: Owner, environment: Record<string, string> = {}): Child {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-main-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return startChild(owner, {
    program: programPath("./main.ts", import.meta.url),
    environment: {
      PORT: "0",
      HOST: "127.0.0.1",
      HOLDFAST_STORE: `sqlite:${join(folder, "holdfast.db")}`,
      HOLDFAST_CHAT_DATABASE: join(folder, "chat.db"),
      ...environment,
    },
    deadlineMs: 15_000,
  });
}

async function takenPort(owner: Owner): Promise<number> {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  owner.onTestFinished(() => void other.close());
  return (other.address() as AddressInfo).port;
}

async function urlOf(child: Child): Promise<string> {
  const [, url = ""] = await child.line(/Holdfast is at (\S+)/);
  return url;
}
