/** The findings as a table for people, or as one JSON object for programs. */

import type { Cure, Proxy } from "./cures.ts";
import type { Finding, Report, Result, Row } from "./finding.ts";

/** Lines of at most `columns` characters; the last one is the verdict. */
export function table(report: Report, look: { readonly columns: number; readonly colour: boolean }): string {
  const { url, path, namespace, rows, proxy } = report;
  const columns = Math.min(Math.max(look.columns, 60), 100);
  const lines = [`${url.replace(/\/$/, "")}${path}, namespace ${namespace}`, ""];
  for (const row of rows) {
    const mark = look.colour ? `${colours[row.result]}${marks[row.result]}\x1b[0m` : marks[row.result];
    const [first = "", ...others] = wrap(row.seen, columns - indent.length);
    lines.push(
      `${mark}  ${row.check.padEnd(nameCharacters)}${first}`,
      ...others.map((line) => indent + line),
    );
    for (const cure of row.cures ?? []) lines.push(...cureLines(cure, proxy, columns));
  }
  lines.push("", verdict(report));
  return lines.join("\n");
}

function cureLines(cure: Cure, proxy: Proxy | undefined, columns: number): readonly string[] {
  const width = columns - indent.length - 2;
  const change = changesFor(cure, proxy).flatMap((line) => {
    const [first = "", ...others] = wrap(line, width - 2);
    return [`${indent}- ${first}`, ...others.map((other) => `${indent}  ${other}`)];
  });
  return [...wrap(cure.means, columns - indent.length).map((line) => indent + line), ...change];
}

/** Advice for the proxy that was recognised, without that for the other one. */
function changesFor({ change }: Cure, proxy: Proxy | undefined): readonly string[] {
  const other = proxy === undefined ? undefined : proxy === "nginx" ? "HAProxy:" : "nginx:";
  return other === undefined ? change : change.filter((line) => !line.startsWith(other));
}

export function json(report: Report): string {
  const { rows, proxy, interrupted, ...subject } = report;
  return JSON.stringify({
    ...subject,
    worked: exitCodeOf(report) === 0,
    verdict: verdict(report),
    exitCode: exitCodeOf(report),
    proxy: proxy ?? null,
    interrupted,
    checks: rows.map(({ check, result, seen, figures = {}, cures = [], tookMs }) => ({
      check,
      result,
      seen,
      figures,
      problems: cures.map((cure) => ({ means: cure.means, change: changesFor(cure, proxy) })),
      tookMs: Math.round(tookMs),
    })),
  });
}

export function exitCodeOf({ rows, interrupted }: Report): number {
  if (interrupted) return 130;
  return rows.some(({ result }) => result === "problem") ? 1 : 0;
}

export function verdict({ rows, interrupted }: Report): string {
  const count = (result: Result) => rows.filter((row) => row.result === result).length;
  const [problems, warnings] = [count("problem"), count("warning")];
  const hints = warnings === 0 ? "" : `${warnings} ${warnings === 1 ? "warning" : "warnings"}`;
  if (interrupted) return "Interrupted.";
  if (problems > 0) {
    const said = `It does not work: ${problems} ${problems === 1 ? "problem" : "problems"}`;
    return `${said}${hints === "" ? "" : `, ${hints}`}.`;
  }
  if (rows.some(isUntried))
    return `It worked as far as it was tried${hints === "" ? "" : `, with ${hints}`}.`;
  return hints === "" ? "It worked." : `It works, with ${hints}.`;
}

/** Skipped for want of something that whoever called could give. */
function isUntried({ result, cures = [] }: Finding): boolean {
  return result === "skipped" && cures.length > 0;
}

/** Breaks text at spaces. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const marks: Readonly<Record<Result, string>> = {
  ok: "ok     ",
  warning: "WARNING",
  problem: "PROBLEM",
  skipped: "skipped",
};
const colours: Readonly<Record<Result, string>> = {
  ok: "\x1b[32m",
  warning: "\x1b[33m",
  problem: "\x1b[31m",
  skipped: "\x1b[2m",
};
const nameCharacters = 11;
const indent = " ".repeat("problem".length + 2 + nameCharacters);

export type { Row };
