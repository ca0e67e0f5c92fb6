/** Many runs in one table, as it stands in a README: `node loadtest/report/table.ts results/*.json`. */

import { readFileSync } from "node:fs";
import type { RunResult } from "../run.ts";
import { kindTitles, type Report } from "./report.ts";
import { grouped } from "./text.ts";

/** Markdown; a row for each kind of servers in each run. Faults count both directions. */
export function tableOf(reports: readonly Report[]): string {
  return [
    "| run | clients | | lost | duplicated | reordered | of | away, s |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ...reports.flatMap((report) =>
      report.results.map(
        (result, index) => `| ${[...headOf(report, index), ...cellsOf(result)].join(" | ")} |`,
      ),
    ),
  ].join("\n");
}

export function readReports(files: readonly string[]): readonly Report[] {
  return files.map((file) => JSON.parse(readFileSync(file, "utf8")) as Report);
}

/** Once for all rows of a run. */
function headOf({ scenario, commit, clients, outcome }: Report, index: number): readonly string[] {
  if (index > 0) return ["", ""];
  const { word } = outcome;
  return [`${scenario} (\`${commit}\`)${word === "holds" ? "" : `, ${word}`}`, grouped(clients)];
}

function cellsOf({ kind, judgement }: RunResult): readonly string[] {
  const isOurs = kind === "holdfast";
  const strong = (text: string) => (isOurs ? `**${text}**` : text);
  if (judgement === undefined) return [strong(kindTitles[kind]), "not judged", "", "", "", ""];
  const { verdict, course } = judgement;
  const { toClients, toServers } = verdict;
  const both = (name: "lost" | "duplicated" | "reordered" | "owed") =>
    grouped(toClients[name] + toServers[name]);
  const faults = [both("lost"), both("duplicated"), both("reordered")].map(strong);
  return [strong(kindTitles[kind]), ...faults, both("owed"), awayOf(course.absenceMs)];
}

/** How long an application had no connection: half of the times, 99 of 100, the longest. */
function awayOf({ count, p50, p99, max }: RunResultAbsence): string {
  if (count === 0) return "-";
  return [p50, p99, max].map((ms) => (ms / 1_000).toPrecision(2)).join(" / ");
}

type RunResultAbsence = NonNullable<RunResult["judgement"]>["course"]["absenceMs"];

if (import.meta.main) console.log(tableOf(readReports(process.argv.slice(2))));
