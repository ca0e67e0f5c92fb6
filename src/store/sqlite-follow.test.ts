/** Several processes on one file: each announces what the others commit. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { until } from "../../test/harness/until.ts";
import type { CommittedEntry, Store } from "./port.ts";
import { crashWorker, openSqliteStore } from "./sqlite.ts";
import { append } from "./testing/contract-setup.ts";

/** Longer than any test: what arrives has come by a hint or with a batch of our own, not by a look. */
const never = 600_000;

type Follower = { readonly store: Store; readonly heard: string[]; readonly entries: CommittedEntry[] };

async function openOn(file: string, followIntervalMs: number, restartPauseMs = 1): Promise<Follower> {
  const limits = { queueLimit: 10_000, queueBytesLimit: 64 * 1024 * 1024 };
  const store = await openSqliteStore(file, { ...limits, followIntervalMs, restartPauseMs });
  onTestFinished(() => store.close());
  const heard: string[] = [];
  const all: CommittedEntry[] = [];
  store.onCommitted((entries, by) => {
    all.push(...entries);
    heard.push(...entries.map(({ payload }) => `${by} ${payload}`));
  });
  return { store, heard, entries: all };
}

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-follow-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "store.db");
}

test("an entry of another process is announced with all that its members need", async () => {
  const file = newFile();
  const [a, b] = [await openOn(file, never), await openOn(file, 5)];
  const receipt = await append(a.store, "room", "x", { except: ["quiet"], request: "n01.1" });
  await until(() => b.heard.length > 0, { what: "the entry to be announced" });
  expect(b.heard).toEqual(["others x"]);
  const { stream, offset, epoch } = receipt;
  expect(b.entries).toEqual(a.entries);
  expect(b.entries[0]).toMatchObject({ stream, offset, epoch, except: ["quiet"], request: "n01.1" });
});

test("a hint is enough, and so is a batch of our own: theirs come first, in commit order", async () => {
  const file = newFile();
  const [a, b] = [await openOn(file, never), await openOn(file, never)];
  await append(a.store, "room", "a1");
  b.store.follow();
  await until(() => b.heard.length > 0, { what: "the hint to be followed" });
  await append(a.store, "room", "a2");
  await append(b.store, "room", "b1");
  expect(b.heard).toEqual(["others a1", "others a2", "us b1"]);
  await append(a.store, "room", "a3");
  expect(a.heard).toEqual(["us a1", "us a2", "others b1", "us a3"]);
});

test("G2 four processes that append at the same time all announce all of it, once", async () => {
  const file = newFile();
  const stores = [];
  for (let index = 0; index < 4; index++) stores.push(await openOn(file, 5));
  const appended: Promise<unknown>[] = [];
  for (let round = 0; round < 200; round++) {
    for (const [index, { store }] of stores.entries()) {
      appended.push(append(store, `room${round % 3}`, `${index}.${round}`));
    }
    if (round % 20 === 0) await appended.at(-1);
  }
  await Promise.all(appended);
  for (const { heard, entries } of stores) {
    await until(() => new Set(heard).size === 800, { what: "all entries to be announced" });
    expect(heard.length).toBe(800);
    expect(placesOf(entries)).toEqual(placesOf(stores[0]?.entries ?? []));
  }
}, 30_000);

test("more than one page of others' entries is announced page by page, in order", async () => {
  const file = newFile();
  const [a, b] = [await openOn(file, never), await openOn(file, never)];
  const texts = Array.from({ length: 1_750 }, (_, index) => `a${index}`);
  await Promise.all(texts.map((text) => append(a.store, "room", text)));
  await append(b.store, "room", "b");
  await until(() => b.heard.includes("others a1749"), { what: "the last page" });
  const others = b.heard.filter((text) => text.startsWith("others a"));
  expect(others).toEqual(texts.map((text) => `others ${text}`));
});

test("a worker that dies loses nobody's entries, neither its own nor those of others", async () => {
  const file = newFile();
  const [a, b] = [await openOn(file, never), await openOn(file, never)];
  await append(a.store, "room", "a1");
  b.store.follow();
  await until(() => b.heard.length === 1, { what: "the first entry" });
  await crashWorker(b.store);
  await append(a.store, "room", "a2");
  await until(
    () =>
      append(b.store, "room", "b1").then(
        () => true,
        () => false,
      ),
    {
      what: "the new worker",
    },
  );
  expect(b.heard.slice(0, 3)).toEqual(["others a1", "others a2", "us b1"]);
});

/** Offsets by stream, in the order in which they were announced. */
function placesOf(entries: readonly CommittedEntry[]): Record<string, string[]> {
  const places: Record<string, string[]> = {};
  for (const { key, offset, payload } of entries) (places[key] ??= [])[offset] = payload;
  return places;
}
