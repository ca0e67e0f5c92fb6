/**
 * The inbox where the pair does not reach: order after a reconnect, bounds, and what a hostile client may
 * try.
 */

import { expect, test } from "vitest";
import { type InboxOutcome, ServerSession, type ServerOutput } from "./server-session.ts";

const limits = {
  windowEvents: 4,
  windowCharacters: 1_000,
  chunkCharacters: 16,
  windowChunks: 2,
  eventCharacters: 200,
};

function opened(load: { readonly low?: number; readonly outcomes?: InboxOutcome[] } = {}): ServerSession {
  const session = new ServerSession({ limits, low: 1, outcomes: [], uploads: [], ...load });
  session.handleConnected(1);
  return session;
}

/** Outputs in short: kind and sequence. */
function said(session: ServerSession): string[] {
  return session.poll().map((output: ServerOutput) => {
    if (output.kind === "transmit") return output.frame;
    if (output.kind === "violation") return output.code;
    if (output.kind === "record") return `record ${output.outcome.sequence} ${output.outcome.status}`;
    return "sequence" in output ? `${output.kind} ${output.sequence}` : output.kind;
  });
}

test("G1 an upload that never reached its handler keeps its place over a reconnect", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 1, 0, '["ev",1,0,["large"]]']);
  session.handleFrame(["ev", 2, 0, ["behind"]]);
  session.handleChunkStored(1, 1);
  session.handleUpload(1, '["ev",1,0,["large"]]');
  expect(said(session)).toEqual(["storeChunk 1", '["cp",1,1]', "readUpload 1", "run 1", "run 2"]);
  session.handleDisconnected();
  session.handleNotRun(1);
  session.handleNotRun(2);
  expect(session.handleConnected(1)).toEqual({ frames: [], uploads: [[1, 1]] });
  session.handleFrame(["ch", 1, 0, 1, 0, '["ev",1,0,["large"]]']);
  session.handleFrame(["ev", 2, 0, ["behind"]]);
  expect(said(session)).toEqual(["readUpload 1"]);
  session.handleUpload(1, '["ev",1,0,["large"]]');
  expect(said(session)).toEqual(["run 1", "run 2"]);
});

test("G1 an upload that is read while nobody is connected waits for the connection", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 1, 0, '["ev",1,0,[]]']);
  session.handleChunkStored(1, 1);
  session.handleDisconnected();
  session.handleUpload(1, '["ev",1,0,[]]');
  expect(session.running.size).toBe(0);
  session.handleConnected(1);
  session.handleFrame(["ch", 1, 0, 1, 0, '["ev",1,0,[]]']);
  session.handleUpload(1, '["ev",1,0,[]]');
  expect([...session.running]).toEqual([1]);
  // A second answer to the read finds it running.
  session.handleUpload(1, '["ev",1,0,[]]');
  session.handleUpload(9, "");
  session.handleChunkStored(9, 1);
  expect([...session.running]).toEqual([1]);
});

test("a read that failed is asked for again, and chunks of which none was stored may be cut anew", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 1, 0, "x"]);
  session.handleChunkStored(1, 1);
  session.handleFrame(["ch", 2, 0, 3, 0, "x"]);
  session.handleDisconnected();
  session.handleConnected(1);
  said(session);
  session.handleFrame(["ch", 1, 0, 1, 0, "x"]);
  session.handleFrame(["ch", 2, 0, 2, 0, "xx"]);
  expect(said(session)).toEqual(["readUpload 1", "storeChunk 2"]);
});

test("G8 chunks that a broken connection took along count once towards the size of their event", () => {
  const session = opened();
  const piece = "x".repeat(150);
  for (let connection = 0; connection < 40; connection++) {
    session.handleFrame(["ch", 1, 0, 2, 0, piece]);
    expect(said(session)).toEqual(["storeChunk 1"]);
    session.handleDisconnected();
    session.handleConnected(1);
  }
});

test("a chunk that was stored during the reconnect is not behind what is expected", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 3, 0, "x"]);
  session.handleDisconnected();
  session.handleConnected(1);
  session.handleChunkStored(1, 1);
  said(session);
  session.handleFrame(["ch", 1, 0, 3, 0, "x"]);
  session.handleFrame(["ch", 1, 1, 3, 0, "y"]);
  expect(said(session)).toEqual(["storeChunk 1"]);
});

test("G1 an outcome that was not recorded makes the event run again; given up meanwhile, it expires", () => {
  const session = opened();
  session.handleFrame(["ev", 1, 0, []]);
  session.handleOutcome({ sequence: 1, status: "ok", body: "" });
  session.handleRetry(1, 20);
  session.handleFrame(["ca", 1]);
  expect(said(session)).toEqual(["run 1", "record 1 ok", '["ag",1,20]', "record 1 expired"]);
  session.handleRecorded({ sequence: 1, status: "expired", body: "" });
  expect(session.depth).toBe(1);
  session.handleRetry(1, 20);
  session.handleOutcome({ sequence: 1, status: "ok", body: "" });
  expect(said(session)).toEqual(['["ex",1]']);
});

test("the outcome that is recorded counts, whatever this process had come to", () => {
  const session = opened();
  session.handleFrame(["ev", 1, 0, []]);
  session.handleOutcome({ sequence: 1, status: "ok", body: "" });
  session.handleRecorded({ sequence: 1, status: "rejected", body: '{"code":"c","message":"m"}' });
  session.handleFrame(["ev", 1, 0, []]);
  expect(said(session).slice(2)).toEqual([
    '["no",1,{"code":"c","message":"m"}]',
    '["no",1,{"code":"c","message":"m"}]',
  ]);
});

test("G7 nothing below the low-water mark is remembered, however far it jumps", () => {
  const outcomes = Array.from({ length: 100 }, (_, index) => ({
    sequence: index + 1,
    status: "ok" as const,
    body: "",
  }));
  const session = opened({ outcomes });
  expect([session.low, session.depth]).toEqual([1, 100]);
  session.handleFrame(["lo", 98]);
  expect([session.low, session.depth]).toEqual([98, 3]);
  session.handleFrame(["lo", 80]);
  session.handleFrame(["ev", 101, 0, []]);
  session.handleDisconnected();
  session.handleConnected(2 ** 52);
  expect(session.depth).toBe(1);
  session.handleRetry(101, 1);
  session.handleOutcome({ sequence: 101, status: "ok", body: "" });
  session.handleRecorded({ sequence: 101, status: "ok", body: "" });
  expect([session.low, session.depth]).toEqual([2 ** 52, 0]);
});

test("events that waited for an upload go on when the client's mark passes it", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 2, 0, "x"]);
  session.handleFrame(["ev", 2, 0, []]);
  said(session);
  session.handleFrame(["lo", 2]);
  expect(said(session)).toEqual(["run 2"]);
});

test("G1 a stored upload waits for an event in front of it that was held when the connection ended", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 2, 0, '["ev",1,']);
  session.handleFrame(["ev", 2, 0, []]);
  session.handleFrame(["ch", 3, 0, 1, 0, '["ev",3,0,[]]']);
  session.handleChunkStored(1, 1);
  session.handleChunkStored(3, 1);
  session.handleDisconnected();
  session.handleConnected(1);
  session.handleFrame(["ch", 1, 1, 2, 0, "0,[]]"]);
  session.handleChunkStored(1, 2);
  session.handleUpload(1, '["ev",1,0,[]]');
  session.handleUpload(3, '["ev",3,0,[]]');
  session.handleFrame(["ev", 2, 0, []]);
  session.handleFrame(["ch", 3, 0, 1, 0, '["ev",3,0,[]]']);
  session.handleUpload(3, '["ev",3,0,[]]');
  expect(said(session).filter((word) => /run|read/.test(word))).toEqual([
    "readUpload 1",
    "run 1",
    "run 2",
    "readUpload 3",
    "run 3",
  ]);
});

test("G1 on a connection that is about to close nothing is taken or begun, and no upload read again", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 1, 0, '["ev",1,0,[]]']);
  session.handleFrame(["ev", 2, 0, []]);
  session.handleChunkStored(1, 1);
  said(session);
  session.handleClosing();
  session.handleUpload(1, '["ev",1,0,[]]');
  session.handleFrame(["ev", 3, 0, []]);
  session.handleFrame(["ch", 1, 0, 1, 0, '["ev",1,0,[]]']);
  session.handleChunkStored(1, 1);
  expect(said(session).filter((word) => /run|read/.test(word))).toEqual([]);
  session.handleDisconnected();
  session.handleConnected(1);
  session.handleFrame(["ch", 1, 0, 1, 0, '["ev",1,0,[]]']);
  session.handleUpload(1, '["ev",1,0,[]]');
  session.handleFrame(["ev", 2, 0, []]);
  expect(said(session)).toEqual(["readUpload 1", "run 1", "run 2"]);
});

test("G1 an old copy of a client's state is recognised by its mark and by its next sequence", () => {
  const session = opened();
  session.handleFrame(["ev", 1, 0, []]);
  session.handleOutcome({ sequence: 1, status: "ok", body: "" });
  session.handleRecorded({ sequence: 1, status: "ok", body: "" });
  session.handleFrame(["ev", 2, 0, []]);
  expect(session.continues({ low: 1, next: 3 })).toBe(true);
  expect(session.continues({ low: 1, next: 2 })).toBe(false);
  session.handleFrame(["lo", 2]);
  expect(session.continues({ low: 1, next: 3 })).toBe(false);
});

test("G7 uploads are bounded one by one, by number of chunks and by characters, and together", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 9, 0, "x".repeat(1_225)]);
  session.handleFrame(["ch", 2, 0, 500, 0, "x"]);
  session.handleFrame(["ev", 3, 0, []]);
  expect(said(session)).toEqual(["record 1 rejected", "record 2 rejected", "run 3"]);
  session.handleFrame(["ch", 4, 0, 9, 0, "x".repeat(1_000)]);
  session.handleFrame(["ch", 5, 0, 9, 0, "x".repeat(1_000)]);
  session.handleFrame(["ch", 6, 0, 9, 0, "x".repeat(1_000)]);
  expect(said(session)).toEqual(["storeChunk 4", "storeChunk 5", "window_exceeded"]);
  const handed = opened();
  handed.handleFrame(["ch", 1, 0, 1, 0, "x"]);
  handed.handleChunkStored(1, 1);
  handed.handleUpload(1, "x".repeat(1_225));
  expect(said(handed).at(-1)).toBe("record 1 rejected");
});

test("chunks that come late, again or while the event runs change nothing", () => {
  const session = opened();
  session.handleFrame(["ch", 1, 0, 1, 1, '["re",1,0,"n01.1",[]]']);
  session.handleFrame(["ch", 1, 0, 1, 1, '["re",1,0,"n01.1",[]]']);
  session.handleChunkStored(1, 1);
  session.handleChunkStored(1, 1);
  session.handleUpload(1, '["re",1,0,"n01.1",[]]');
  session.handleFrame(["ch", 1, 0, 1, 1, "anything"]);
  session.handleChunkStored(1, 1);
  expect(said(session)).toEqual([
    "storeChunk 1",
    '["cp",1,1]',
    "readUpload 1",
    '["cp",1,1]',
    "run 1",
    '["cp",1,1]',
  ]);
  session.handleOutcome({ sequence: 1, status: "ok", body: "[[]]" });
  session.handleFrame(["ch", 1, 0, 1, 1, "anything"]);
  session.handleDisconnected();
  session.handleFrame(["pi", 1]);
  session.handleRecorded({ sequence: 1, status: "ok", body: "[[]]" });
  expect(said(session)).toEqual(["record 1 ok"]);
  expect(session.handleConnected(1).frames).toEqual(['["ok",1,[[]]]']);
});
