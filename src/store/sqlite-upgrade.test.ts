/** A file of an older version is migrated by whoever has it alone, and refused to everybody else. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "./open.ts";
import { type Database, openDatabase } from "./sqlite-database.ts";
import { foundVersion, migrate, schemaVersion } from "./sqlite-schema.ts";
import { openMigrated } from "./sqlite-upgrade.ts";

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
