/** A file of an older version is migrated by whoever has it alone, and refused to everybody else. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "./open.ts";
import { type Database, openDatabase } from "./sqlite-database.ts";
import { foundVersion, migrate, schemaVersion } from "./sqlite-schema.ts";
import { openMigrated } from "./sqlite-upgrade.ts";
import { claimOf, resumeRequest } from "./testing/contract-setup.ts";

test("an older file that others have open is refused in one line, and they go on", async () => {
  const file = newFile();
  const older = openOlder(file);
  expect(() => openMigrated(file, { busyTimeoutMs: 200 })).toThrow(
    `its schema is version 1, this version of Holdfast needs ${schemaVersion()}`,
  );
  older.exec("UPDATE counters SET value = 7");
  expect(foundVersion(older)).toBe(1);
  older.close();
  const migrated = openMigrated(file, { busyTimeoutMs: 200 });
  expect(foundVersion(migrated)).toBe(schemaVersion());
  expect(migrated.prepare("SELECT value FROM counters").get()).toEqual({ value: 7 });
  migrated.close();
});

test("the store names the refusal, with the file and what to end", { timeout: 20_000 }, async () => {
  const file = newFile();
  const older = openOlder(file);
  const refused = await openStore(`sqlite:${file}`).catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: "store_in_use", retryable: true });
  expect((refused as Error).message).toContain(file);
  older.close();
  const store = await openStore(`sqlite:${file}`);
  await store.close();
});

test("processes of the new version that start together all get in", async () => {
  const file = newFile();
  openOlder(file).close();
  const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(`sqlite:${file}`)));
  await Promise.all(stores.map((store) => store.close()));
});

test("G6: sessions of version 1 go on, each with the first of its copies that comes", async () => {
  const file = newFile();
  const older = openOlder(file);
  older.exec(`
    INSERT INTO streams VALUES (1, 'n:/', 'epoch', 1, 0, 0, NULL, NULL);
    INSERT INTO sessions VALUES (1, 's', 'digest of s', '/', NULL, 4, 'old', 9000, '{"a":1}');
    INSERT INTO inboxes VALUES (1, 2, 0);
    INSERT INTO outcomes VALUES (1, 2, 0, 'reply 2');
    INSERT INTO memberships VALUES (1, '', 1, 'epoch', 0, NULL, 0);
  `);
  older.close();
  const store = await openStore(`sqlite:${file}`);
  onTestFinished(() => store.close());
  const resume = async (instance: string, generation: number, next: number) =>
    await store.resumeSession(
      resumeRequest("s", { claim: claimOf(instance, 1, generation, { low: 2, next }) }),
    );
  expect(await resume("copy", 4, 2)).toEqual({ ok: false, reason: "copy" });
  expect(await resume("page", 4, 3)).toMatchObject({
    generation: 5,
    data: '{"a":1}',
    previousNode: "old",
    heard: 0,
    inboxLow: 2,
    outcomes: [{ sequence: 2, status: "ok", body: "reply 2" }],
  });
  await store.saveHeard({ session: "s", generation: 5, node: "bbb", heard: 5 });
  expect(await resume("another", 4, 3)).toEqual({ ok: false, reason: "copy" });
});

function openOlder(file: string): Database {
  const database = openDatabase(file, { busyTimeoutMs: 0 });
  migrate(database, 1);
  return database;
}

function newFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-upgrade-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "store.db");
}
