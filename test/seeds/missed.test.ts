/**
 * "When U1 reconnects, it asks the server: the last message I saw was X, what did I miss. The server sends U1
 * all the messages it missed. U1's client confirms receipt and the server removes those messages from the
 * data store."
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, type TestContext } from "vitest";
import type { Options, Socket } from "holdfast/client";
import { makeClient } from "../compatibility/pair.ts";
import { type Child, programPath, startChild } from "../harness/child.ts";
import { openClient } from "../harness/client.ts";
import { startRelay } from "../harness/relay.ts";
import { startServer } from "../harness/server.ts";
import { eventually, until } from "../harness/until.ts";

test("what did I miss: a client returns to another process with its position", async (context) => {
  const store = `sqlite:${await folder(context)}/holdfast.db`;
  const one = await startServer(context, "Holdfast", { delivery: { store } });
  const relay = await startRelay(context, one);
  const client = await openClient(context, "Holdfast", relay.url, { name: "u1", rooms: ["news"] });
  await one.hasMembers("news");
  await one.publish({ room: "news", from: 1, count: 3 });
  await client.receives("news", 3);
  const { id } = client.socket;
  relay.refuse();
  relay.resetAll();
  await client.disconnected();
  await one.publish({ room: "news", from: 4, count: 3 });
  await one.kill("SIGKILL");
  const two = await startServer(context, "Holdfast", { delivery: { store } });
  await two.publish({ room: "news", from: 7, count: 2 });
  relay.target = two;
  await relay.listen();
  await client.receives("news", 8);
  await two.publish({ room: "news", from: 9, count: 1 });
  await client.receives("news", 9);
  expect(client.received("news")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(client.gaps).toEqual([]);
  expect(client.connects.at(-1)).toEqual({ id, recovered: true });
});

test("pending emits are confirmed and deleted, with the server restarted in between", async (context) => {
  const server = await startServer(context, "Holdfast");
  const client = await openClient(context, "Holdfast", server.url, { name: "u1" });
  const socket = client.socket as unknown as Socket;
  const replies = Array.from({ length: 50 }, (_none, id) => client.work({ id, delayMs: id < 10 ? 0 : 100 }));
  await Promise.all(replies.slice(0, 5));
  await server.kill("SIGKILL");
  expect(socket.delivery.pending).toBeGreaterThan(0);
  await server.restart();
  expect((await Promise.all(replies)).map(({ id }) => id)).toEqual(replies.map((_none, id) => id));
  expect(socket.delivery.pending).toBe(0);
  const first = new Set(server.handled().map(({ id }) => id));
  expect([...first]).toEqual(replies.map((_none, id) => id));
});

test("an offline user's mailbox, with the server restarted in between", async (context) => {
  const office = await openOffice(context);
  const ann = office.client("ann");
  const before = office.client("bob");
  const seen = letters(before);
  await ann.emitWithAck("write", "bob", "one");
  await eventually(() => seen, { count: 1, what: "the first letter" });
  await before.emitWithAck("confirmed");
  before.disconnect();
  await ann.emitWithAck("write", "bob", "two");
  await ann.emitWithAck("write", "carol", "to somebody who has never been here");
  await office.restart();
  await ann.emitWithAck("write", "bob", "three");
  // Bob's session is over, and with it all that the server knew of him but his mailbox.
  await until(async () => (await office.child.ask<number>("sessions")) === 1, { what: "one session left" });
  const after = office.client("bob");
  const missed = letters(after);
  await eventually(() => missed, { count: 2, what: "what bob missed" });
  expect(missed).toEqual(["ann: two", "ann: three"]);
  await after.emitWithAck("confirmed");
  const carol = letters(office.client("carol"));
  expect(await eventually(() => carol, { count: 1, what: "carol's letter" })).toHaveLength(1);
  after.disconnect();
  await office.restart();
  await ann.emitWithAck("write", "bob", "four");
  const again = letters(office.client("bob"));
  await eventually(() => again, { count: 1, what: "what came since" });
  expect(again).toEqual(["ann: four"]);
  expect(seen).toEqual(["ann: one"]);
});

function letters(client: Socket): string[] {
  const seen: string[] = [];
  client.on("letter", (letter: string) => seen.push(letter));
  return seen;
}

async function openOffice(context: TestContext): Promise<{
  child: Child;
  client: (user: string) => Socket;
  restart: () => Promise<void>;
}> {
  const store = `sqlite:${await folder(context)}/holdfast.db`;
  const child = startChild(context, {
    program: programPath("./post-office.ts", import.meta.url),
    args: [store],
  });
  const port = await child.event<number>("ready");
  return {
    child,
    client: (user) => {
      // Confirms each entry at once, so that the next event comes after the confirmation.
      const options: Options = { auth: { user }, delivery: { acknowledgeEntries: 1 } };
      return makeClient(context, "Holdfast", `http://127.0.0.1:${port}`, options) as unknown as Socket;
    },
    restart: async () => {
      await child.kill("SIGKILL");
      child.restart([store, String(port)]);
      await child.event("ready");
    },
  };
}

async function folder(context: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-seed-"));
  context.onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
