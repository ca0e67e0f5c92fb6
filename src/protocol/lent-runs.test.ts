/** What is said of runs whose session has gone on elsewhere, and to whom. */

import { expect, test } from "vitest";
import { LentRuns } from "./lent-runs.ts";

const at = { namespace: "/", session: "s" };
const claimed = { holder: undefined, heard: 1, low: 1, last: 6 };
const take = { kind: "take", ...at, generation: 2, low: 1, next: 7 } as const;
const outcome = { sequence: 5, status: "ok", body: "[1]" } as const;
const done = { kind: "done", ...at, since: 2, sequence: 5 } as const;

function lending(running: readonly number[] = [5]): LentRuns {
  const lent = new LentRuns({ limit: 2 });
  lent.handleLeft(0, at, { generation: 1, claimed, running, ask: [] });
  return lent;
}

function held(sequences: readonly number[], ask: readonly string[] = []) {
  return { kind: "held", ...at, since: 2, sequences, ask };
}

test("G1 whoever asks is told what runs, that it still does, and how it ended", () => {
  const lent = lending();
  expect(lent.handleTaken(100, "b", take)).toEqual([{ to: "b", word: held([5]) }]);
  expect(lent.handleTimeout(200)).toEqual([{ to: "b", word: { kind: "alive" } }]);
  expect(lent.handleTimeout(1_199)).toEqual([]);
  expect(lent.handleTimeout(1_200)).toEqual([{ to: "b", word: { kind: "alive" } }]);
  const places = [{ stream: 3, epoch: "e", offset: 1 }];
  const said = { to: "b", word: { ...done, outcome: { status: "ok", body: "[1]" }, places } };
  expect(lent.handleEnded(1_300, "s", { sequence: 5, outcome, places })).toEqual([said]);
  expect([lent.running, lent.handleTimeout(9_000)]).toEqual([0, []]);
});

test("G1 an outcome that nobody has asked for is kept for 10 s", () => {
  const lent = lending();
  expect(lent.handleEnded(100, "s", { sequence: 5, outcome, places: [] })).toEqual([]);
  lent.handleTimeout(10_000);
  const word = { ...done, outcome: { status: "ok", body: "[1]" }, places: [] };
  const answers = [
    { to: "b", word: held([5]) },
    { to: "b", word },
  ];
  expect(lent.handleTaken(10_000, "b", take)).toEqual(answers);
  // Nor is it spent: the next one to hold the session may ask, too.
  expect(lent.handleTaken(11_000, "c", { ...take, generation: 3 })).toMatchObject([{ to: "c" }, { to: "c" }]);
  lent.handleTimeout(21_000);
  expect(lent.size).toBe(0);
});

test("a run that is to be repeated ends without an outcome", () => {
  const lent = lending();
  lent.handleTaken(100, "b", take);
  const ended = { sequence: 5, outcome: undefined, places: [] };
  expect(lent.handleEnded(200, "s", ended)).toEqual([{ to: "b", word: { ...done, places: [] } }]);
});

test("a process that does not have the session says so, and whom it was waiting for", () => {
  const lent = new LentRuns({ limit: 2 });
  expect(lent.handleTaken(0, "b", take)).toEqual([{ to: "b", word: held([]) }]);
  lent.handleLeft(100, at, { generation: 2, claimed, running: [], ask: ["a"] });
  const third = { ...take, generation: 3 };
  expect(lent.handleTaken(200, "c", third)).toEqual([{ to: "c", word: { ...held([], ["a"]), since: 3 } }]);
  // The second one has lost it meanwhile.
  expect(lent.isTaken("s", 2)).toBe(true);
  expect(lent.handleTaken(300, "b", take)).toEqual([]);
});

test("G1 what another life of the client had begun is not part of the session any more", () => {
  const lent = lending([5, 6]);
  // It has never sent a sixth event: its own one will be another.
  expect(lent.handleTaken(100, "b", { ...take, next: 6 })).toEqual([{ to: "b", word: held([]) }]);
  expect(lent.handleEnded(200, "s", { sequence: 5, outcome, places: [] })).toEqual([]);
});

const answer = { ...at, since: 2, sequence: 5, request: "a.1" };

test("G4 an answer that is brought twice is new once, and its end is said to who brought it last", () => {
  const lent = new LentRuns({ limit: 2 });
  expect(lent.lend(0, "b", answer, true)).toBe("new");
  expect(lent.lend(100, "c", { ...answer, since: 3 }, false)).toEqual([]);
  const [said] = lent.handleAnswered(200, answer, outcome);
  expect(said).toMatchObject({ to: "c", word: { kind: "done", since: 3, sequence: 5 } });
  expect(lent.lend(300, "c", { ...answer, since: 3 }, false)).toEqual([said]);
});

test("G4 an answer whose callback runs already is not new", () => {
  expect(lending().lend(100, "b", answer, false)).toEqual([]);
});

test("G4 what another life of the client has given the number of an answer is something else", () => {
  const lent = lending();
  expect(lent.lend(100, "b", answer, true)).toBe("new");
  expect(lent.lend(100, "b", { ...answer, request: "a.2" }, true)).toBe("new");
  const [said] = lent.handleAnswered(200, { ...answer, request: "a.2" }, { ...outcome, body: "[2]" });
  expect(said).toMatchObject({ word: { sequence: 5, outcome: { body: "[2]" } } });
  expect(lent.running).toBe(2);
});

test("G1 a reloaded page goes on with what runs here; a copy that was welcomed elsewhere does not", () => {
  const holder = { instance: "page", generation: 1, attempt: 1 };
  const reloaded = { instance: "reloaded", generation: 4, attempt: 1 };
  const heldFor = (claim: typeof holder) => {
    const lent = new LentRuns({ limit: 2 });
    const leaving = { generation: 4, claimed: { ...claimed, holder }, running: [5], ask: [] };
    lent.handleLeft(0, at, leaving);
    return lent.handleTaken(100, "b", { ...take, generation: 6, holder: claim })[0]?.word;
  };
  expect(heldFor({ ...holder, attempt: 2 })).toMatchObject({ sequences: [5] });
  expect(heldFor(reloaded)).toMatchObject({ sequences: [5] });
  expect(heldFor({ ...reloaded, generation: 5 })).toMatchObject({ sequences: [] });
  // Unless the page that was reloaded had asked in between, and was welcomed there.
  const lent = new LentRuns({ limit: 2 });
  lent.handleLeft(0, at, { generation: 4, claimed: { ...claimed, holder }, running: [5], ask: [] });
  lent.handleTaken(100, "b", { ...take, generation: 5, holder: { ...holder, attempt: 2 } });
  const [last] = lent.handleTaken(200, "c", {
    ...take,
    generation: 6,
    holder: { ...reloaded, generation: 5 },
  });
  expect(last?.word).toMatchObject({ sequences: [5] });
});

test("G7 the table has a limit: the session that changed the longest time ago is forgotten", () => {
  const lent = lending();
  lent.handleLeft(100, { ...at, session: "t" }, { generation: 1, claimed, running: [1], ask: [] });
  lent.handleLeft(200, { ...at, session: "u" }, { generation: 1, claimed, running: [1], ask: [] });
  expect(["s", "t", "u"].map((session) => lent.knows(session))).toEqual([false, true, true]);
  expect([lent.size, lent.running]).toEqual([2, 2]);
});
