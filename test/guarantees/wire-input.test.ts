/** Whatever a client says on the wire, it harms nobody else, and is told what was wrong. */

import { beforeAll, afterAll, expect, test } from "vitest";
import { Scope } from "../harness/owner.ts";
import { openClient } from "./client.ts";
import { peculiarNames } from "./contract.ts";
import { startNode, type TestNode } from "./node.ts";
import { goodHello, openRaw } from "./raw-client.ts";

/** One server takes everything; that it is still the same process is part of each test. */
const scope = new Scope();
let node: TestNode;
let pid: number;

beforeAll(async () => {
  node = await startNode(scope, { delivery: { windowEvents: 16, unhandledHoldMs: 20 } });
  pid = node.child.pid;
});
afterAll(() => scope.end());

const beyond = "9007199254740993";
const violations: readonly (readonly [name: string, code: string, frame: unknown])[] = [
  ["an unknown frame", "bad_frame", ["zz", 1]],
  ["a frame of the other side", "bad_frame", ["en", 1, [1, ["x"]]]],
  ["a frame without a kind", "bad_frame", []],
  ["a frame that is text", "bad_frame", '"ev"'],
  ["a frame that is a number", "bad_frame", 5],
  ["a frame that is null", "bad_frame", null],
  ["a frame that is an object", "bad_frame", { 0: "ev", 1: 1 }],
  ["a kind that is a prototype's", "bad_frame", ["__proto__", 1]],
  ["a sequence as text", "bad_frame", ["ev", "1", 0, ["call"]]],
  ["a negative sequence", "bad_frame", ["ev", -1, 0, ["call"]]],
  ["sequence zero", "bad_frame", ["ev", 0, 0, ["call"]]],
  ["half a sequence", "bad_frame", ["ev", 1.5, 0, ["call"]]],
  ["a sequence beyond whole numbers", "bad_frame", `["ev",${beyond},0,["call"]]`],
  ["an infinite sequence", "bad_frame", '["ev",1e400,0,["call"]]'],
  ["an enormous sequence", "window_exceeded", ["ev", 2 ** 51, 0, ["call"]]],
  ["an event ahead of its turn", "sequence_gap", ["ev", 3, 0, ["call"]]],
  ["a wrong flag", "bad_frame", ["ev", 1, 2, ["call"]]],
  ["an event without a payload", "bad_frame", ["ev", 1, 0]],
  ["a reply to a number", "bad_frame", ["re", 1, 0, 7, ["x"]]],
  ["a reply to a very long name", "bad_frame", ["re", 1, 0, "x".repeat(100_000), ["x"]]],
  ["a chunk of nothing", "bad_frame", ["ch", 1, 0, 1, 0, ""]],
  ["a chunk of no chunks", "bad_frame", ["ch", 1, 0, 0, 0, "x"]],
  ["a chunk behind the last", "bad_frame", ["ch", 1, 3, 3, 0, "x"]],
  ["a chunk ahead of its turn", "bad_frame", ["ch", 1, 1, 3, 0, "x"]],
  ["a negative chunk", "bad_frame", ["ch", 1, -1, 3, 0, "x"]],
  ["a chunk that is too large", "bad_frame", ["ch", 1, 0, 3, 0, "x".repeat(300_000)]],
  ["a low-water mark ahead of everything", "bad_frame", ["lo", 1_000]],
  ["a low-water mark that is no number", "bad_frame", ["lo", "x"]],
  ["positions that are none", "bad_frame", ["at", [["x", 1]]]],
  ["a cancel of nothing", "bad_frame", ["ca"]],
  ["a cancel far ahead", "window_exceeded", ["ca", 2 ** 51]],
];

test.for(violations)("wrong wire input: %s is answered with %s", async ([, code, frame], context) => {
  const raw = await openRaw(context, node.port);
  raw.sendFrames(frame);
  const [, found, detail] = await raw.frame("er");
  expect(found).toBe(code);
  expect(String(detail).length).toBeLessThan(1_000);
  await raw.closes();
  await stillServes(context);
});

const rejections: readonly (readonly [name: string, code: string, payload: unknown])[] = [
  ["a payload that is text", "bad_frame", "call"],
  ["an event without a name", "bad_frame", []],
  ["an event whose name is an object", "bad_frame", [{}]],
  ["binary at a place that does not exist", "bad_frame", { d: ["call", { $b: 7 }], b: [] }],
  ["binary that is not base64", "bad_frame", { d: ["call", { $b: 0 }], b: ["%%%"] }],
  ["a reserved name", "reserved_event", ["disconnect"]],
  ["an upload of enormous length", "event_too_large", ["ch", 1, 0, 2 ** 51, 0, "x"]],
  ["the name of the frames themselves", "reserved_event", ["$hf", ["ev", 1, 0, ["call"]]]],
  ["an event that nobody listens for", "unhandled_event", ["valueOf"]],
  ["a very long name", "unhandled_event", ["n".repeat(60_000)]],
];

test.for(rejections)("wrong wire input: %s is rejected with %s", async ([, code, payload], context) => {
  const raw = await openRaw(context, node.port);
  const frame = Array.isArray(payload) && payload[0] === "ch" ? payload : ["ev", 1, 1, payload];
  raw.sendFrames(frame, ["ev", 2, 1, ["call", { id: 1 }]]);
  const [, sequence, error] = await raw.frame("no");
  expect([sequence, error]).toMatchObject([1, { code }]);
  expect(JSON.stringify(error).length).toBeLessThan(1_000);
  expect((await raw.frame("ok"))[1]).toBe(2);
  expect(raw.closed).toBe(false);
});

test("wrong wire input: a name of 10 MB, in chunks, is rejected with a short error", async (context) => {
  const ann = await openClient(context, node.url, { name: "ann" });
  const error = await ann.socket.emitWithAck("n".repeat(10_000_000)).catch((thrown: Error) => thrown);
  expect(error).toMatchObject({ code: "unhandled_event" });
  expect((error as Error).message.length).toBeLessThan(1_000);
  // As a key of an argument it is nobody's business but the handler's.
  expect(await ann.call({ id: 1, ["k".repeat(10_000_000)]: 1 })).toMatchObject({ id: 1 });
  expect(ann.disconnects).toEqual([]);
});

test("wrong wire input: 10 MB in one packet end that connection alone", async (context) => {
  for (const packet of [`42["$hf",{"${"k".repeat(10_000_000)}":1}]`, `42["${"n".repeat(10_000_000)}"]`]) {
    const raw = await openRaw(context, node.port);
    raw.send(packet);
    await raw.closes();
  }
  await stillServes(context);
});

test("wrong wire input: an array nested a hundred thousand deep", async (context) => {
  const raw = await openRaw(context, node.port);
  const deep = "[".repeat(100_000) + "]".repeat(100_000);
  raw.sendFrames(`["ev",1,1,["call",{"id":1,"publishTo":"deep","payload":"x"},${deep}]]`, ["pi", 9]);
  // Handled or refused, but not with the end of the process.
  await raw.frame("al").catch(() => raw.closes());
  await stillServes(context);
});

test("wrong wire input: a packet of a hundred thousand wrong frames is one refusal", async (context) => {
  const raw = await openRaw(context, node.port);
  raw.sendFrames(...Array.from({ length: 100_000 }, () => 0));
  await raw.closes();
  expect(raw.frames.filter(([kind]) => kind === "er")).toHaveLength(1);
  await stillServes(context);
  expect((await node.status()).reports.refused.length).toBeLessThan(200);
});

test("wrong wire input: a violation ends what the rest of its packet may do", async (context) => {
  const raw = await openRaw(context, node.port);
  const before = node.handled().length;
  raw.sendFrames(["zz"], ["ev", 1, 0, ["call", { id: 99 }]]);
  await raw.closes();
  await stillServes(context);
  expect(
    node
      .handled()
      .slice(before)
      .map((call) => call.id),
  ).not.toContain(99);
});

test("wrong wire input: hellos and tokens that are none", async (context) => {
  const hello = (change: object): string => JSON.stringify({ ...goodHello, ...change });
  const connects: readonly unknown[] = [
    { offset: "x" },
    { offset: 5, pid: 5 },
    { offset: { v: [1] }, pid: { toString: 1 } },
    { offset: hello({ low: -1 }) },
    { offset: hello({ low: 2 ** 51, next: 2 ** 51 }) },
    { offset: hello({ at: [[1, "epoch", 2 ** 51, 3]] }) },
    { offset: hello({ at: Array.from({ length: 20_000 }, (_, index) => [index + 1, "e", 1, 0]) }) },
    { offset: hello({ at: "x" }), pid: "__proto__.x" },
    { offset: hello({}), pid: ["a.b"] },
    { offset: hello({}), pid: "x".repeat(100_000) },
    { offset: `{"v":[1],"__proto__":{"polluted":1},"low":1,"next":1,"at":[]}` },
    [],
    "text",
    7,
  ];
  for (const connect of connects) await openRaw(context, node.port, connect);
  const newer = await openRaw(context, node.port, { offset: hello({ v: [99] }) });
  expect(newer.answer).toMatch(/^44.*"code":"protocol_version"/);
  await stillServes(context);
});

test("wrong wire input: packets that are no Socket.IO", async (context) => {
  const packets = [
    "42",
    "42[",
    '42{"a":1}',
    '4299999999999999999999["x"]',
    "49",
    "4",
    "x",
    "451-",
    "45",
    "43[]",
    "44{}",
  ];
  const binary = '451-["$hf",{"_placeholder":true,"num":0}]';
  for (const packet of [...packets, binary, '42["$hf"]', '42["$hf",[["ev",1,0,["call"]]]]', "40", "41"]) {
    const raw = await openRaw(context, node.port);
    raw.send(packet);
    if (packet === binary) raw.send(Buffer.from("bytes"));
  }
  await stillServes(context);
});

test("wrong wire input: a stock client that speaks in frames is not listened to", async (context) => {
  const raw = await openRaw(context, node.port, { name: "stock" });
  const before = node.handled().length;
  raw.sendFrames(["ev", 1, 0, ["call", { id: 98 }]], ["zz"]);
  await stillServes(context);
  expect(
    node
      .handled()
      .slice(before)
      .map((call) => call.id),
  ).not.toContain(98);
});

test("G1 G2 events and rooms may have the names of prototypes and of lifecycle events", async (context) => {
  const ann = await openClient(context, node.url, { name: "ann" });
  for (const name of peculiarNames) {
    const arrived = new Promise((resolve) => ann.socket.once(name, resolve));
    const value = { from: name, ["__proto__"]: { polluted: 1 }, constructor: 1 };
    const answer = await ann.socket.emitWithAck(name, value);
    expect(answer).toMatchObject({ name, value: { from: name, constructor: 1 }, inRoom: true });
    expect(await arrived).toMatchObject({ from: name });
  }
  const { rooms } = await ann.whereAmI();
  expect(rooms).toEqual(expect.arrayContaining([...peculiarNames]));
  const [id] = ann.connects;
  ann.socket.io.engine.close();
  await ann.connected(2);
  expect(ann.connects[1]).toBe(id);
  expect((await ann.whereAmI()).rooms.toSorted()).toEqual(rooms.toSorted());
  expect((await node.status()).reports.sessionEvents.filter((event) => event === `end ${id}`)).toEqual([]);
});

test("G6 the empty room name harms neither the session nor its rooms", async (context) => {
  const ann = await openClient(context, node.url, { name: "ann", rooms: ["", "other"] });
  await ann.roundTrip();
  await node.command("withdraw", { session: ann.connects[0], room: "" });
  ann.socket.io.engine.close();
  await ann.connected(2);
  await node.publish("other", 1, 1);
  expect(await ann.receives("other", 1)).toEqual([1]);
  expect(ann.connects[1]).toBe(ann.connects[0]);
});

async function stillServes(owner: Parameters<typeof openClient>[0]): Promise<void> {
  const good = await openClient(owner, node.url, { name: "good" });
  expect(await good.call({ id: 7 })).toMatchObject({ id: 7, pid });
  expect(await node.child.ask("polluted")).toBeNull();
  good.socket.disconnect();
}
