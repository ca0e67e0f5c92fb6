/** One scrape of a primary has what clients did at all of its workers, whatever becomes of these. */

import { expect, test } from "vitest";
import { openStore } from "../../src/store/open.ts";
import { goodHello, openRaw } from "../guarantees/raw-client.ts";
import { until } from "../harness/until.ts";
import { Chatter } from "./chatter.ts";
import { type HoldfastProcess, startHoldfast, workerCount } from "./holdfast-process.ts";

test("G7 what clients cause is in one scrape: a resume, a gap, refusals, latencies", {
  timeout: 60_000,
}, async (context) => {
  const holdfast = await startHoldfast(context);
  const left = await Chatter.open(context, holdfast.url, "A");
  const right = await Chatter.open(context, holdfast.url, "B");
  await right.say(5);
  await left.sees(5);
  // Rejected by the handler with a code of its own.
  await expect(left.socket.emitWithAck("say", { room: "lobby" })).rejects.toThrow();
  await left.goOffline();
  await right.say(5);
  await keepLastOnly(holdfast);
  await left.goOnline();
  await until(() => left.gaps.length > 0, { what: "the gap", deadlineMs: 10_000 });
  const secret = "C".repeat(43);
  await openRaw(context, holdfast.port, { secret, offset: JSON.stringify({ ...goodHello, v: [99] }) });
  const rude = await openRaw(context, holdfast.port, { secret, offset: JSON.stringify(goodHello) });
  rude.sendFrames(["e", "no sequence"]);
  await rude.closes();

  const scrape = await holdfast.scrape();
  expect(scrape.of("holdfast_admissions_total", "new")).toBe(3);
  expect(scrape.of("holdfast_admissions_total", "resumed")).toBe(1);
  expect(scrape.of("holdfast_admissions_total", "protocol_version")).toBe(1);
  expect(scrape.of("holdfast_violations_total", "bad_frame")).toBe(1);
  expect(scrape.of("holdfast_events_rejected_total", "other")).toBe(1);
  expect(left.gaps.map(({ reason }) => reason)).toEqual(["retention"]);
  expect(scrape.of("holdfast_gaps_total", "retention")).toBe(1);
  expect(scrape.of("holdfast_gaps_total", "reset")).toBe(0);
  // The third is the refused client's, whose connection is its own to close.
  expect(scrape.of("holdfast_connections", "websocket")).toBe(3);
  expect(scrape.of("holdfast_sessions", "connected")).toBe(2);
  expect(scrape.of("holdfast_append_seconds_count")).toBeGreaterThanOrEqual(10);
  expect(scrape.of("holdfast_append_seconds_sum")).toBeLessThan(10);
  expect(scrape.of("holdfast_fan_out_seconds_count")).toBeGreaterThanOrEqual(10);
  if (workerCount > 1) expect(scrape.of("holdfast_follow_seconds_count")).toBeGreaterThan(0);
  expect(scrape.of("holdfast_workers", "ready")).toBe(workerCount);
  expect(scrape.of("holdfast_limit_hits_total", "store_queue")).toBe(0);
});

test("G7 a scrape answers in time while workers hang, die and are rolled, and nothing counts back", {
  timeout: 100_000,
}, async (context) => {
  const holdfast = await startHoldfast(context);
  const scrapes = await scrapeAlong(holdfast, async () => {
    const chatters = await Promise.all(
      ["A", "B", "C", "D"].map((letter) => Chatter.open(context, holdfast.url, letter)),
    );
    for (const chatter of chatters) await chatter.say(3);
    await holdfast.scrape();
    const [first = 0] = holdfast.workers;
    process.kill(first, "SIGSTOP");
    const isNoticed = async () => (await holdfast.scrape()).of("holdfast_workers_silent") === 1;
    await until(isNoticed, { what: "a worker that hangs to be noticed" });
    process.kill(first, "SIGCONT");
    process.kill(first, "SIGKILL");
    await readyAgain(holdfast);
    for (const chatter of chatters) await chatter.say(3);
    expect((await holdfast.roll(context)).code).toBe(0);
    for (const chatter of chatters) await chatter.say(3);
  });
  const last = await holdfast.scrape();
  expect(last.of("holdfast_worker_deaths_total")).toBe(1);
  expect(last.of("holdfast_rolls_total", "rolled")).toBe(1);
  expect(last.of("holdfast_drains_total", "completed")).toBe(workerCount);
  expect(last.of("holdfast_workers", "ready")).toBe(workerCount);
  expect(last.of("holdfast_admissions_total", "new")).toBe(4);
  expect(last.of("holdfast_admissions_total", "resumed")).toBeGreaterThanOrEqual(4);
  expect(scrapes.length).toBeGreaterThan(5);
  for (const [index, scrape] of [...scrapes, last].entries()) {
    for (const [name, value] of scrapes[index - 1]?.counters ?? []) {
      expect(scrape.counters.get(name), name).toBeGreaterThanOrEqual(value);
    }
  }
});

/** Scrapes one after the other as long as something goes on. A scrape that takes too long fails. */
async function scrapeAlong(holdfast: HoldfastProcess, doing: () => Promise<void>) {
  const scrapes = [await holdfast.scrape()];
  let over = false;
  const done = doing().finally(() => {
    over = true;
  });
  const scraping = (async () => {
    while (!over) scrapes.push(await holdfast.scrape());
  })();
  await Promise.all([done, scraping]);
  return scrapes;
}

async function readyAgain(holdfast: HoldfastProcess): Promise<void> {
  const ready = async () => {
    const scrape = await holdfast.scrape();
    return (
      scrape.of("holdfast_worker_deaths_total") === 1 &&
      scrape.of("holdfast_workers", "ready") === workerCount
    );
  };
  await until(ready, { what: "a worker in the place of the killed one", deadlineMs: 30_000 });
}

/** As another process would whose retention is shorter. */
async function keepLastOnly(holdfast: HoldfastProcess): Promise<void> {
  const store = await openStore(`sqlite:${holdfast.storeFile}`);
  const entryAgeMs = 86_400_000;
  const retention = {
    entryAgeMs,
    entriesPerStream: 1,
    mailboxAgeMs: entryAgeMs,
    mailboxEntries: 1,
    keyAgeMs: entryAgeMs,
  };
  await store.sweep({ ...retention, now: Date.now() });
  await store.close();
}
