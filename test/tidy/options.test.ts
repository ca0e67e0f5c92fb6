/** The options that the code takes and the rows of docs/OPTIONS.md are the same, on both sides. */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { clientOptionNames } from "../../src/client/options.ts";
import { serverOptionNames } from "../../src/server/options.ts";

const page = readFileSync(new URL("../../docs/OPTIONS.md", import.meta.url), "utf8");

test.each([
  ["Server options", serverOptionNames],
  ["Client options", clientOptionNames],
])("%s: every option has a row, and every row is an option", (title, names) => {
  const rows = documentedOptions(page, title);
  expect(new Set(rows)).toEqual(new Set(names));
  expect(rows).toHaveLength(names.length);
});

test("finds the options of a section, several to a row", () => {
  const text = "## A\n| `one`, `two` | 1 | `three` |\n## B\n| `four` | 2 | |\n";
  expect(documentedOptions(text, "A")).toEqual(["one", "two"]);
});

/** The names in the first cells of the section's table. */
function documentedOptions(text: string, title: string): string[] {
  const section = text.split(/^## /m).find((part) => part.startsWith(`${title}\n`)) ?? "";
  const cells = section.match(/^\| `[^|]*\|/gm) ?? [];
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ""));
}
