/** Who waits for what runs elsewhere, and for how long. */

import { expect, test } from "vitest";
import { RunsElsewhere } from "./runs-elsewhere.ts";

const at = { namespace: "/", session: "s" };
const ok = { status: "ok", body: "" } as const;

function asking(next = 10): RunsElsewhere {
  const elsewhere = new RunsElsewhere({ since: 3, claim: { low: 4, next } });
  expect(elsewhere.ask(0, "a")).toBe(true);
  return elsewhere;
}

test("G1 until the other has said what it runs, everything waits that the client had sent", () => {
  const elsewhere = asking(6);
  expect([4, 5, 6].map((sequence) => elsewhere.waits(sequence))).toEqual([true, true, false]);
  expect(elsewhere.handleHeld(100, "a", { ...at, since: 3, sequences: [5], ask: [] })).toEqual([]);
  expect([4, 5, 6].map((sequence) => elsewhere.waits(sequence))).toEqual([false, true, false]);
});

test("G1 an outcome comes out once, with where its entries stand, and nothing is waited for any more", () => {
  const elsewhere = asking();
  elsewhere.handleHeld(100, "a", { ...at, since: 3, sequences: [5], ask: [] });
  const places = [{ stream: 1, epoch: "e", offset: 9 }];
  const done = { ...at, since: 3, sequence: 5, outcome: ok, places };
  expect(elsewhere.handleDone("a", { ...done, since: 2 })).toEqual([]);
  const outcome = { sequence: 5, ...ok };
  expect(elsewhere.handleDone("a", done)).toEqual([{ kind: "outcome", outcome, places }]);
  expect([elsewhere.size, elsewhere.waits(5)]).toEqual([0, false]);
});

test("an event that has ended without an outcome waits no longer, and is run here", () => {
  const elsewhere = asking();
  elsewhere.handleHeld(100, "a", { ...at, since: 3, sequences: [5, 6], ask: [] });
  expect(elsewhere.handleDone("a", { ...at, since: 3, sequence: 5, places: [] })).toEqual([]);
  expect([elsewhere.waits(5), elsewhere.waits(6)]).toEqual([false, true]);
});

test("one that does not answer in 500 ms is taken for gone", () => {
  const elsewhere = asking();
  elsewhere.handleTimeout(499);
  expect(elsewhere.waits(5)).toBe(true);
  elsewhere.handleTimeout(500);
  expect([elsewhere.waits(5), elsewhere.size]).toEqual([false, 0]);
});

test("one that has answered is waited for as long as it says that it lives, and 3 s more", () => {
  const elsewhere = asking();
  elsewhere.handleHeld(100, "a", { ...at, since: 3, sequences: [5], ask: [] });
  for (let now = 1_000; now <= 60_000; now += 1_000) {
    elsewhere.handleAlive(now, "a");
    elsewhere.handleTimeout(now + 999);
    expect(elsewhere.waits(5)).toBe(true);
  }
  elsewhere.handleTimeout(62_999);
  expect(elsewhere.waits(5)).toBe(true);
  elsewhere.handleTimeout(63_000);
  expect(elsewhere.waits(5)).toBe(false);
});

test("an answer that comes late still holds what has not begun", () => {
  const elsewhere = asking();
  elsewhere.handleTimeout(500);
  elsewhere.handleHeld(600, "a", { ...at, since: 3, sequences: [5], ask: [] });
  expect([elsewhere.waits(4), elsewhere.waits(5)]).toEqual([false, true]);
});

test("one that was waiting itself names whom to ask, each once, and not the whole fleet", () => {
  const elsewhere = asking();
  const ask = ["b", "a", "c"];
  const held = { ...at, since: 3, sequences: [], ask };
  expect(elsewhere.handleHeld(100, "a", held)).toEqual([
    { kind: "take", node: "b" },
    { kind: "take", node: "c" },
  ]);
  expect([elsewhere.waits(5), elsewhere.unheard]).toEqual([true, ["b", "c"]]);
  expect(elsewhere.handleHeld(200, "b", held)).toEqual([]);
  const many = Array.from({ length: 20 }, (_, index) => `n${index}`);
  expect(elsewhere.handleHeld(300, "c", { ...held, ask: many })).toHaveLength(5);
});

test("G4 an answer that was given to another process ends when that says so, or says nothing", () => {
  const elsewhere = new RunsElsewhere({ since: 3, claim: { low: 1, next: 1 } });
  elsewhere.forward(0, "a", 7);
  elsewhere.handleTimeout(20_000);
  // From when it is stored.
  elsewhere.handleAlive(20_000, "a");
  expect(elsewhere.handleTimeout(22_999)).toEqual([]);
  expect(elsewhere.waits(7)).toBe(false);
  expect(elsewhere.handleTimeout(23_000)).toEqual([{ kind: "unanswered", sequence: 7 }]);
  elsewhere.forward(30_000, "a", 8);
  expect(elsewhere.handleDone("a", { ...at, since: 3, sequence: 8, places: [] })).toEqual([
    { kind: "unanswered", sequence: 8 },
  ]);
});
