/**
 * A session outlives connections and processes, belongs to one principal, and shows only what its rooms still
 * allow.
 */

import { expect, test } from "vitest";
import { startRelay } from "../harness/relay.ts";
import { until } from "../harness/until.ts";
import { openClient, startClient, withToken } from "./client.ts";
import { startNode } from "./node.ts";

test("G6 id, rooms and data survive a SIGKILL", async (context) => {
  const node = await startNode(context);
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["one", "two"] });
  ann.socket.emit("remember", "colour", "green");
  ann.socket.emit("remember", "nested", { list: [1, 2, 3] });
  await ann.settles();
  const before = await ann.whereAmI();
  expect(before.rooms.toSorted()).toEqual([before.id, "one", "two"].toSorted());
  await node.kill();
  await node.restart();
  await ann.connected(2);
  const after = await ann.whereAmI();
  expect(after).toEqual({ ...before, rooms: expect.anything() });
  expect(after.rooms.toSorted()).toEqual(before.rooms.toSorted());
  expect(after.data).toEqual({ colour: "green", nested: { list: [1, 2, 3] } });
  expect(ann.socket.recovered).toBe(true);
});

test("G6 a resume under another principal is refused, and the session waits for its own", async (context) => {
  const node = await startNode(context);
  const ann = await openClient(context, node.url, { name: "ann", principal: "ann", rooms: ["private"] });
  await ann.roundTrip();
  await ann.leave();
  await node.publish("private", 1, 1);
  for (const auth of [{ name: "ann", principal: "eve" }, { name: "ann" }]) {
    ann.socket.auth = auth;
    const count = ann.connectErrors.length + 1;
    ann.socket.connect();
    await until(() => ann.connectErrors.length === count, { what: "the refusal", state: () => ann.report() });
    expect(ann.connectErrors.at(-1)?.code).toBe("wrong_principal");
    expect(ann.received("private")).toEqual([]);
  }
  ann.socket.auth = { name: "ann", principal: "ann" };
  await ann.return();
  await ann.receives("private", 1);
  expect(new Set(ann.connects).size).toBe(1);
  // A change of user is a new session.
  await ann.leave();
  ann.socket.delivery.reset();
  ann.socket.auth = { name: "eve", principal: "eve" };
  await ann.return();
  expect((await ann.whereAmI()).data).toEqual({ principal: "eve" });
  expect(new Set(ann.connects).size).toBe(2);
});

test("G6 a room that was withdrawn meanwhile is not replayed, whichever process did it", async (context) => {
  const node = await startNode(context);
  const rooms = ["club", "lobby", "board"];
  const ann = await openClient(context, node.url, { name: "ann", rooms });
  const bob = await openClient(context, node.url, { name: "bob", rooms });
  await Promise.all([ann.roundTrip(), bob.roundTrip()]);
  await ann.leave();
  await node.publish("club", 1, 1);
  await node.command("withdraw", { session: ann.connects[0], room: "club" });
  await node.publish("club", 2, 1);
  await node.kill();
  await node.restart();
  await node.publish("board", 1, 1);
  await node.command("withdraw", { session: ann.connects[0], room: "board" });
  await node.publish("board", 2, 1);
  await node.publish("lobby", 1, 2);
  await ann.return();
  await ann.receives("lobby", 2);
  await ann.roundTrip();
  expect(ann.entries).toEqual([1, 2].map((id) => ({ room: "lobby", id })));
  expect(new Set((await ann.whereAmI()).rooms)).toEqual(new Set([ann.connects[0], "lobby"]));
  await bob.receives("lobby", 2);
  expect(bob.received("club")).toEqual([1, 2]);
  expect(bob.received("board")).toEqual([1, 2]);
  await node.publish("club", 3, 1);
  await bob.receives("club", 3);
  await ann.roundTrip();
  expect(ann.received("club")).toEqual([]);
});

test("G6 a room that is no longer authorised is not replayed, and is left for good", async (context) => {
  const node = await startNode(context, { authorizes: true });
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["secret", "open"] });
  await ann.roundTrip();
  await node.publish("secret", 1, 1);
  await ann.receives("secret", 1);
  await ann.leave();
  await node.publish("secret", 2, 1);
  await node.command("deny", { room: "secret" });
  await node.publish("open", 1, 1);
  await ann.return();
  await ann.receives("open", 1);
  await ann.roundTrip();
  expect(ann.received("secret")).toEqual([1]);
  expect((await ann.whereAmI()).rooms).not.toContain("secret");
  // The new process denies nothing, and the membership is gone all the same.
  await node.kill();
  await node.restart();
  await ann.connected(3);
  await node.publish("secret", 3, 1);
  await node.publish("open", 2, 1);
  await ann.receives("open", 2);
  await ann.roundTrip();
  expect(ann.received("secret")).toEqual([1]);
});

test("G6 of two clients with one token one has the session, the other its own", async (context) => {
  const node = await startNode(context);
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["all"] });
  await ann.roundTrip();
  const delivery = withToken(ann.token, ann.socket.delivery.lastSequence + 1);
  const copy = await openClient(context, node.url, { name: "copy", rooms: ["all"], delivery });
  await ann.connected(2);
  await Promise.all([ann.roundTrip(), copy.roundTrip()]);
  expect(copy.connects).toEqual([ann.connects[0]]);
  expect(ann.connects).toHaveLength(2);
  expect(ann.connects[1]).not.toBe(ann.connects[0]);
  expect(ann.refused).toEqual(["stale_generation"]);
  expect(ann.token).not.toBe(copy.token);
  await node.publish("all", 1, 3);
  await Promise.all([ann.receives("all", 3), copy.receives("all", 3)]);
  expect(await ann.call({ id: 1 })).toMatchObject({ id: 1 });
  expect(await copy.call({ id: 2 })).toMatchObject({ id: 2 });
  // Nobody takes the session back and forth.
  expect({ ann: ann.connects.length, copy: copy.connects.length }).toEqual({ ann: 2, copy: 1 });
  expect(copy.disconnects).toEqual([]);
});

test("G1 an event emitted while a copy has the session is handled, and only once", async (context) => {
  const node = await startNode(context);
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann" });
  await ann.roundTrip();
  const delivery = withToken(ann.token, ann.socket.delivery.lastSequence + 1);
  relay.refuse();
  relay.resetAll();
  await ann.disconnected(1);
  // Both give their next event the same sequence.
  const waiting = ann.call({ id: 1 });
  const copy = await openClient(context, node.url, { name: "copy", delivery });
  expect(await copy.call({ id: 2 })).toMatchObject({ id: 2 });
  await relay.listen();
  expect(await waiting).toMatchObject({ id: 1 });
  expect(ann.connects[1]).not.toBe(ann.connects[0]);
});

test("G6 both with one token at the same moment: neither stays away", async (context) => {
  const node = await startNode(context);
  const ann = await openClient(context, node.url, { name: "ann" });
  await ann.leave();
  const delivery = withToken(ann.token);
  const copies = ["x", "y", "z"].map((name) => startClient(context, node.url, { name, delivery }));
  const connected = () => copies.filter(({ socket }) => socket.connected);
  const ids = () => new Set(connected().map(({ socket }) => socket.id));
  await until(() => ids().size === 3, { what: "three sessions", deadlineMs: 15_000 });
  for (const copy of copies) await copy.roundTrip();
});

test("G6 a wrong token opens a session of its own and does not touch the other", async (context) => {
  const node = await startNode(context);
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["all"] });
  const [id = ""] = ann.token.split(".");
  const wrong = [
    `${id}.wrong`,
    `${id}.`,
    `${ann.token}x`,
    "nobody.knows",
    "no dot",
    "__proto__.x",
    "x".repeat(5_000),
  ];
  for (const [index, token] of wrong.entries()) {
    const eve = await openClient(context, node.url, { name: `eve ${index}`, delivery: withToken(token) });
    expect(eve.connects).not.toContain(id);
    expect((await eve.whereAmI()).rooms).toEqual(eve.connects);
    eve.socket.disconnect();
  }
  expect(await ann.call({ id: 1 })).toMatchObject({ id: 1 });
  expect(ann.connects).toHaveLength(1);
});

test("G6 tokens are in no handshake and in no log", async (context) => {
  const node = await startNode(context);
  const relay = await startRelay(context, node);
  const ann = await openClient(context, relay.url, { name: "ann" });
  const tokens = [ann.token];
  relay.resetAll();
  await ann.connected(2);
  const copy = await openClient(context, node.url, { name: "copy", delivery: withToken(ann.token, 1, 2) });
  await ann.connected(3);
  await ann.roundTrip();
  tokens.push(ann.token, copy.token);
  const { stdout, stderr } = node.child;
  // Proof that the log was written and read: connections are in it, and so is what applications put into
  // `auth`.
  expect(stdout.match(/"auth":\{"name":"ann"/g)).toHaveLength(3);
  for (const token of tokens) {
    const [, secret = ""] = token.split(".");
    expect(secret.length).toBeGreaterThan(20);
    expect(stdout).not.toContain(secret);
    expect(stderr).not.toContain(secret);
  }
});
