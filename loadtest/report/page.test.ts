/** The outcome of forged runs, and the page that shows it. */

import { expect, test } from "vitest";
import type { Kind } from "../contract.ts";
import { courseOf } from "../ledger/course.ts";
import type { Judgement } from "../ledger/ledger-program.ts";
import { Forgery, startedAt } from "../ledger/testing/forgery.ts";
import { emissionLag, objectionsTo } from "../ledger/validity.ts";
import { verdictOf } from "../ledger/verdict.ts";
import type { RunResult } from "../run.ts";
import { outcomeOf } from "./outcome.ts";
import { pageOf } from "./page.ts";
import type { Report } from "./report.ts";

test("the exit code is 0 when it holds, 1 when it is broken, 2 when nothing is proven", () => {
  expect(outcome()).toMatchObject({ exitCode: 0, word: "holds" });
  expect(outcome(loseOne)).toMatchObject({ exitCode: 1, word: "broken" });
  expect(outcome(neverTest)).toMatchObject({ exitCode: 2, word: "invalid" });
  // A message that is lost is lost, however slow the machine was.
  expect(outcome(loseOne, neverTest)).toMatchObject({ exitCode: 1, word: "broken" });
  // Lateness may be the machine's.
  expect(outcome(delayOne)).toMatchObject({ exitCode: 1, word: "broken" });
  expect(outcome(delayOne, neverTest)).toMatchObject({ exitCode: 2, word: "invalid" });
  // So may be that a client was not back in time.
  expect(outcome(leave)).toMatchObject({ exitCode: 1, word: "broken" });
  const { exitCode, sentence } = outcome(leave, neverTest);
  expect(exitCode).toBe(2);
  expect(sentence).toContain("but 1 messages of Holdfast had not come at its end");
  expect(outcomeOf([{ ...resultOf("holdfast"), interrupted: true }], "it rains")).toMatchObject({
    exitCode: 2,
    word: "interrupted",
    objections: [],
  });
});

test("what controls lose is told, and changes nothing", () => {
  const { exitCode, sentence } = outcomeOf([resultOf("holdfast"), resultOf("stock", loseOne)], "it rains");
  expect(exitCode).toBe(0);
  expect(sentence).toBe(
    "Holdfast lost 0, duplicated 0 and reordered 0 of 180 messages while it rains; Socket.IO lost 1.",
  );
});

test("the page says its verdict first, and needs nothing but itself", () => {
  const results = [resultOf("holdfast"), resultOf("csr", loseOne)];
  const page = pageOf(reportOf(results));
  expect(page).toContain(
    "<h1>Holdfast lost 0, duplicated 0 and reordered 0 of 180 messages while it rains</h1>",
  );
  expect(page).toContain("Socket.IO, recovery in memory lost 1.");
  expect(page.indexOf("<h1>")).toBeLessThan(page.indexOf("<svg"));
  expect(page).not.toMatch(/\b(src|href)=|url\(|@import|<script|NaN|undefined|Infinity/);
  expect(page).toContain("&lt;b&gt; is killed");
});

test("a page without a judgement is a page", () => {
  const result = { ...resultOf("holdfast"), judgement: undefined, failure: "there was no <server>" };
  expect(pageOf(reportOf([result]))).toContain("there was no &lt;server&gt;");
});

test("a page says what the servers were, how clients were made, and what they cost", () => {
  const report = reportOf([resultOf("holdfast")]);
  expect(pageOf(report)).toContain("five nodes behind a &lt;proxy&gt;");
  expect(pageOf(report)).toContain("Holdfast: 100 MiB and 1 s of processor time in k6");
  expect(pageOf(report)).toContain("Clients are the shipped ones");
  expect(pageOf({ ...report, raw: true })).toContain("Clients were written by hand");
});

type Spoil = (forgery: Forgery) => unknown;
const loseOne: Spoil = (forgery) => forgery.part(1).arrivals.splice(0, 4);
const delayOne: Spoil = (forgery) => (forgery.part(0).arrivals[4 * 39 + 3] = startedAt + 9_000);
const leave: Spoil = (forgery) => {
  forgery.part(1).arrivals.splice(-4);
  forgery.part(1).end = { at: startedAt + 20_000, connected: false, pending: 0 };
};
const neverTest: Spoil = (forgery) => forgery.part(2).moments.splice(2);

function outcome(...spoils: readonly Spoil[]) {
  return outcomeOf([resultOf("holdfast", ...spoils)], "it rains");
}

function resultOf(kind: Kind, ...spoils: readonly Spoil[]): RunResult {
  const forgery = new Forgery();
  forgery.happenings.push({ at: startedAt + 500, text: "<b> is killed" });
  for (const spoil of spoils) spoil(forgery);
  const book = forgery.book();
  const judgement: Judgement = {
    handlersReported: true,
    verdict: verdictOf(book, { lateAfterMs: 5_000 }),
    objections: objectionsTo(book, forgery.expectations),
    course: courseOf(book),
    happenings: book.happenings,
    startedAt,
    emissionLagMs: emissionLag(book.clients()).summary(),
    durabilities: ["fsynced"],
  };
  return {
    kind,
    interrupted: false,
    failure: undefined,
    plan: undefined,
    judgement,
    processorSeconds: { servers: 1, clients: 1 },
    clientMebibytes: 100,
    evidence: undefined,
    k6Output: "",
    complaints: [],
  };
}

function reportOf(results: readonly RunResult[]): Report {
  return {
    outcome: outcomeOf(results, "it rains"),
    scenario: "rain",
    title: "it rains",
    command: "npm run loadtest -- rain",
    seed: 1,
    clients: 3,
    rate: 40,
    store: "sqlite",
    topology: "five nodes behind a <proxy>",
    raw: false,
    startedAt: new Date(startedAt).toISOString(),
    commit: "abc",
    versions: { Node: "26" },
    machine: "a machine",
    lateAfterMs: 5_000,
    results,
  };
}
