import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join as joinPath } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, onTestFinished, test } from "vitest";
import { storeContract } from "./testing/contract.ts";
import {
  append,
  join,
  keyOf,
  open,
  openRequest,
  payloads,
  recordRequest,
  resume,
  retention,
} from "./testing/contract-setup.ts";
import { openStore, setMaxPages } from "./open.ts";
import type { Receipt, Store, StoreOptions } from "./open.ts";
import { crashWorker, openSqliteStore } from "./sqlite.ts";
import { openDatabase } from "./sqlite-database.ts";
import { schemaVersion } from "./sqlite-schema.ts";

storeContract("sqlite", (limits) => openStore(`sqlite:${newFile()}`, limits));

describe("sqlite store, on its file", () => {
  test("survives being closed and opened again, with everything", async () => {
    const file = newFile();
    const first = await openStore(`sqlite:${file}`);
    const fence = await open(first, "s", { principal: "me", data: "1" });
    const receipt = await append(first, "room", "x", {
      idempotency: key(0),
      except: ["quiet"],
      request: "aaa-1",
    });
    const mail = await join(first, fence, "mail", { kind: "cursor", consumer: "me" });
    const mailed = await append(first, "mail", "letter");
    const position = { epoch: mailed.epoch, offset: 1 };
    await first.moveCursor({ consumer: "me", stream: mail.head.stream, position });
    await first.record(recordRequest(fence, 3, { inboxLow: 2, data: "2" }));
    await first.putChunk({ ...fence, sequence: 4, index: 0, text: "chunk" });
    await first.close();

    const second = await openClosing(file);
    expect(await append(second, "room", "x", { idempotency: key(0) })).toEqual({
      ...receipt,
      duplicate: true,
    });
    const resumed = await resume(second, "s", { principal: "me" });
    expect(resumed).toMatchObject({
      generation: 2,
      data: "2",
      inboxLow: 2,
      uploads: [{ sequence: 4, chunks: 1 }],
    });
    expect(resumed.outcomes).toEqual([{ sequence: 3, status: "ok", body: "reply 3" }]);
    expect(resumed.memberships[1]).toEqual({ ...mail, head: { ...mail.head, head: 1 } });
    const page = await second.read({ stream: receipt.stream, after: 0, limit: 10, charactersLimit: 100 });
    expect(page.entries).toMatchObject([{ payload: "x", except: ["quiet"], request: "aaa-1", at: 1000 }]);
    const other = await open(second, "t");
    expect((await join(second, other, "mail", { kind: "cursor", consumer: "me" })).base).toEqual(position);
    // The first sweep after a start looks at streams of which no operation since has spoken.
    expect(await second.sweep(retention())).toMatchObject({ trimmedEntries: 0 });
    expect(await append(second, "room", "y")).toMatchObject({ stream: receipt.stream, offset: 2 });
  });

  test("trims at the first sweep what was left over when it was closed", async () => {
    const file = newFile();
    const first = await openStore(`sqlite:${file}`);
    for (const text of ["1", "2", "3"]) await append(first, "room", text);
    await first.close();
    const second = await openClosing(file);
    expect(await second.sweep(retention({ entriesPerStream: 1 }))).toMatchObject({ trimmedEntries: 2 });
  });

  test("G1, G2: SIGKILL loses nothing that was reported, and no outcome without its publish", {
    timeout: 60_000,
  }, async () => {
    const address = `sqlite:${newFile()}`;
    const before = await openStore(address);
    await open(before, "s");
    await before.close();
    let sequence = 1;
    for (const linesBeforeKill of [1, 57, 400]) {
      const printed = await runUntilKilled([address, "s", "1", `${sequence}`], linesBeforeKill);
      expect(printed.length).toBeGreaterThanOrEqual(linesBeforeKill);
      const store = await openStore(address);
      const stored = await payloadsByOffset(store);
      for (const { receipt, text } of printed)
        expect([receipt.offset, stored.get(receipt.offset)]).toEqual([receipt.offset, text]);
      // A raised generation would refuse the next child, so the outcomes are read where nothing is raised.
      const outcomes = await recordedOutcomes(address);
      for (const { text } of printed) expect(outcomes.has(Number(text))).toBe(true);
      const published = new Set(stored.values());
      for (const recorded of outcomes) expect(published.has(`${recorded}`)).toBe(true);
      expect([...stored.keys()]).toEqual(Array.from({ length: stored.size }, (_, index) => index + 1));
      sequence = 1 + Math.max(...[...published].map(Number));
      await store.close();
    }
  });

  test("is shared by several stores, each seeing what the others have written", async () => {
    const file = newFile();
    const stores = await Promise.all([openClosing(file), openClosing(file), openClosing(file)]);
    const receipts = await Promise.all(
      Array.from({ length: 300 }, (_, n) => append(stores[n % 3] ?? stores[0], "room", `${n}`)),
    );
    expect(receipts.map((receipt) => receipt.offset).sort((left, right) => left - right)).toEqual(
      Array.from({ length: 300 }, (_, n) => n + 1),
    );
    const [one, two] = stores;
    const old = await open(one, "s");
    expect((await one.record(recordRequest(old, 1))).ok).toBe(true);
    expect(await resume(two, "s")).toMatchObject({ generation: 2, outcomes: [{ sequence: 1 }] });
    expect(await one.record(recordRequest(old, 2))).toEqual({ ok: false, reason: "stale_generation" });
    expect(await append(one, "room", "x", { idempotency: key(0) })).toMatchObject({ duplicate: false });
    expect(await append(two, "room", "x", { idempotency: key(0) })).toMatchObject({
      duplicate: true,
      offset: 301,
    });
    await expect(two.openSession(openRequest("s"))).rejects.toThrow("new id");
  });

  test("G7: its log does not grow without end", async () => {
    const file = newFile();
    const store = await openClosing(file);
    const payload = "x".repeat(4000);
    for (let round = 0; round < 60; round += 1) {
      await Promise.all(Array.from({ length: 200 }, (_, n) => append(store, `room ${n % 5}`, payload)));
    }
    // 48 MB have gone through it; a checkpoint is due at 8 MB, and one batch may come on top.
    expect(statSync(`${file}-wal`).size).toBeLessThan(16 * 1024 * 1024);
  });
});

describe("sqlite store, in trouble", () => {
  test("refuses a file of a newer version, naming both versions", async () => {
    const file = newFile();
    await (await openStore(`sqlite:${file}`)).close();
    const database = openDatabase(file, { busyTimeoutMs: 1000 });
    database.exec("PRAGMA user_version = 999");
    database.close();
    const refused = openStore(`sqlite:${file}`);
    await expect(refused).rejects.toMatchObject({ code: "store_newer" });
    await expect(refused).rejects.toThrow(new RegExp(`999.*${schemaVersion()}`));
  });

  test("says which file it cannot open", async () => {
    const file = newFile();
    mkdirSync(dirname(file));
    writeFileSync(file, "this is not a database, but long enough to be taken for one".repeat(100));
    await expect(openStore(`sqlite:${file}`)).rejects.toMatchObject({ code: "store_unavailable" });
    await expect(openStore(`sqlite:${file}`)).rejects.toThrow(file);
    await expect(openStore(`sqlite:${file}/below/a/file.db`)).rejects.toMatchObject({
      code: "store_unavailable",
    });
  });

  test("a full store refuses whole batches, keeps what it has, and goes on when there is space", async () => {
    const store = await openClosing(`${newFile()}?maxPages=100`);
    const fence = await open(store, "s");
    const kept: Receipt[] = [];
    const filling = async () => {
      for (;;) kept.push(await append(store, "room", "x".repeat(5000)));
    };
    await expect(filling()).rejects.toMatchObject({
      code: "store_full",
      retryable: true,
      cause: expect.any(Error),
    });
    expect(kept.length).toBeGreaterThan(10);

    const batch = await Promise.allSettled([
      store.record(recordRequest(fence, 1)),
      append(store, "other", "y".repeat(50_000)),
      store.record(recordRequest(fence, 2)),
    ]);
    for (const result of batch) expect(result).toMatchObject({ reason: { code: "store_full" } });
    expect(await store.heads([keyOf("other")])).toEqual([undefined]);
    expect((await payloads(store, kept[0]?.stream ?? 0)).length).toBe(kept.length);

    await setMaxPages(store, 10_000);
    expect((await resume(store, "s")).outcomes).toEqual([]);
    expect(await append(store, "room", "again")).toMatchObject({ offset: kept.length + 1 });
  });

  test("a sweep makes room in a full store although appends keep failing", async () => {
    const store = await openClosing(`${newFile()}?maxPages=100`);
    const payload = "x".repeat(5000);
    await expect(fillUp(store, payload)).rejects.toMatchObject({ code: "store_full" });
    const [first, swept, second] = await Promise.allSettled([
      append(store, "room", payload.repeat(9)),
      store.sweep(retention({ entriesPerStream: 1 })),
      append(store, "room", payload.repeat(9)),
    ]);
    expect(first).toMatchObject({ reason: { code: "store_full" } });
    expect(second).toMatchObject({ reason: { code: "store_full" } });
    expect(swept).toMatchObject({ status: "fulfilled" });
    expect((await append(store, "room", payload)).duplicate).toBe(false);
  });

  test("G1: a failed batch takes along what waits, so no outcome outlives a publish before it", async () => {
    const store = await openClosing(`${newFile()}?maxPages=100`);
    const fence = await open(store, "s");
    const inFlight = append(store, "room", "x".repeat(1_000_000));
    // One turn later the first batch is under way and the record waits behind it.
    const behind = new Promise((fulfil) => setImmediate(fulfil)).then(() =>
      store.record(recordRequest(fence, 1)),
    );
    const [publish, record] = await Promise.allSettled([inFlight, behind]);
    expect(publish).toMatchObject({ reason: { code: "store_full" } });
    expect(record).toMatchObject({ reason: { code: "store_full" } });
    expect((await resume(store, "s")).outcomes).toEqual([]);
  });

  test("a lock that another program keeps is reported, and waited for no longer than stated", async () => {
    const file = newFile();
    const store = await openSqliteStore(file, { ...smallLimits, busyTimeoutMs: 50 });
    onTestFinished(() => store.close());
    await append(store, "room", "1");
    const other = openDatabase(file, { busyTimeoutMs: 1000 });
    other.exec("BEGIN IMMEDIATE");
    const refused = append(store, "room", "2");
    await expect(refused).rejects.toMatchObject({ code: "store_unavailable", retryable: true });
    await expect(refused).rejects.toThrow("database is locked");
    expect(await payloads(store, 1)).toEqual(["1"]);
    other.close();
    expect((await append(store, "room", "2")).offset).toBe(2);
  });

  test("a worker that dies is replaced, and what it had in hand is rejected", {
    timeout: 20_000,
  }, async () => {
    const store = await openClosing(newFile());
    const first = await append(store, "room", "1");
    const dying = Promise.allSettled(
      Array.from({ length: 50 }, (_, n) => append(store, "room", `lost ${n}`)),
    );
    await new Promise((fulfil) => setImmediate(fulfil));
    await crashWorker(store);
    const results = await dying;
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "store_unavailable" });
    }
    const after = await append(store, "room", "2");
    expect(after).toMatchObject({ stream: first.stream, epoch: first.epoch });
    expect((await payloads(store, first.stream)).at(-1)).toBe("2");
  });

  test("a worker that cannot be replaced is given up, with a message that says so", {
    timeout: 20_000,
  }, async () => {
    const file = newFile();
    const store = await openSqliteStore(file, { ...smallLimits, restartPauseMs: 1 });
    await append(store, "room", "1");
    for (const suffix of ["", "-wal", "-shm"]) rmSync(`${file}${suffix}`, { force: true });
    mkdirSync(file);
    await crashWorker(store);
    const refused = append(store, "room", "2");
    await expect(refused).rejects.toMatchObject({ code: "store_unavailable", cause: expect.any(Error) });
    await expect(refused).rejects.toThrow("failed 7 times in a row");
    await expect(append(store, "room", "3")).rejects.toThrow("failed 7 times in a row");
    await store.close();
  });
});

const smallLimits = { queueLimit: 100, queueBytesLimit: 2_000_000 };

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A file in a folder that does not exist yet; it goes with the test. */
function newFile(): string {
  const folder = mkdtempSync(joinPath(tmpdir(), "holdfast-store-"));
  folders.push(folder);
  return joinPath(folder, "data", "test.db");
}

async function openClosing(place: string, options?: StoreOptions): Promise<Store> {
  const store = await openStore(`sqlite:${place}`, options);
  onTestFinished(() => store.close());
  return store;
}

async function fillUp(store: Store, payload: string): Promise<never> {
  for (;;) await append(store, "room", payload);
}

function key(position: number) {
  return { scope: "application", sequence: 0, position };
}

async function payloadsByOffset(store: Store): Promise<Map<number, string>> {
  const [head] = await store.heads([keyOf("room")]);
  const page = await store.read({
    stream: head?.stream ?? 0,
    after: 0,
    limit: 1_000_000,
    charactersLimit: 1e9,
  });
  return new Map(page.entries.map((entry) => [entry.offset, entry.payload]));
}

async function recordedOutcomes(address: string): Promise<Set<number>> {
  const database = openDatabase(address.slice("sqlite:".length), { busyTimeoutMs: 1000 });
  const rows = database.prepare("SELECT sequence FROM outcomes").all();
  database.close();
  return new Set(rows.map((row) => Number(row["sequence"])));
}

/** Runs the child until it has printed so many lines, kills it, and returns all that it had printed. */
async function runUntilKilled(args: readonly string[], linesBeforeKill: number) {
  const script = fileURLToPath(new URL("./testing/crash-child.ts", import.meta.url));
  const child = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const deadline = setTimeout(() => child.kill("SIGKILL"), 15_000);
  onTestFinished(() => void child.kill("SIGKILL"));
  const ended = new Promise((fulfil) => child.once("close", fulfil));
  const printed: { text: string; receipt: Receipt }[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const [, text = "", receipt = ""] = /^(\d+) (\{.*\})$/.exec(line) ?? [];
    // The kill may cut the last line short: then nobody has been told.
    if (receipt !== "") printed.push({ text, receipt: JSON.parse(receipt) as Receipt });
    if (printed.length === linesBeforeKill) child.kill("SIGKILL");
  }
  await ended;
  clearTimeout(deadline);
  return printed;
}
