/** The load test's command: what it leaves behind when somebody has had enough of it. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { findK6 } from "../../loadtest/k6/binary.ts";
import { programPath, startChild } from "../harness/child.ts";
import { until } from "../harness/until.ts";
import { whyNoSite } from "./site.ts";

const k6 = await findK6();
if (k6 === undefined) console.warn("The load test is not tested: there is no k6; npm run loadtest:k6");

describe.skipIf(whyNoSite !== undefined || k6 === undefined)("the load test", () => {
  test("Ctrl-C leaves no process, no namespace and no file behind, and a report", async (context) => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-interrupted-"));
    context.onTestFinished(() => rmSync(folder, { recursive: true }));
    const child = startChild(context, {
      program: programPath("../../loadtest/main.ts", import.meta.url),
      args: ["steady", "--clients", "10", "--rate", "10", "--seconds", "60", "--control", "none"],
      environment: { TMPDIR: folder },
      deadlineMs: 150_000,
    });
    await until(() => /[1-9]\d* delivered/.test(child.stderr), {
      what: "messages to be delivered",
      deadlineMs: 90_000,
      state: () => child.report(),
    });
    const all = descendantsOf(child.pid);
    // Conductor, ledger, three servers, HAProxy and k6.
    expect(all.length).toBeGreaterThanOrEqual(6);
    // A terminal sends it to the whole group.
    const group = [child.pid, ...all].filter((pid) => groupOf(pid) === groupOf(child.pid));
    for (const pid of group) process.kill(pid, "SIGINT");
    const { code } = await child.exited(30_000);
    expect(code).toBe(2);
    const files = [...child.stdout.matchAll(/written: (\S+)/g)].map(([, file = ""]) => file);
    context.onTestFinished(() => {
      for (const file of files) rmSync(file);
    });
    expect(files).toHaveLength(2);
    expect(readFileSync(files[0] ?? "", "utf8")).toContain("The run was interrupted");
    const left = () => ({
      processes: all.filter(isRunning),
      namespaces: readdirSync("/run/netns").filter((name) => name.includes(`-${child.pid}-`)),
      files: readdirSync(folder),
    });
    await until(() => Object.values(left()).every(({ length }) => length === 0), {
      what: "nothing to be left",
      deadlineMs: 10_000,
      state: () => JSON.stringify(left()),
    });
  });
});

function descendantsOf(pid: number): number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [];
  const children = readFileSync(file, "utf8").trim().split(" ").filter(Boolean).map(Number);
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

/** One that has ended and is waited for by nobody yet does not run. */
function isRunning(pid: number): boolean {
  const state = fieldsOf(pid)[0];
  return state !== undefined && state !== "Z";
}

function groupOf(pid: number): string | undefined {
  return fieldsOf(pid)[2];
}

/** State, parent, group and so on. */
function fieldsOf(pid: number): readonly string[] {
  const file = `/proc/${pid}/stat`;
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8").split(") ").at(-1)?.split(" ") ?? [];
}
