/** The meter itself: histories that are forged, and what the ledger finds in them. */

import { expect, test } from "vitest";
import { quietMs } from "../contract.ts";
import { courseOf } from "./course.ts";
import { clients, entriesEach, Forgery, startedAt } from "./testing/forgery.ts";
import { objectionsTo } from "./validity.ts";
import { holds, type Verdict, verdictOf } from "./verdict.ts";

const owedToClients = clients * entriesEach * 2;
const owedToServers = clients * entriesEach;
const nothing = {
  lost: 0,
  duplicated: 0,
  reordered: 0,
  late: 0,
  undelivered: 0,
  unanswered: 0,
  wrong: 0,
  madeUp: 0,
};

test("nothing is found where nothing went wrong, and everything was looked at", () => {
  const { verdict, objections } = judge(new Forgery());
  expect(verdict.toClients).toMatchObject({ ...nothing, owed: owedToClients });
  expect(verdict.toServers).toMatchObject({ ...nothing, owed: owedToServers });
  expect(holds(verdict)).toBe(true);
  expect(objections).toEqual([]);
});

test("one lost, one doubled, one swapped and one late are each found, towards clients", () => {
  expectFound((forgery) => forgery.part(1).arrivals.splice(4 * 7, 4), "toClients", { lost: 1 });
  const repeat = ({ arrivals }: { arrivals: number[] }) => arrivals.push(...arrivals.slice(4 * 7, 4 * 8));
  expectFound((forgery) => repeat(forgery.part(1)), "toClients", { duplicated: 1 });
  expectFound((forgery) => swap(forgery.part(2).arrivals, 4, 9), "toClients", { reordered: 1 });
  expectFound((forgery) => (forgery.part(0).arrivals[4 * 39 + 3] = startedAt + 9_000), "toClients", {
    late: 1,
  });
});

test("one lost, one doubled, one swapped and one late are each found, towards servers", () => {
  const runs = (forgery: Forgery) => forgery.linesOf("a00");
  const firstRun = entriesEach * 2;
  expectFound((forgery) => runs(forgery).splice(firstRun + 3, 1), "toServers", { lost: 1 });
  expectFound((forgery) => forgery.linesOf("a01").push(["run", 0, 4, startedAt + 300, "0:4"]), "toServers", {
    duplicated: 1,
  });
  expectFound(
    (forgery) => (runs(forgery)[firstRun + 3] = ["run", 0, 4, startedAt + 400, "0:4"]),
    "toServers",
    // Those that have overtaken it are where they belong.
    { reordered: 1 },
  );
  expectFound((forgery) => (forgery.part(0).answers[1] = startedAt + 9_000), "toServers", { late: 1 });
});

test("the last ones that are missing are undelivered where they are stored, and others are lost", () => {
  const runOf = (client: number, id: number) => entriesEach * 2 + entriesEach * client + id - 1;
  const unrun = (id: number) => (forgery: Forgery) => {
    forgery.linesOf("a00").splice(runOf(1, id), 1);
    forgery.part(1).answers.splice(3 * (id - 1), 3);
  };
  expectFound((forgery) => forgery.part(1).arrivals.splice(-4), "toClients", { undelivered: 1 });
  expectFound((forgery) => forgery.part(1).arrivals.splice(4 * 7, 4), "toClients", { lost: 1 });
  expectFound(unrun(entriesEach), "toServers", { undelivered: 1 });
  expectFound(unrun(4), "toServers", { lost: 1 });
});

test("where nothing is stored, the last ones are undelivered only to a client that was away", () => {
  const forget = (forgery: Forgery) => {
    for (const lines of forgery.lines.values())
      for (const line of lines) if (line[0] === "ok") line.length = 4;
    return forgery.part(1);
  };
  expectFound((forgery) => forget(forgery).arrivals.splice(-4), "toClients", { lost: 1 });
  const leave = (forgery: Forgery) => {
    const part = forget(forgery);
    part.end = { at: startedAt + 20_000, connected: false, pending: 0 };
    return part;
  };
  expectFound((forgery) => leave(forgery).arrivals.splice(-4), "toClients", { undelivered: 1 });
  expectFound((forgery) => leave(forgery).arrivals.splice(4 * 7, 4), "toClients", { lost: 1 });
});

test("a reply that is missing, an error and a reply to something else are found", () => {
  expectFound((forgery) => forgery.part(0).answers.splice(0, 3), "toServers", { unanswered: 1 });
  expectFound((forgery) => (forgery.part(0).answers[2] = -1), "toServers", { unanswered: 1 });
  expectFound((forgery) => (forgery.part(0).answers[2] = 0), "toServers", { wrong: 1 });
});

test("an entry that nobody published is found, and one without acknowledgement may come or not", () => {
  expectFound((forgery) => forgery.part(0).arrivals.push(0, 99, 0, startedAt + 500), "toClients", {
    madeUp: 1,
  });
  const unacknowledged = new Forgery();
  unacknowledged.linesOf("a00").splice(1, 1);
  unacknowledged.part(0).arrivals.splice(0, 4);
  expect(judge(unacknowledged).verdict.toClients).toMatchObject({
    ...nothing,
    owed: owedToClients - clients,
  });
});

test("what was reported as a gap is not lost, and what lies beside it is", () => {
  const forgery = new Forgery();
  forgery.part(1).arrivals.splice(4 * 7, 12);
  const gap = { kind: "gap", at: startedAt + 300, stream: 1, reason: "retention" } as const;
  forgery.part(1).moments.push({ ...gap, from: 8, to: 9 });
  const { verdict } = judge(forgery);
  expect(verdict.toClients).toMatchObject({ ...nothing, lost: 1, reported: 2 });
  expect(verdict.gapsReported).toBe(1);
  // Of another room nothing was said.
  forgery.part(1).moments.pop();
  forgery.part(1).moments.push({ ...gap, stream: 2, from: 8, to: 9 });
  expect(judge(forgery).verdict.toClients).toMatchObject({ ...nothing, lost: 3, reported: 0 });
});

test("nothing is owed from before a client was a member, nor from after its end", () => {
  const newcomer = new Forgery();
  newcomer.part(1).moments[1] = { kind: "arrive", at: startedAt + 305 };
  // Twenty entries, ten milliseconds apart, from 110 ms on.
  newcomer.part(1).arrivals.splice(0, 4 * 20);
  expect(judge(newcomer).verdict.toClients).toMatchObject({ ...nothing, owed: owedToClients - 20 });
  const quitter = new Forgery();
  quitter.part(1).end = { at: startedAt + 305 + quietMs, connected: true, pending: 0 };
  quitter.part(1).arrivals.splice(4 * 20);
  expect(judge(quitter).verdict.toClients).toMatchObject({ ...nothing, owed: owedToClients - 20 });
});

test("an event may run again when its server was killed meanwhile, under its key alone", () => {
  const again = (key: string) => {
    const forgery = new Forgery();
    forgery.linesOf("a01").push(["run", 0, 20, startedAt + 900, key]);
    forgery.happenings.push({ at: startedAt + 600, text: "a00 is killed", killed: ["a00"] });
    return judge(forgery).verdict.toServers;
  };
  expect(again("0:20")).toMatchObject({ ...nothing, reruns: 1 });
  expect(again("another")).toMatchObject({ ...nothing, duplicated: 1, reruns: 0 });
});

test("a run that proves nothing says why", () => {
  const objections = (spoil: (forgery: Forgery) => unknown): string => {
    const forgery = new Forgery();
    spoil(forgery);
    return judge(forgery).objections.join("; ");
  };
  expect(objections(({ parts }) => parts.pop())).toMatch(/1 of 3 clients reported nothing/);
  expect(objections((forgery) => (forgery.part(0).part = 2))).toMatch(/reports of 1 clients are incomplete/);
  expect(objections((forgery) => delayEmits(forgery, 400))).toMatch(/the generator was the bottleneck/);
  expect(objections((forgery) => forgery.linesOf("a01").splice(0, 10))).toMatch(
    /a01 published 15 entries, 20/,
  );
  expect(objections((forgery) => (forgery.skewMs = -80))).toMatch(/differ by -80 ms/);
  expect(objections((forgery) => forgery.part(2).moments.splice(2))).toMatch(/only 2 of 3 clients lost/);
});

test("a client whose report is incomplete is not judged", () => {
  const forgery = new Forgery();
  forgery.part(0).part = 2;
  forgery.part(0).arrivals.splice(0, 40);
  expect(judge(forgery).verdict.toClients).toMatchObject({ ...nothing, owed: (owedToClients * 2) / 3 });
});

test("the course tells how long clients were away", () => {
  const { absenceMs, reconnects, connected, deliveries } = courseOf(new Forgery().book());
  expect(absenceMs).toMatchObject({ count: clients, max: 10 });
  expect(reconnects).toEqual([1, 1, 1]);
  expect(connected[0]).toBe(clients);
  expect(deliveries.reduce((sum, count) => sum + count)).toBe(owedToClients);
});

/** Spoils a clean history in one way, and expects that this is found, and nothing else. */
function expectFound(
  spoil: (forgery: Forgery) => unknown,
  side: "toClients" | "toServers",
  found: Partial<typeof nothing>,
): void {
  const forgery = new Forgery();
  spoil(forgery);
  const { verdict } = judge(forgery);
  const other = side === "toClients" ? "toServers" : "toClients";
  expect(verdict[side]).toMatchObject({ ...nothing, ...found });
  expect(verdict[other]).toMatchObject(nothing);
  expect(holds(verdict)).toBe(false);
  expect(verdict.examples).toHaveLength(1);
}

function judge(forgery: Forgery): { readonly verdict: Verdict; readonly objections: readonly string[] } {
  const book = forgery.book();
  return {
    verdict: verdictOf(book, { lateAfterMs: 5_000 }),
    objections: objectionsTo(book, forgery.expectations),
  };
}

/** Two arrivals that follow each other trade places. */
function swap(rows: number[], rowLength: number, index: number): void {
  const [first, second] = [index * rowLength, (index + 1) * rowLength];
  rows.splice(first, 0, ...rows.splice(second, rowLength));
}

function delayEmits(forgery: Forgery, byMs: number): void {
  for (const { emits } of forgery.parts) {
    for (let place = 2; place < emits.length; place += 3) emits[place] = (emits[place] ?? 0) + byMs;
  }
}
