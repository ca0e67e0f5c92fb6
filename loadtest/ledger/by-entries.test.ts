/** What the ledger says where no server reports: forged runs in which clients publish themselves. */

import { expect, test } from "vitest";
import { publisherOf } from "../contract.ts";
import { Book } from "./book.ts";
import { startedAt } from "./testing/forgery.ts";
import { objectionsTo } from "./validity.ts";
import { verdictOf } from "./verdict.ts";

/** Two clients in one room; each says five entries, and both see all ten. */
class Talk {
  readonly parts = [0, 1].map((client) => ({
    client,
    part: 1,
    rooms: ["all", "small"],
    transport: "websocket",
    publishers: [publisherOf(0), publisherOf(1)],
    arrivals: [] as number[],
    emits: [] as number[],
    answers: [] as number[],
    says: [] as number[],
    moments: [{ kind: "arrive" as const, at: startedAt }],
    end: { at: startedAt + 20_000, connected: true, pending: 0 },
  }));

  constructor() {
    for (const [speaker, { emits, answers, says }] of this.parts.entries())
      for (let id = 1; id <= 5; id += 1) {
        const at = startedAt + id * 100 + speaker;
        emits.push(id, at, at);
        answers.push(id, at + 5, 1);
        says.push(id, 1);
        for (const { arrivals } of this.parts) arrivals.push(speaker, id, 1, at + 3);
      }
  }

  of(client: number) {
    const part = this.parts[client];
    if (part === undefined) throw new Error(`no client ${client}`);
    return part;
  }

  judge() {
    const book = new Book();
    book.start = { startedAt, skewMs: 0, roundTripMs: 1 };
    for (const part of this.parts) book.addPart(part);
    book.addSays();
    const { toClients, toServers } = verdictOf(book, { lateAfterMs: 5_000, judgesByEntries: true });
    const expectations = { clients: 2, talks: [], testedShareMin: 0, isTarget: true };
    return { toClients, toServers, objections: objectionsTo(book, expectations) };
  }
}

test("a talk in which all went well", () => {
  const { toClients, toServers, objections } = new Talk().judge();
  expect(toClients).toMatchObject({ owed: 20, lost: 0, duplicated: 0, reordered: 0, madeUp: 0 });
  expect(toServers).toMatchObject({ owed: 10, lost: 0, duplicated: 0, unanswered: 0 });
  expect(objections).toEqual([]);
});

test("an acknowledged entry that one member was not shown is lost", () => {
  const talk = new Talk();
  talk.of(1).arrivals.splice(0, 4);
  expect(talk.judge().toClients).toMatchObject({ lost: 1, duplicated: 0 });
});

test("an event that was handled twice shows as an entry that came twice", () => {
  const talk = new Talk();
  for (const { arrivals } of talk.parts) arrivals.push(...arrivals.slice(-4));
  expect(talk.judge().toClients).toMatchObject({ lost: 0, duplicated: 2 });
});

test("a member that is shown entries in another order", () => {
  const talk = new Talk();
  const { arrivals } = talk.of(0);
  arrivals.push(...arrivals.splice(0, 4));
  expect(talk.judge().toClients).toMatchObject({ lost: 0, reordered: 1 });
});

test("an event without a reply is lost if nobody saw its entry, else unanswered", () => {
  const talk = new Talk();
  talk.of(0).answers.splice(0, 3);
  expect(talk.judge().toServers).toMatchObject({ lost: 0, unanswered: 1 });
  for (const { arrivals } of talk.parts) arrivals.splice(0, 4);
  const { toClients, toServers } = talk.judge();
  expect(toServers).toMatchObject({ lost: 1, unanswered: 0 });
  // Nobody was promised anything.
  expect(toClients).toMatchObject({ lost: 0, owed: 18 });
});

test("a reply that went with its page is no fault, an event that went with it is", () => {
  const talk = new Talk();
  talk.of(0).answers[2] = 2;
  expect(talk.judge().toServers).toMatchObject({ lost: 0, unanswered: 0 });
  for (const { arrivals } of talk.parts) arrivals.splice(0, 4);
  expect(talk.judge().toServers).toMatchObject({ lost: 1 });
});

test("what an application refuses proves nothing, and is told", () => {
  const talk = new Talk();
  const { answers, moments } = talk.of(0);
  answers[2] = -1;
  moments.push({ kind: "refused", at: startedAt, text: "too_fast, wait" } as never);
  for (const { arrivals } of talk.parts) arrivals.splice(0, 4);
  const { toClients, toServers, objections } = talk.judge();
  expect([toClients.lost, toServers.lost]).toEqual([0, 0]);
  expect(objections).toEqual(["the application refused 1 event: too_fast, wait (1)"]);
});

test("nothing that was acknowledged is no run", () => {
  const talk = new Talk();
  for (const part of talk.parts) part.answers.splice(0);
  expect(talk.judge().objections).toContain("nothing was published: no entry was acknowledged");
});
