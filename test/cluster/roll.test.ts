/** Two builds of Holdfast, one after the other: what is on the disk changes, and the workers are rolled. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { Build } from "./build.ts";
import { Chatter } from "./chatter.ts";
import { type HoldfastProcess, startHoldfast, workerCount } from "./holdfast-process.ts";

const root = programPath("../..", import.meta.url);

test("G9 a roll to a good build serves it; one to a bad build says why and changes nothing", {
  timeout: 110_000,
}, async (context) => {
  const build = new Build(context);
  const holdfast = await startHoldfast(context, { folder: build.folder });
  const talk = await startTalk(context, holdfast);
  expect(await titleOf(holdfast)).toBe("Holdfast");

  build.change("src/app/page/index.html", "<title>Holdfast</title>", "<title>The next one</title>");
  const first = holdfast.workers;
  const good = await holdfast.roll(context);
  expect(good.child.stderr).toBe("");
  expect(good.code).toBe(0);
  expect(good.child.stdout.trim().split("\n")).toEqual([
    `starting ${workerCount} new workers`,
    ...first.map((pid, index) => `letting go the clients of worker ${pid} (${index + 1} of ${workerCount})`),
    `rolled: ${workerCount} workers`,
  ]);
  const workers = holdfast.workers;
  expect(workers.filter((pid) => first.includes(pid))).toEqual([]);
  expect(await titleOf(holdfast)).toBe("The next one");
  await talk();

  const bad = [
    ["src/serve.ts", "export class ServingProcess", "export class class ServingProcess", "SyntaxError"],
    ["src/protocol/hello.ts", "protocolVersion = 1", "protocolVersion = 99", "protocol version 1"],
    [
      "src/store/sqlite-schema.ts",
      "\n];",
      "\n`CREATE TABLE later (id INTEGER) STRICT`,\n];",
      "older version of Holdfast",
    ],
  ] as const;
  for (const [path, from, to, reason] of bad) {
    const restore = build.change(path, from, to);
    const refused = await holdfast.roll(context);
    expect(refused.code, path).toBe(1);
    expect(refused.child.stderr).toContain("Not rolled, the workers there were go on: ");
    expect(refused.child.stderr).toContain(reason);
    expect(holdfast.workers).toEqual(workers);
    await talk();
    restore();
  }
  const scrape = await holdfast.scrape();
  expect(scrape.of("holdfast_rolls_total", "rolled")).toBe(1);
  expect(scrape.of("holdfast_rolls_total", "refused")).toBe(bad.length);
  expect(scrape.of("holdfast_worker_deaths_total")).toBe(0);
});

test("nothing to roll: nobody answers, no port is named, there are no workers", async (context) => {
  const rolling = async (environment: Record<string, string>, ...args: string[]) => {
    const program = join(root, "src/command.ts");
    const child = startChild(context, { program, args: ["roll", ...args], environment });
    return { code: (await child.exited(20_000)).code, stderr: child.stderr };
  };
  const closed = await closedPort();
  const silent = await rolling({ HOLDFAST_INTERNAL_PORT: String(closed) });
  expect(silent.code).toBe(2);
  expect(silent.stderr).toContain(`Nobody answers at 127.0.0.1 port ${closed}`);
  expect(silent.stderr).toContain("HOLDFAST_INTERNAL_PORT");
  const unasked = await rolling({ HOLDFAST_INTERNAL_PORT: "" });
  expect([unasked.code, unasked.stderr]).toEqual([2, expect.stringContaining("or give --port")]);
  const single = await startHoldfast(context, { environment: { HOLDFAST_WORKERS: "" } });
  const alone = await rolling({}, "--port", String(single.internalPort));
  expect([alone.code, alone.stderr]).toEqual([1, expect.stringContaining("HOLDFAST_WORKERS")]);
  expect((await fetch(`${single.internalUrl}/readyz`)).status).toBe(200);
  expect((await single.scrape()).of("holdfast_connections", "websocket")).toBe(0);
});

/** Two who talk; each call has both say something, and checks that both were shown everything, in order. */
async function startTalk(owner: Owner, holdfast: HoldfastProcess): Promise<() => Promise<void>> {
  const left = await Chatter.open(owner, holdfast.url, "A");
  const right = await Chatter.open(owner, holdfast.url, "B");
  let said = 0;
  return async () => {
    await Promise.all([left.say(5), right.say(5)]);
    said += 10;
    await left.sees(said);
    await right.sees(said);
    expect(left.shown).toHaveLength(said);
    expect(right.shown).toEqual(left.shown);
    expect(new Set(left.shown).size).toBe(said);
  };
}

async function titleOf(holdfast: HoldfastProcess): Promise<string> {
  const titles = new Set<string>();
  for (let look = 0; look < workerCount * 2; look++) {
    const response = await fetch(holdfast.url, { headers: { connection: "close" } });
    titles.add(/<title>(.*)<\/title>/.exec(await response.text())?.[1] ?? "");
  }
  return [...titles].join(" and ");
}

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
