/** `holdfast check` as a process, and what it said. */

import { programPath, startChild } from "../../harness/child.ts";
import type { Owner } from "../../harness/owner.ts";

/** Runs the command for people: the exit code, and the table by lines. */
export async function check(owner: Owner, ...args: readonly string[]): Promise<Checked> {
  const child = startChild(owner, { program, args: ["check", ...args], environment });
  const { code } = await child.exited(50_000);
  const text = child.stdout.trimEnd();
  return {
    code,
    text,
    said: text.replaceAll(/\s+/g, " "),
    last: text.split("\n").at(-1) ?? "",
    stderr: child.stderr,
  };
}

/** Runs it for programs. `of` finds a check by its name. */
export async function checkJson(owner: Owner, ...args: readonly string[]): Promise<CheckedJson> {
  const child = startChild(owner, { program, args: ["check", ...args, "--json"], environment });
  const { code } = await child.exited(50_000);
  if (child.stdout === "") throw new Error(`holdfast check said nothing: ${child.stderr}`);
  const report = JSON.parse(child.stdout) as ReportJson;
  const of = (name: string): CheckJson => {
    const found = report.checks.find(({ check: each }) => each === name);
    if (found === undefined) throw new Error(`There is no check ${name}`);
    return found;
  };
  const bad = report.checks.filter(({ result }) => result === "problem").map(({ check: each }) => each);
  const shown = report.checks.map(({ check: name, result, seen }) => `${name} ${result}: ${seen}`).join("\n");
  return { code, report, of, bad, shown };
}

/** What one check tells to do, as one text. */
export function curesOf({ problems }: CheckJson): string {
  return problems.map(({ means, change }) => [means, ...change].join("\n")).join("\n");
}

export const program = programPath("../../../src/command.ts", import.meta.url);

/** For a check whose subject is neither the crowd of clients nor silence. */
export const quick = ["--clients", "4", "--idle", "1"];

/** What the shipped chat asks of its clients. */
export const auth = ["--auth", JSON.stringify({ secret: "c".repeat(43) })];

const environment = { NO_COLOR: "1", HTTP_PROXY: "", HTTPS_PROXY: "" };

// --- types ---

export type Checked = {
  readonly code: number | null;
  readonly text: string;
  /** The text on one line, because the table breaks its lines where they are full. */
  readonly said: string;
  readonly last: string;
  readonly stderr: string;
};

export type CheckedJson = {
  readonly code: number | null;
  readonly report: ReportJson;
  readonly of: (name: string) => CheckJson;
  /** Names of the checks that found a problem. */
  readonly bad: readonly string[];
  /** All findings, for the message of a test that fails. */
  readonly shown: string;
};

export type CheckJson = {
  readonly check: string;
  readonly result: string;
  readonly seen: string;
  readonly figures: Readonly<Record<string, unknown>>;
  readonly problems: readonly { readonly means: string; readonly change: readonly string[] }[];
  readonly tookMs: number;
};

export type ReportJson = {
  readonly url: string;
  readonly path: string;
  readonly namespace: string;
  readonly worked: boolean;
  readonly verdict: string;
  readonly exitCode: number;
  readonly proxy: string | null;
  readonly interrupted: boolean;
  readonly checks: readonly CheckJson[];
};
