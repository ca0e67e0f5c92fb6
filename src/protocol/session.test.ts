/**
 * A client and a server session over a link in virtual time: what each side does when something goes wrong.
 */

import { expect, test } from "vitest";
import type { SavedSession } from "./client-session.ts";
import { Pair, type PairOptions } from "./testing/pair.ts";

const long = "x".repeat(150);

function connected(options?: PairOptions): Pair {
  const pair = new Pair(options);
  pair.connect();
  pair.drive();
  return pair;
}

test("G1 keeps within the server's window after a welcome that settles a full one", () => {
  const pair = connected({ limits: { windowEvents: 8 }, commitMs: 0 });
  const before = pair.frames;
  for (let index = 0; index < 40; index++) pair.emit(`e${index}`);
  // The server has taken and recorded the whole window when the link goes silent.
  pair.drive(() => pair.frames === before + 8);
  pair.cutHalfOpen();
  pair.drive();
  expect(pair.refused).toEqual([]);
  expect(pair.handledNames).toEqual(Array.from({ length: 40 }, (_, index) => `e${index}`));
  expect(new Set(Object.values(pair.outcomes))).toEqual(new Set(["ok"]));
  expect(pair.connections).toBe(2);
});

test("G1 runs again what the handler puts off, and settles it once", () => {
  const handle: PairOptions["handle"] = (run, attempt) =>
    String(run.payload).startsWith("busy") && attempt < 3 ? { kind: "retry", delayMs: 30 } : undefined;
  const pair = connected({ handle });
  pair.emit("busy");
  pair.emit("next");
  pair.emit("busy upload", { args: [long] });
  pair.drive();
  expect(pair.handledNames.filter((name) => name === "busy")).toHaveLength(3);
  expect(pair.handledNames.filter((name) => name === "busy upload")).toHaveLength(3);
  expect(pair.outcomes).toEqual({ busy: "ok", next: "ok", "busy upload": "ok" });
});

test("G1 a reconnect takes the place of the retry delay, and nothing is sent out of its turn", () => {
  const handle: PairOptions["handle"] = (run, attempt) =>
    String(run.payload) === "busy" && attempt === 1 ? { kind: "retry", delayMs: 50 } : undefined;
  const pair = connected({ handle, limits: { windowCharacters: 30 } });
  pair.emit("busy");
  pair.drive(() => pair.schedule.now > 0 && pair.handled.length === 1 && pair.schedule.next === undefined);
  pair.cut();
  pair.emit("second");
  pair.drive();
  expect(pair.refused).toEqual([]);
  expect(pair.handledNames).toEqual(["busy", "busy", "second"]);
});

test("G1 an event that is given up before it was sent never runs", () => {
  const pair = new Pair();
  pair.cancel(pair.emit("late"));
  pair.emit("next");
  pair.connect();
  pair.drive();
  expect(pair.handledNames).toEqual(["next"]);
  expect(pair.outcomes).toEqual({ late: "expired", next: "ok" });
  expect(pair.store.outcomes.get(1)?.status ?? "confirmed").not.toBe("ok");
});

test("G1 an event that is given up in flight or while it runs ends for the caller once", () => {
  for (const steps of [0, 1, 2, 3, 4, 5]) {
    const pair = connected({ handle: () => ({ kind: "ok", afterMs: 10 }) });
    const emit = pair.emit("event");
    for (let step = 0; step < steps; step++) if (pair.schedule.next !== undefined) pair.schedule.step();
    pair.cancel(emit);
    pair.drive();
    expect(pair.outcomes["event"]).toMatch(steps < 4 ? /^expired$/ : /^(expired|ok)$/);
    expect(pair.client.pending).toBe(0);
    expect(pair.refused).toEqual([]);
  }
});

test("G1 a large event that is given up while it waits sends no chunk of a text that is gone", () => {
  const handle: PairOptions["handle"] = () => ({ kind: "retry", delayMs: 1 });
  const pair = connected({ handle, commitMs: 50 });
  const emit = pair.emit("large", { args: [long] });
  pair.drive(() => pair.client.nextTimeout() !== undefined);
  pair.cancel(emit);
  pair.drive();
  expect(pair.refused).toEqual([]);
  expect(pair.outcomes).toEqual({ large: "expired" });
});

test("G1 an upload that is given up lets the events behind it go", () => {
  const pair = connected({ commitMs: 20 });
  const upload = pair.emit("large", { args: [long] });
  pair.emit("behind");
  pair.drive(() => pair.schedule.now > 12);
  pair.cancel(upload);
  pair.drive();
  expect(pair.outcomes).toEqual({ large: "expired", behind: "ok" });
  expect(pair.handledNames).toEqual(["behind"]);
});

test("G1 an event over the limit, emitted before it was known, is rejected and holds up nothing", () => {
  const pair = new Pair();
  pair.emit("huge", { args: ["x".repeat(5_000)] });
  pair.emit("next");
  pair.connect();
  pair.drive();
  expect(pair.outcomes).toEqual({ huge: "rejected event_too_large", next: "ok" });
  expect(pair.connections).toBe(1);
});

test("G7 uploads under way at one time are together no larger than the greatest event", () => {
  const pair = connected({ commitMs: 30, limits: { windowChunks: 64 } });
  for (let index = 0; index < 4; index++) pair.emit(`u${index}`, { args: ["y".repeat(600)] });
  let most = 0;
  pair.drive(() => {
    const sum = [...pair.store.uploads.values()].flat().join("").length;
    most = Math.max(most, sum);
    return false;
  });
  expect(most).toBeLessThanOrEqual(1_000);
  expect(Object.values(pair.outcomes)).toEqual(["ok", "ok", "ok", "ok"]);
});

test("G8 a transfer goes on with a server that cuts its chunks differently, both ways", () => {
  for (const size of [16, 33, 64, 1_000]) {
    for (let cutAt = 1; cutAt < 24; cutAt++) {
      const pair = connected();
      pair.frames = 0;
      pair.cutAtFrame = cutAt;
      pair.onCut = () => {
        pair.limits = { ...pair.limits, chunkCharacters: size };
        pair.crashServer();
      };
      pair.emit("large", { args: [long] });
      pair.publish("down", { args: [long] });
      pair.drive();
      expect(pair.handled.at(-1)).toEqual(["large", long]);
      expect(pair.shown.map((shown) => shown.kind === "deliver" && shown.payload)).toEqual([["down", long]]);
      expect([...pair.violations, ...pair.refused]).toEqual([]);
    }
  }
});

test("G4 replies may ask for replies, and survive a crash", () => {
  const pair = connected();
  pair.emit("question", { wantsReply: true });
  pair.drive();
  pair.reply("answer", "node.1");
  pair.crashServer();
  pair.drive();
  expect(pair.outcomes).toEqual({ question: 'ok [["re question"]]', answer: 'ok [["re answer"]]' });
  expect(pair.handledNames).toEqual(["question", "answer"]);
});

test("G1 G3 a lost session fails what was sent, takes along what was not, and reports the room", () => {
  const pair = connected({ limits: { windowEvents: 4 } });
  for (let index = 0; index < 6; index++) pair.emit(`e${index}`);
  pair.loseSession();
  pair.cut();
  pair.drive();
  const ends = Object.values(pair.outcomes);
  expect(ends).toEqual([...Array.from({ length: 4 }, () => "session_lost"), "ok", "ok"]);
  expect(pair.handledNames.slice(-2)).toEqual(["e4", "e5"]);
  expect(pair.shownNames).toEqual(["gap 1-0 session_lost"]);
});

test("G1 a session that somebody else took is given up: frames still to come change nothing", () => {
  const pair = connected();
  pair.emit("sent");
  pair.abandon();
  pair.emit("new");
  pair.client.handleFrame(0, ["do", 1, 9]);
  expect(pair.outcomes).toEqual({ sent: "session_lost", new: "pending" });
  pair.cut();
  pair.drive();
  expect(pair.outcomes).toEqual({ sent: "session_lost", new: "ok" });
});

test("G1 after a reset nothing more goes to the old session", () => {
  const pair = connected();
  for (let index = 0; index < 8; index++) pair.emit(`e${index}`);
  pair.reset();
  pair.emit("new");
  pair.cut();
  pair.drive();
  expect(Object.values(pair.outcomes)).toEqual([...Array.from({ length: 8 }, () => "session_closed"), "ok"]);
  expect(pair.client.token).not.toBe("");
});

test("G6 a welcome that answers the hello of before a reset is turned down", () => {
  const pair = connected();
  for (let index = 0; index < 3; index++) pair.emit(`e${index}`);
  pair.drive();
  pair.cut();
  pair.drive(() => pair.connections === 2);
  pair.reset();
  pair.emit("new");
  pair.drive();
  expect(pair.violations).toEqual(["the welcome does not answer the hello"]);
  expect(pair.outcomes).toMatchObject({ new: "ok" });
  expect(pair.handledNames.at(-1)).toBe("new");
});

test("G1 an old copy of the page's state opens a new session instead of using sequences again", () => {
  for (const settledBefore of [0, 3]) {
    const pair = connected();
    for (let index = 0; index < settledBefore; index++) pair.emit(`before${index}`);
    pair.drive();
    const saved: SavedSession = pair.client.save();
    for (let index = 0; index < 3; index++) pair.emit(`after${index}`);
    pair.drive();
    pair.reloadPage(saved);
    pair.emit("new");
    pair.drive();
    expect(pair.handledNames.at(-1)).toBe("new");
    expect(pair.outcomes).toMatchObject({ new: "ok" });
    expect(pair.shownNames).toEqual(["gap 1-0 session_lost"]);
  }
});

test("G1 G7 outcomes that the store does not take are tried again, and the caller hears one end", () => {
  const pair = connected();
  pair.store.failures = 3;
  pair.emit("event");
  pair.drive();
  expect(pair.outcomes).toEqual({ event: "ok" });
  expect(pair.store.failures).toBe(0);
});

test("G3 retention is reported once, and the room goes on behind it", () => {
  const pair = connected();
  pair.publish("p1");
  pair.drive();
  pair.cut();
  for (let index = 2; index <= 6; index++) pair.publish(`p${index}`);
  pair.drive(() => pair.store.head === 6);
  pair.store.trim(4);
  pair.drive();
  expect(pair.shownNames.slice(-4)).toEqual(["gap 2-3 retention", "p4", "p5", "p6"]);
});

test("G3 a log that went back is a reset, in either epoch, for live members and late ones", () => {
  for (const epoch of ["e1", "e2"]) {
    for (const away of [false, true]) {
      const pair = connected();
      for (let index = 1; index <= 5; index++) pair.publish(`old${index}`);
      pair.drive();
      pair.store.rewind(2, epoch);
      if (away) pair.cut();
      pair.drive();
      // The heads are compared from time to time, which finds it where nobody has read.
      pair.server?.handleHead();
      pair.drive();
      for (let index = 3; index <= 8; index++) pair.publish(`new${index}`);
      pair.drive();
      expect(pair.shownNames.slice(0, 6)).toEqual(["old1", "old2", "old3", "old4", "old5", "gap 6-2 reset"]);
      expect(pair.shownNames.slice(-6)).toEqual(["new3", "new4", "new5", "new6", "new7", "new8"]);
      expect(pair.violations).toEqual([]);
    }
  }
});

test("acknowledges what was shown, rarely", () => {
  const pair = connected();
  for (let index = 0; index < 20; index++) pair.publish(`p${index}`);
  pair.drive();
  expect(pair.confirmed).toBe(20);
});

test("ignores what a newer server says, and goes on", () => {
  const pair = connected();
  pair.client.handleFrame(0, ["zz", 1]);
  pair.client.handleFrame(0, ["al", 3]);
  expect(pair.client.poll()).toEqual([{ kind: "alive", nonce: 3 }]);
  pair.client.handleFrame(0, [7]);
  expect(pair.client.poll()).toMatchObject([{ kind: "violation" }]);
});
