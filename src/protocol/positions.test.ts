/** Positions: what a client takes for shown, and what it says of that. */

import { expect, test } from "vitest";
import { ClientSession } from "./client-session.ts";
import { protocolVersion } from "./frames.ts";
import { Positions } from "./positions.ts";

const options = { acknowledgeEntries: 3, acknowledgeDelayMs: 100, elsewhereLimit: 2 };

const open = (stream: number, parts: { epoch?: string; offset?: number; prompt?: boolean } = {}) => {
  const { epoch = "e", offset = 0, prompt = false } = parts;
  return { stream, epoch, offset, room: `room ${stream}`, prompt };
};

const entries = (stream: number, from: number, to: number, also: [number, number][] = []) => ({
  kind: "entries" as const,
  stream,
  entries: Array.from({ length: to - from + 1 }, (_, index) => ({
    offset: from + index,
    payload: [from + index],
    also,
  })),
});

test("acknowledges after so many entries or after the delay, and only what has moved", () => {
  const positions = new Positions(options);
  positions.handleWelcome(0, [open(1), open(2)]);
  positions.handleEntries(10, entries(1, 1, 2));
  expect([positions.due(50), positions.nextTimeout()]).toEqual([[], 110]);
  expect(positions.due(110)).toEqual([[1, 2]]);
  positions.handleEntries(120, entries(2, 1, 3));
  expect(positions.due(120)).toEqual([[2, 3]]);
  positions.handleEntries(120, entries(1, 3, 3));
  positions.handleLeave(1);
  expect([positions.due(300), positions.nextTimeout()]).toEqual([[], undefined]);
});

test("a cursor hears of its position again after a reconnect, and behind a gap", () => {
  const positions = new Positions(options);
  positions.handleWelcome(0, [open(1, { prompt: true })]);
  expect(positions.due(0)).toEqual([]);
  positions.handleEntries(1, entries(1, 1, 1));
  positions.handleDisconnected();
  expect(positions.due(1)).toEqual([]);
  positions.handleWelcome(5, [open(1, { prompt: true, offset: 1 })]);
  expect(positions.due(5)).toEqual([[1, 1]]);
  positions.handleGap(6, { kind: "gap", stream: 1, epoch: "e", from: 2, to: 9, reason: "retention" });
  expect(positions.due(6)).toEqual([[1, 9]]);
});

test("a membership that began anew further on takes the client along, in any epoch", () => {
  const positions = new Positions(options);
  positions.handleOpen(open(1));
  positions.handleEntries(0, entries(1, 1, 4));
  positions.handleOpen({ ...open(1, { offset: 2 }), room: "renamed" });
  expect(positions.get(1)).toMatchObject({ offset: 4, room: "renamed" });
  positions.handleOpen(open(1, { offset: 8 }));
  expect(positions.get(1)).toMatchObject({ epoch: "e", offset: 8 });
  positions.handleOpen(open(1, { epoch: "f", offset: 2 }));
  expect(positions.get(1)).toMatchObject({ epoch: "f", offset: 2 });
  positions.handleWelcome(0, []);
  expect(positions.list()).toEqual([]);
});

test("G2 an event of two rooms is shown once: after leaving one, before knowing the other", () => {
  const positions = new Positions(options);
  positions.handleOpen(open(1));
  expect(positions.handleEntries(0, entries(1, 1, 1, [[2, 7]]))).toHaveLength(1);
  positions.handleLeave(1);
  const reloaded = new Positions(options);
  reloaded.restore(JSON.parse(JSON.stringify(positions.save())) as ReturnType<Positions["save"]>);
  reloaded.handleOpen(open(2, { offset: 6 }));
  expect(reloaded.handleEntries(0, entries(2, 7, 7, [[1, 1]]))).toEqual([]);
  // Behind a gap the places in front of it say nothing.
  reloaded.handleOpen(open(3));
  reloaded.handleGap(0, { kind: "gap", stream: 3, epoch: "e", from: 1, to: 5, reason: "retention" });
  expect(reloaded.handleEntries(0, entries(2, 8, 8, [[3, 4]]))).toHaveLength(1);
});

test("G2 an event of two rooms is shown once, also when one is joined again with its history", () => {
  const positions = new Positions(options);
  positions.handleOpen(open(1));
  positions.handleOpen(open(2, { offset: 9 }));
  expect(positions.handleEntries(0, entries(1, 1, 1, [[2, 8]]))).toHaveLength(1);
  positions.handleLeave(1);
  positions.handleLeave(2);
  positions.handleOpen(open(2, { offset: 7 }));
  expect(positions.handleEntries(0, entries(2, 8, 8, [[1, 1]]))).toEqual([]);
});

test("G7 places in rooms that the client does not know are forgotten, the oldest first", () => {
  const positions = new Positions(options);
  positions.handleOpen(open(1));
  for (let offset = 1; offset <= 3; offset++)
    positions.handleEntries(0, entries(1, offset, offset, [[9, offset]]));
  expect(positions.save().elsewhere).toEqual(["9:2", "9:3"]);
});

test("parts: of streams that are gone ignored, from the beginning with another length anew", () => {
  const positions = new Positions(options);
  positions.handleOpen(open(1));
  const part = (from: number, length: number, text: string, offset = 1) => ({
    kind: "part" as const,
    stream: 1,
    offset,
    from,
    length,
    text,
  });
  expect(positions.handlePart(0, { ...part(0, 9, "[1"), stream: 5 })).toEqual([]);
  positions.handlePart(0, part(0, 9, '[1,["'));
  expect(positions.forHello()).toMatchObject([{ part: 5 }]);
  positions.handlePart(0, part(0, 3, "[1"));
  expect(positions.handlePart(0, part(2, 3, "]"))).toEqual([]);
  expect(positions.get(1)).toMatchObject({ offset: 1 });
  expect(positions.handlePart(0, part(0, 3, "[1]", 1))).toEqual([]);
  expect(positions.handlePart(0, part(0, 3, "[9]", 2))).toMatchObject([{ kind: "violation" }]);
});

test("a client in thousands of rooms acknowledges in frames that a server takes", () => {
  const session = new ClientSession({ ...options, outboxLimit: 1, outboxCharactersLimit: 1 });
  const streams = Array.from({ length: 2_500 }, (_, index) => open(index + 1, { offset: 1, prompt: true }));
  const limits = {
    windowEvents: 4,
    windowCharacters: 4,
    chunkCharacters: 64,
    windowChunks: 1,
    eventCharacters: 9,
  };
  const rest = { generation: 1, resumed: false, refused: "", limits, frames: [], uploads: [] };
  session.handleConnected(0, "s", "s.1", { version: protocolVersion, streams, ...rest });
  const sizes = session.poll().map((output) => {
    return output.kind === "transmit" ? (JSON.parse(output.frame) as [string, unknown[]])[1].length : 0;
  });
  expect(sizes).toEqual([1_000, 1_000, 500]);
  expect(session.positions).toHaveLength(2_500);
});
