/** What every offset goes through: the node's sequencer, a member's feed, the client's positions. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { MemberFeed, type FeedOutput } from "./member-feed.ts";
import { Positions } from "./positions.ts";
import { StreamSequencer, type SequencerOutput } from "./sequencer.ts";

type Entry = { readonly epoch: string; readonly offset: number; readonly payload: string };

const entry = (offset: number, epoch = "e", payload = "[]"): Entry => ({ epoch, offset, payload });
const span = (from: number, to: number, epoch = "e") =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => entry(from + index, epoch));

const windowCharacters = 100;

test("G2 sequencer: announcements late, repeated and lost, with heads, come out without a hole", () => {
  const command = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant("announce" as const),
        offset: fc.integer({ min: 1, max: 20 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constantFrom("head" as const, "fail" as const),
        offset: fc.constant(0),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("answer" as const), offset: fc.constant(0) }) },
  );
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 60, size: "max" }),
      fc.integer({ min: 1, max: 4 }),
      (commands, limit) => {
        const sequencer = new StreamSequencer<Entry>({ epoch: "e", delivered: 0, heldLimit: 3 });
        const out: number[] = [];
        let head = 0;
        let asked: { after: number; entries: Entry[]; head: number } | undefined;
        const take = (outputs: SequencerOutput<Entry>[]) => {
          for (const output of outputs) {
            if (output.kind === "deliver") out.push(...output.entries.map(({ offset }) => offset));
            else if (output.kind === "skip") throw new Error("nothing was lost");
            else {
              expect(asked).toBe(undefined);
              asked = {
                after: output.after,
                entries: span(output.after + 1, Math.min(head, output.after + limit)),
                head,
              };
            }
          }
          expect(sequencer.held).toBeLessThanOrEqual(3);
        };
        const answer = () => {
          const page = asked;
          asked = undefined;
          if (page !== undefined) {
            take(
              sequencer.handlePage({ head: { epoch: "e", low: 1, head: page.head }, entries: page.entries }),
            );
          }
        };
        for (const { kind, offset } of commands) {
          if (kind === "announce") {
            // An entry is announced when it is committed, and then any number of times.
            head = Math.max(head, offset);
            take(sequencer.handleCommitted(entry(offset)));
          } else if (kind === "head") take(sequencer.handleHead({ epoch: "e", head }));
          else if (kind === "answer") answer();
          else if (asked !== undefined) {
            asked = undefined;
            sequencer.handleFetchFailed();
          }
        }
        take(sequencer.handleHead({ epoch: "e", head }));
        for (let steps = 0; steps < 50 && asked !== undefined; steps++) answer();
        take(sequencer.handleHead({ epoch: "e", head }));
        for (let steps = 0; steps < 50 && asked !== undefined; steps++) answer();
        expect(out).toEqual(span(1, head).map(({ offset }) => offset));
        expect(sequencer.delivered).toBe(head);
      },
    ),
    { numRuns: 1_000 },
  );
});

test("G3 sequencer: a new epoch, retention and a log with a hole are skipped over once", () => {
  const sequencer = new StreamSequencer<Entry>({ epoch: "e", delivered: 2, heldLimit: 4 });
  expect(sequencer.handleCommitted(entry(5))).toEqual([{ kind: "fetch", after: 2 }]);
  const page = { head: { epoch: "e", low: 8, head: 9 }, entries: span(8, 9) };
  expect(sequencer.handlePage(page)).toEqual([
    { kind: "skip", epoch: "e", from: 3, to: 7, reason: "retention" },
    { kind: "deliver", entries: span(8, 9) },
  ]);
  expect(sequencer.held).toBe(0);
  sequencer.handleHead({ epoch: "e", head: 12 });
  expect(sequencer.handlePage({ head: { epoch: "e", low: 8, head: 12 }, entries: span(12, 12) })).toEqual([
    { kind: "skip", epoch: "e", from: 10, to: 11, reason: "retention" },
    { kind: "deliver", entries: span(12, 12) },
  ]);
  // The page was read before the epoch changed: another one is asked for after it.
  sequencer.handleHead({ epoch: "e", head: 13 });
  expect(sequencer.handleCommitted(entry(2, "f"))).toEqual([]);
  expect(sequencer.handlePage({ head: { epoch: "e", low: 8, head: 13 }, entries: span(13, 13) })).toEqual([
    { kind: "deliver", entries: span(13, 13) },
    { kind: "fetch", after: 13 },
  ]);
  expect(sequencer.handlePage({ head: { epoch: "f", low: 1, head: 2 }, entries: [] })).toEqual([
    { kind: "skip", epoch: "f", from: 14, to: 2, reason: "reset" },
  ]);
  expect([sequencer.epoch, sequencer.delivered]).toEqual(["f", 2]);
  expect(sequencer.handlePage({ head: undefined, entries: [] })).toEqual([]);
});

test("sequencer: an announcement may overtake a page, and an empty page is not fetched again", () => {
  const sequencer = new StreamSequencer<Entry>({ epoch: "e", delivered: 0, heldLimit: 4 });
  expect(sequencer.handleHead({ epoch: "e", head: 1 })).toEqual([{ kind: "fetch", after: 0 }]);
  sequencer.handleCommitted(entry(1));
  sequencer.handleCommitted(entry(2));
  expect(sequencer.handlePage({ head: { epoch: "e", low: 1, head: 1 }, entries: span(1, 1) })).toEqual([]);
  expect(sequencer.handleCommitted(entry(9))).toEqual([{ kind: "fetch", after: 2 }]);
  expect(sequencer.handlePage({ head: { epoch: "e", low: 1, head: 2 }, entries: [] })).toEqual([]);
  expect(sequencer.handleHead({ epoch: "e", head: 1 })).toEqual([{ kind: "fetch", after: 2 }]);
});

test("G2 member feed: deliveries, blocked connections and pages in any order send every offset once", () => {
  const command = fc.constantFrom("publish", "publish", "blocked", "writable", "page", "failed", "parts");
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 80, size: "max" }),
      fc.integer({ min: 0, max: 3 }),
      (commands, start) => {
        const isLarge = ({ offset }: Entry) => offset % 5 === 0;
        let head = 3;
        const delivered = () => ({ epoch: "e", offset: head });
        const feed = new MemberFeed<Entry>({
          epoch: "e",
          sent: start,
          live: start === head,
          part: 0,
          windowCharacters,
        });
        const sent: number[] = [];
        let asked: { after: number; entries: Entry[]; head: number } | undefined;
        let large: Entry | undefined;
        const take = (outputs: FeedOutput<Entry>[]) => {
          for (const output of outputs) {
            if (output.kind === "send") sent.push(...output.entries.map(({ offset }) => offset));
            else if (output.kind === "gap") throw new Error("nothing was lost");
            else if (output.kind === "sendParts") large = output.entry;
            else
              asked = {
                after: output.after,
                entries: span(output.after + 1, Math.min(head, output.after + 2)),
                head,
              };
          }
        };
        const answer = () => {
          const page = asked;
          asked = undefined;
          if (page === undefined) return;
          take(
            feed.handlePage(
              { head: { epoch: "e", low: 1, head: page.head }, entries: page.entries },
              delivered(),
              isLarge,
            ),
          );
        };
        const finishLarge = () => {
          const done = large;
          large = undefined;
          if (done === undefined) return;
          sent.push(done.offset);
          feed.handleParts(10, 10, delivered());
        };
        for (const kind of commands) {
          if (kind === "publish" || kind === "blocked") {
            head += 1;
            const takesMore = kind === "publish" && !isLarge(entry(head));
            if (feed.handleDelivered(head, takesMore)) sent.push(head);
          } else if (kind === "writable") take(feed.handleWritable());
          else if (kind === "page") answer();
          else if (kind === "parts") finishLarge();
          else if (asked !== undefined) {
            asked = undefined;
            feed.handleReadFailed();
          }
        }
        for (let steps = 0; steps < 200 && !feed.live; steps++) {
          take(feed.handleWritable());
          answer();
          finishLarge();
        }
        expect(feed.live).toBe(true);
        expect(sent).toEqual(span(start + 1, head).map(({ offset }) => offset));
      },
    ),
    { numRuns: 1_000 },
  );
});

const small = () => false;

test("G3 member feed: an epoch that changed while it was behind is a gap to its head", () => {
  const feed = new MemberFeed<Entry>({ epoch: "e", sent: 5, live: false, part: 3, windowCharacters });
  feed.handleWritable();
  const page = { head: { epoch: "f", low: 1, head: 2 }, entries: [] };
  const old = { epoch: "e", offset: 3 };
  expect(feed.handlePage(page, old, small)).toEqual([
    { kind: "gap", epoch: "f", from: 6, to: 2, reason: "reset" },
  ]);
  expect([feed.live, feed.sent, feed.epoch]).toEqual([false, 2, "f"]);
  // The node still lives in the old epoch and delivers nothing of the new one: the log does.
  feed.handleWritable();
  const next = { head: { epoch: "f", low: 1, head: 4 }, entries: span(3, 4, "f") };
  expect(feed.handlePage(next, old, small)).toEqual([{ kind: "send", entries: span(3, 4, "f") }]);
  expect(feed.live).toBe(false);
  expect(feed.handleSkipped("f", 4, 4, "reset")).toEqual([]);
  feed.handleWritable();
  expect(feed.handlePage({ ...next, entries: [] }, { epoch: "f", offset: 4 }, small)).toEqual([]);
  expect(feed.live).toBe(true);
});

test("G3 member feed: parts that end after the node changed its epoch do not make the member live", () => {
  const feed = new MemberFeed<Entry>({ epoch: "e", sent: 5, live: false, part: 0, windowCharacters });
  feed.handleWritable();
  const page = { head: { epoch: "e", low: 1, head: 8 }, entries: span(6, 8) };
  feed.handlePage(page, { epoch: "e", offset: 8 }, () => true);
  feed.handleParts(5, 10, { epoch: "f", offset: 1 });
  expect(feed.handleWritable()).toEqual([{ kind: "sendParts", entry: entry(6), from: 5, until: 100 }]);
  feed.handleParts(10, 10, { epoch: "f", offset: 1 });
  expect([feed.live, feed.sent]).toEqual([false, 6]);
  feed.handleParts(1, 1, { epoch: "e", offset: 1 });
  expect(feed.sent).toBe(6);
});

test("G8 member feed: parts wait for the client to confirm those under way", () => {
  const feed = new MemberFeed<Entry>({ epoch: "e", sent: 0, live: false, part: 30, windowCharacters });
  const delivered = { epoch: "e", offset: 1 };
  feed.handleWritable();
  const page = { head: { epoch: "e", low: 1, head: 1 }, entries: span(1, 1) };
  const parts = { kind: "sendParts", entry: entry(1) };
  expect(feed.handlePage(page, delivered, () => true)).toEqual([{ ...parts, from: 30, until: 130 }]);
  feed.handleParts(130, 400, delivered);
  expect(feed.handleWritable()).toEqual([]);
  expect(feed.handleArrived(2, 130)).toEqual([]);
  expect(feed.handleArrived(1, 131)).toEqual([]);
  expect(feed.handleArrived(1, 80)).toEqual([{ ...parts, from: 130, until: 180 }]);
  feed.handleParts(180, 400, delivered);
  expect(feed.handleArrived(1, 60)).toEqual([]);
  expect(feed.handleArrived(1, 180)).toEqual([{ ...parts, from: 180, until: 280 }]);
});

test("member feed: retention, a stream that is gone, and a member ahead of its node", () => {
  const feed = new MemberFeed<Entry>({ epoch: "e", sent: 1, live: false, part: 7, windowCharacters });
  feed.handleWritable();
  expect(feed.handleWritable()).toEqual([]);
  const page = { head: { epoch: "e", low: 4, head: 6 }, entries: span(4, 5) };
  expect(feed.handlePage(page, { epoch: "e", offset: 5 }, small)).toEqual([
    { kind: "gap", epoch: "e", from: 2, to: 3, reason: "retention" },
    { kind: "send", entries: span(4, 5) },
  ]);
  expect(feed.handleSkipped("e", 2, 5, "retention")).toEqual([]);
  expect(feed.handleSkipped("e", 6, 9, "retention")).toEqual([
    { kind: "gap", epoch: "e", from: 6, to: 9, reason: "retention" },
  ]);
  expect([
    feed.handleDelivered(9, true),
    feed.handleDelivered(10, false),
    feed.handleDelivered(11, true),
  ]).toEqual([false, false, false]);
  feed.handleWritable();
  expect(feed.handlePage({ head: undefined, entries: [] }, { epoch: "e", offset: 11 }, small)).toEqual([]);
  expect(feed.live).toBe(true);
  const holed = new MemberFeed<Entry>({ epoch: "e", sent: 1, live: false, part: 0, windowCharacters });
  holed.handleWritable();
  const hole = { head: { epoch: "e", low: 1, head: 5 }, entries: span(4, 5) };
  expect(holed.handlePage(hole, { epoch: "e", offset: 5 }, small)).toMatchObject([
    { kind: "gap", to: 3 },
    { kind: "send" },
  ]);
  const ahead = new MemberFeed<Entry>({ epoch: "e", sent: 9, live: false, part: 0, windowCharacters });
  ahead.handleWritable();
  const beyond = { head: { epoch: "e", low: 1, head: 12 }, entries: span(10, 12) };
  expect(ahead.handlePage(beyond, { epoch: "e", offset: 8 }, small)).toEqual([]);
  expect([ahead.live, ahead.sent]).toEqual([true, 9]);
});

test("G2 positions: an event of several rooms is shown once, whichever way, in each room's order", () => {
  // Each event stands in one, two or three rooms; each room sends its entries in order, the rooms in any
  // interleaving.
  const events = fc.array(fc.subarray([1, 2, 3], { minLength: 1 }), { maxLength: 30 });
  fc.assert(
    fc.property(events, fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 120 }), (rooms, turns) => {
      const positions = new Positions({ acknowledgeEntries: 4, acknowledgeDelayMs: 10, elsewhereLimit: 1 });
      const logs = new Map<number, [number, number, [number, number][]][]>(
        [1, 2, 3].map((room) => [room, []]),
      );
      rooms.forEach((members, event) => {
        const places = members.map((room) => [room, (logs.get(room)?.length ?? 0) + 1] as [number, number]);
        for (const [room, offset] of places)
          logs.get(room)?.push([offset, event, places.filter(([r]) => r !== room)]);
      });
      for (const room of [1, 2, 3])
        positions.handleOpen({ stream: room, epoch: "e", offset: 0, room: "", prompt: false });
      const next = new Map([1, 2, 3].map((room) => [room, 0]));
      const shown: number[] = [];
      const send = (room: number, index: number) => {
        const found = logs.get(room)?.[index];
        if (found === undefined) return;
        const [offset, event, also] = found;
        const entries = [{ offset, payload: [event], also }];
        for (const output of positions.handleEntries(0, { kind: "entries", stream: room, entries })) {
          if (output.kind === "deliver") shown.push((output.payload as number[])[0] ?? -1);
          else throw new Error("nothing was wrong");
        }
      };
      const advance = (room: number) => {
        const index = next.get(room) ?? 0;
        send(room, index);
        next.set(room, index + 1);
        // What has been shown may come again after a reconnect.
        send(room, Math.floor(index / 2));
      };
      for (const room of turns) advance(room);
      for (const room of [1, 2, 3]) for (let rest = 0; rest < 30; rest++) advance(room);
      expect(shown.toSorted((a, b) => a - b)).toEqual(rooms.map((_, event) => event));
    }),
    { numRuns: 1_000 },
  );
});
