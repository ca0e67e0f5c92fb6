/** docs/METRICS.md is made from the catalogue of metrics; both have the same rows, in the same order. */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { catalogue, type MetricRow } from "../../src/metrics/catalogue.ts";
import { root } from "./repository.ts";

const path = join(root, "docs/METRICS.md");
const rows = Object.entries(catalogue) as [string, MetricRow][];

test("docs/METRICS.md lists the catalogue of metrics, no more and no less", () => {
  const wanted = rows.map(([name, row]) => rowOf(name, row));
  if (process.env["UPDATE"] === "1") {
    const [head = ""] = readFileSync(path, "utf8").split(tableHead);
    writeFileSync(path, `${head}${tableHead}\n${wanted.join("\n")}\n`);
  }
  const found = readFileSync(path, "utf8").match(/^\| `holdfast_.*$/gm) ?? [];
  expect(found).toEqual(wanted);
});

test.each(rows)("%s is named as Prometheus names things", (name, { type }) => {
  expect(name).toMatch(/^holdfast_[a-z][a-z_]*[a-z]$/);
  expect(name.endsWith("_total")).toBe(type === "counter");
  expect(name.endsWith("_seconds")).toBe(type === "histogram");
});

function rowOf(name: string, { type, label, meaning, advice }: MetricRow): string {
  const values = label?.values.map((value) => `\`${value}\``).join(" ");
  const labels = label === undefined ? "" : `\`${label.name}\`: ${values}`;
  return `| \`${name}\` | ${type} | ${labels} | ${meaning} | ${advice} |`;
}

const tableHead = "| name | type | label | meaning | what to do |\n| --- | --- | --- | --- | --- |";
