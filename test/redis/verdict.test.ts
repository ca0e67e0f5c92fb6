/** The verdicts see what they have to see: each fault is put into a run that is clean without it. */

import { expect, test } from "vitest";
import type { LedgerLine, Moment, TravellerReport } from "./contract.ts";
import { recoveryVerdictOf } from "./recovery-verdict.ts";
import { noFaults, verdictOf } from "./verdict.ts";

test("a run in which everybody was shown everything once, in one order, has no faults", () => {
  const verdict = verdictOf(ledger(5), [traveller("a", "1 2 3 4 5"), traveller("b", "1 2 3 4 5")]);
  expect(verdict.faults).toEqual(noFaults);
  expect([verdict.deliveries, verdict.covered, verdict.durabilities]).toEqual([10, 0, ["memory"]]);
});

const faulty = [
  ["lost", "1 2 4 5", { lost: 1 }],
  ["lost at the end", "1 2 3 4", { lost: 1 }],
  ["doubled", "1 2 2 3 4 5", { duplicated: 1 }],
  ["in another order", "1 3 2 4 5", { reordered: 1 }],
  ["that nobody published", "1 2 9 3 4 5", { unexpected: 1 }],
  ["lost beside a gap of another kind", "1 2 retention 4 5", { lost: 1 }],
  ["lost behind a reset", "1 reset 2 4 5", { lost: 1 }],
] as const;

test.each(faulty)("an entry %s is a fault", (_name, shown, faults) => {
  expect(verdictOf(ledger(5), [traveller("a", shown)]).faults).toEqual({ ...noFaults, ...faults });
});

test("what is missing where a reset was reported is no fault, and is counted", () => {
  const verdict = verdictOf(ledger(5), [traveller("a", "1 2 reset 5"), traveller("b", "1 2 3 4 5")]);
  expect(verdict.faults).toEqual(noFaults);
  expect([verdict.covered, verdict.repeated]).toEqual([2, 0]);
  expect(verdict.gaps).toMatchObject([{ name: "a", room: "room", reason: "reset" }]);
});

test("what is shown again behind a reset is no fault, and is counted", () => {
  const verdict = verdictOf(ledger(5), [traveller("a", "1 2 3 reset 3 4 5")]);
  expect(verdict.faults).toEqual(noFaults);
  expect([verdict.covered, verdict.repeated]).toEqual([0, 1]);
});

test("a log that goes on in another history is whole, and one that goes back is not", () => {
  const onward = [...ledger(3), ...ledger(5, "f").slice(6)];
  expect(verdictOf(onward, [traveller("a", "1 2 3 4 5")]).faults).toEqual(noFaults);
  expect(verdictOf(onward, [traveller("a", "1 2 3 reset 4 5")]).faults).toEqual(noFaults);
  // 6 and 7 have the places of 4 and 5, and the client that saw 3 last was told nothing.
  const back = [...ledger(5), ...[6, 7].flatMap((number) => published(number, "f", number - 2))];
  expect(verdictOf(back, [traveller("a", "1 2 3 6 7")]).faults).toEqual({ ...noFaults, lost: 2 });
  expect(verdictOf(back, [traveller("a", "1 2 3 4 5 6 7")]).faults).toEqual({ ...noFaults, reordered: 1 });
  const told = verdictOf(back, [traveller("a", "1 2 3 4 5 reset 6 7"), traveller("b", "1 2 3 reset 6 7")]);
  expect([told.faults, told.covered]).toEqual([noFaults, 2]);
});

test("an entry without a receipt may be shown or not, but once, and to all or none", () => {
  const lines: LedgerLine[] = [...ledger(2), { kind: "attempt", room: "room", id: "node 0:3" }];
  const [without, with3, twice] = ["1 2", "1 3 2", "1 3 2 3"].map((shown) => traveller("a", shown));
  expect(verdictOf(lines, [without!]).faults).toEqual(noFaults);
  expect(verdictOf(lines, [with3!, with3!]).faults).toEqual(noFaults);
  expect(verdictOf(lines, [with3!, without!]).faults).toEqual({ ...noFaults, disagreed: 1 });
  expect(verdictOf(lines, [twice!]).faults).toEqual({ ...noFaults, duplicated: 1 });
});

test("two receipts for one entry have to name one place", () => {
  const shown = [traveller("a", "1 2 3")];
  expect(verdictOf([...ledger(3), receipt(2, "e", 7)], shown).faults).toEqual({ ...noFaults, moved: 1 });
  expect(verdictOf([...ledger(3), receipt(2, "e", 2)], shown).faults).toEqual(noFaults);
  // Published again because the storage had lost it.
  const lines = [...ledger(3), receipt(2, "f", 3), ...published(4, "f")];
  expect(verdictOf(lines, [traveller("a", "1 2 3 reset 2 4")]).faults).toEqual(noFaults);
  expect(verdictOf(lines, [traveller("a", "1 2 3 2 4")]).faults).toEqual({ ...noFaults, duplicated: 1 });
});

test("every event of a client needs one outcome, and one call of a handler in its order", () => {
  const client = {
    ...traveller("a", "1"),
    emitted: 4,
    acknowledged: [1, 2, 3].map((id) => ({ id, at: 50 })),
  };
  const judged = (...calls: [id: number, pid: number, at: number][]) => {
    const handled = calls.map(([id, pid, at]): LedgerLine => ({ kind: "handled", client: "a", id, pid, at }));
    return verdictOf([...ledger(1), ...handled], [client]);
  };
  const unsettled = { ...noFaults, unsettled: 1 };
  expect(judged([1, 9, 1], [2, 9, 2], [3, 9, 3]).faults).toEqual(unsettled);
  expect(judged([1, 9, 1], [3, 9, 2]).faults).toEqual({ ...unsettled, unhandled: 1 });
  expect(judged([1, 9, 1], [3, 9, 2], [2, 9, 3]).faults).toEqual({ ...unsettled, mishandled: 1 });
  const rerun = judged([1, 9, 1], [2, 9, 2], [2, 8, 3], [3, 9, 4]);
  expect(rerun.faults).toEqual(unsettled);
  expect(rerun.reruns).toEqual([
    {
      client: "a",
      id: 2,
      runs: [
        { pid: 9, afterMs: 0 },
        { pid: 8, afterMs: 1 },
      ],
      knownAfterMs: 48,
    },
  ]);
  const rejected = [{ id: 4, error: "no" }];
  const { faults } = verdictOf(ledger(1), [{ ...client, acknowledged: [], rejected, settledTwice: 1 }]);
  expect(faults).toEqual({ ...noFaults, rejected: 1, settledTwice: 1, unsettled: 3 });
});

test("a recovery is held to what it claims, and to nothing else", () => {
  const counted = (shown: string) => {
    const { lost, duplicated } = recoveryVerdictOf(ledger(5), [traveller("a", shown)]);
    return { lost, duplicated };
  };
  expect(counted("1 recovered 2 3 4 5")).toEqual({ lost: 0, duplicated: 0 });
  expect(counted("1 recovered 3 4 5")).toEqual({ lost: 1, duplicated: 0 });
  expect(counted("1 2 recovered 2 3 4 5")).toEqual({ lost: 0, duplicated: 1 });
  expect(counted("1 unrecovered 3 recovered 5")).toEqual({ lost: 1, duplicated: 0 });
  expect(counted("1 2 unrecovered 2 5")).toEqual({ lost: 2, duplicated: 0 });
});

/** Entries 1 to `count` of one node, each with an attempt and a receipt. */
function ledger(count: number, epoch = "e"): LedgerLine[] {
  return Array.from({ length: count }, (_none, index) => published(index + 1, epoch)).flat();
}

function published(number: number, epoch: string, offset = number): LedgerLine[] {
  return [{ kind: "attempt", room: "room", id: `node 0:${number}` }, receipt(number, epoch, offset)];
}

function receipt(number: number, epoch: string, offset = number): LedgerLine {
  const place = { epoch, offset };
  return { kind: "receipt", room: "room", id: `node 0:${number}`, place, durability: "memory" };
}

/** A client that was shown the numbers, with connects and gaps in between. */
function traveller(name: string, shown: string): TravellerReport {
  const moments = shown.split(" ").map((word): Moment => {
    if (word === "reset" || word === "retention")
      return { kind: "gap", room: "room", from: 1, to: 0, reason: word };
    if (word.endsWith("recovered")) return { kind: "connect", recovered: word === "recovered" };
    return { kind: "entry", room: "room", id: `node 0:${word}` };
  });
  const first: Moment = { kind: "connect", recovered: false };
  const settled = { emitted: 0, acknowledged: [], rejected: [], settledTwice: 0, isResident: false };
  return { name, rooms: ["room"], moments: [first, ...moments], ...settled };
}
