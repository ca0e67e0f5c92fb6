import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { Owner } from "../../test/harness/owner.ts";
import { claimAnyNodeName, claimNodeName } from "./node-name.ts";
import { openStore } from "./open.ts";

test("a name is had once, by whichever way leads to the store, until it is released", async (owner) => {
  const folder = newFolder(owner);
  mkdirSync(join(folder, "real"));
  symlinkSync(join(folder, "real"), join(folder, "other"));
  const release = await claimNodeName(`sqlite:${join(folder, "real/a.db")}`, "one");
  for (const way of ["real/a.db", "real/a.db?maxPages=9", "other/a.db", "real/../other/a.db"]) {
    await expect(claimNodeName(`sqlite:${join(folder, way)}`, "one")).rejects.toMatchObject({
      code: "node_in_use",
    });
  }
  await release();
  await release();
  const again = await claimNodeName(`sqlite:${join(folder, "other/a.db")}`, "one");
  await again();
});

test("a link to the store's file itself leads to the same names", async (owner) => {
  const folder = newFolder(owner);
  mkdirSync(join(folder, "real"));
  const store = await openStore(`sqlite:${join(folder, "real/a.db")}`);
  await store.close();
  symlinkSync(join(folder, "real/a.db"), join(folder, "linked.db"));
  const release = await claimNodeName(`sqlite:${join(folder, "real/a.db")}`, "one");
  owner.onTestFinished(release);
  const second = claimNodeName(`sqlite:${join(folder, "linked.db")}`, "one");
  await expect(second).rejects.toMatchObject({ code: "node_in_use" });
});

test("another name, other capitals and another store are no collision", async (owner) => {
  const folder = newFolder(owner);
  const claims = [
    ["a.db", "one"],
    ["a.db", "two"],
    ["a.db", "One"],
    ["b.db", "one"],
  ] as const;
  for (const [file, name] of claims) {
    owner.onTestFinished(await claimNodeName(`sqlite:${join(folder, file)}`, name));
  }
  const files = readdirSync(folder);
  expect(files.toSorted()).toEqual(["a.db-node-+One", "a.db-node-one", "a.db-node-two", "b.db-node-one"]);
  expect(files.map((file) => statSync(join(folder, file)).size)).toEqual([0, 0, 0, 0]);
});

test("the store of one process has nothing to claim, nor has one that opening will refuse", async () => {
  for (const address of ["memory:", "sqlite::memory:"]) {
    await claimNodeName(address, "one");
    await claimNodeName(address, "one");
    expect((await claimAnyNodeName(address)).name).toMatch(/^_\w\w$/);
  }
});

test("drawn names are free ones, and those drawn before come first", async (owner) => {
  const folder = newFolder(owner);
  const address = `sqlite:${join(folder, "a.db")}`;
  // A name that somebody has chosen is not taken while its tree is away.
  await (await claimNodeName(address, "old"))();
  const draws = await Promise.all(Array.from({ length: 40 }, () => claimAnyNodeName(address)));
  const names = draws.map(({ name }) => name);
  expect(new Set(names).size).toBe(40);
  for (const name of names) expect(name).toMatch(/^_\w\w$/);
  const [first] = draws;
  await first?.release();
  const again = await claimAnyNodeName(address);
  expect(again.name).toBe(first?.name);
  for (const { release } of [...draws, again]) await release();
  const after = await Promise.all(names.map(() => claimAnyNodeName(address)));
  expect(new Set(after.map(({ name }) => name))).toEqual(new Set(names));
  for (const { release } of after) await release();
});

test("a claim whose release nobody keeps is not given back by the garbage collector", async (owner) => {
  const address = `sqlite:${join(newFolder(owner), "a.db")}`;
  await claimNodeName(address, "one");
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  for (let round = 0; round < 5; round++) {
    collect();
    await nextTurn();
  }
  await expect(claimNodeName(address, "one")).rejects.toMatchObject({ code: "node_in_use" });
});

test("a folder that cannot be had is told as the store's failure", async (owner) => {
  const address = "sqlite:/dev/null/x.db";
  for (const claim of [claimNodeName(address, "one"), claimAnyNodeName(address)]) {
    await expect(claim).rejects.toMatchObject({ code: "store_unavailable" });
  }
  const folder = newFolder(owner);
  mkdirSync(join(folder, "a.db-node-one"));
  const blocked = claimNodeName(`sqlite:${join(folder, "a.db")}`, "one");
  await expect(blocked).rejects.toMatchObject({ code: "store_unavailable" });
});

function newFolder(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-names-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
