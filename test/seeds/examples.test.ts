/** The three examples run, and keep what they promise, with the server killed at the worst moment. */

import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test, type TestContext } from "vitest";
import type {} from "../../examples/at-least-once.ts";
import type {} from "../../examples/at-most-once.ts";
import type {} from "../../examples/exactly-once.ts";
import { makeClient } from "../compatibility/pair.ts";
import { type Child, programPath, startChild } from "../harness/child.ts";
import { freePort } from "../harness/free-port.ts";
import { startRelay } from "../harness/relay.ts";
import { eventually, until } from "../harness/until.ts";

test("at most once (volatile): what is lost stays lost, and nothing comes twice", async (context) => {
  const { port } = await start(context, "at-most-once");
  const relay = await startRelay(context, { port });
  const ann = makeClient(context, "Holdfast", `http://127.0.0.1:${port}`);
  const bob = makeClient(context, "Holdfast", relay.url);
  const seen: number[] = [];
  bob.on("position", (_player, x: number) => seen.push(x));
  await until(() => ann.connected && bob.connected, { what: "both connected" });
  const moves = async (x: number): Promise<void> => {
    ann.volatile.emit("position", "ann", x, 0);
    // An event that is delivered for certain shows that the volatile one before it has gone through the
    // server.
    await ann.emitWithAck("nobody listens").catch(() => undefined);
  };
  await moves(1);
  await eventually(() => seen, { count: 1, what: "the first position" });
  relay.refuse();
  relay.resetAll();
  await until(() => !bob.connected, { what: "bob is gone" });
  await moves(2);
  await relay.listen();
  await until(() => bob.connected, { what: "bob is back" });
  await moves(3);
  await eventually(() => seen, { count: 2, what: "the last position" });
  expect(seen).toEqual([1, 3]);
});

test("at least once: killed between the mail and its record, there is a second mail", async (context) => {
  const { child, port, directory } = await start(context, "at-least-once");
  const client = makeClient(context, "Holdfast", `http://127.0.0.1:${port}`);
  const answer = client.emitWithAck("order", { mail: "ann@example.org", article: "a kettle" });
  const mails = (): string[] => {
    const file = join(directory, "mails.txt");
    return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
  };
  await eventually(mails, { count: 1, what: "the first mail" });
  await child.kill("SIGKILL");
  child.restart();
  expect(await answer).toBe("ordered");
  expect(mails()).toHaveLength(2);
  expect(new Set(mails()).size, "both under the same key").toBe(1);
});

test("exactly once: killed between the effect and its record, everybody is paid once", async (context) => {
  const { child, port, directory } = await start(context, "exactly-once");
  const client = makeClient(context, "Holdfast", `http://127.0.0.1:${port}`);
  const balances: number[] = [];
  client.on("balance", (_account, balance: number) => balances.push(balance));
  client.emit("watch", "ann");
  const answers = Array.from({ length: 20 }, () => client.emitWithAck("pay", "ann", 10));
  await child.exited();
  expect(existsSync(join(directory, "crashed")), "it died after a commit").toBe(true);
  child.restart();
  expect(await Promise.all(answers)).toEqual(Array.from({ length: 20 }, (_none, index) => (index + 1) * 10));
  await eventually(() => balances, { count: 20, what: "all balances" });
  expect(balances).toEqual(Array.from({ length: 20 }, (_none, index) => (index + 1) * 10));
  const bank = new DatabaseSync(join(directory, "bank.db"), { readOnly: true });
  context.onTestFinished(() => bank.close());
  expect(bank.prepare("SELECT count(*) AS payments, sum(amount) AS total FROM payments").get()).toEqual({
    payments: 20,
    total: 200,
  });
});

test("docs/DELIVERY.md shows the examples as they are", () => {
  const read = (path: string) => readFileSync(programPath(`../../${path}`, import.meta.url), "utf8");
  const shown = [...read("docs/DELIVERY.md").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code);
  expect(shown).toEqual(
    ["at-most-once", "at-least-once", "exactly-once"].map((name) => read(`examples/${name}.ts`)),
  );
});

/** Runs an example on a free port; resolves when it says so. */
async function start(
  context: TestContext,
  name: string,
): Promise<{ child: Child; port: number; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-example-"));
  context.onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const port = await freePort();
  const child = startChild(context, {
    program: programPath(`../../examples/${name}.ts`, import.meta.url),
    args: [String(port), directory],
    nodeOptions: ["--import", programPath("./crash-after-commit.ts", import.meta.url)],
    environment: { CRASH_MARKER: join(directory, "crashed") },
  });
  await child.line(/on port \d+/);
  return { child, port, directory };
}
