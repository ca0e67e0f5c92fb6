/**
 * Every transcript is performed again and has to read as it stands. `UPDATE=1` writes what came of it, to be
 * read before it is committed.
 */

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const folder = fileURLToPath(new URL(".", import.meta.url));
const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".txt"))
  .toSorted();

type Performed = { readonly path: string; readonly text?: string; readonly error?: string };

/** All in one process of its own, because time is virtual there. */
function performAll(): ReadonlyMap<string, Performed> {
  const told = execFileSync(process.execPath, ["perform.ts", ...names], {
    cwd: folder,
    encoding: "utf8",
    timeout: 50_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  const lines = told.trimEnd().split("\n");
  return new Map(
    lines.map((line) => {
      const performed = JSON.parse(line) as Performed;
      return [performed.path, performed];
    }),
  );
}

const performed = performAll();

test("there are transcripts of clauses and of bugs", () => {
  expect(names.filter((name) => name.startsWith("bugs")).length).toBeGreaterThan(10);
  expect(names.filter((name) => name.startsWith("clauses")).length).toBeGreaterThan(10);
});

test.each(names)("%s happens as it is written", (name) => {
  const { text = "", error } = performed.get(name) ?? { error: "it was not performed" };
  expect(error).toBeUndefined();
  if (process.env["UPDATE"] === "1") writeFileSync(`${folder}${name}`, text);
  expect(text).toBe(readFileSync(`${folder}${name}`, "utf8"));
});
