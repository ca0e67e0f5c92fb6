/** The two processes that every run has beside its servers: the ledger, and k6 with the clients. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, programPath, startChild } from "../test/harness/child.ts";
import type { Owner } from "../test/harness/owner.ts";
import { until } from "../test/harness/until.ts";
import type { Plan } from "./contract.ts";
import { bundleScript } from "./k6/bundle.ts";
import type { Progress } from "./ledger/ledger-program.ts";

/** Resolves with the ledger and the port at which it listens, the same at all addresses. */
export async function startLedger(owner: Owner, options: LedgerOptions): Promise<Ledger> {
  const { addresses, port = 0, deadlineMs } = options;
  const ledger = startChild(owner, {
    program: programPath("./ledger/ledger-program.ts", import.meta.url),
    name: "ledger",
    args: [JSON.stringify(addresses), String(port)],
    deadlineMs,
  });
  return { process: ledger, port: (await ledger.event<{ port: number }>("ready")).port };
}

export async function startK6(owner: Owner, options: K6Options): Promise<Child> {
  const { path, plan, environment = {}, deadlineMs, raw = false } = options;
  const folder = mkdtempSync(join(tmpdir(), "holdfast-loadtest-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const script = join(folder, "client.js");
  await bundleScript(script, raw ? "raw" : "client");
  const quiet = ["--quiet", "--no-usage-report", "--summary-mode=disabled", "--no-color", "--no-thresholds"];
  return startChild(owner, {
    program: path,
    native: true,
    name: "k6",
    // What measures comes first: a late client would be taken for a late server. Only root may say so.
    ...(process.getuid?.() === 0 ? { prefix: ["nice", "-n", "-10"] } : {}),
    args: ["run", ...quiet, script],
    // Memory for processor time: the machine is shared with the servers.
    environment: { PLAN: JSON.stringify(plan), GOGC: "400", ...environment },
    deadlineMs,
  });
}

/** Waits until the ledger sees what is meant; fails when k6 ends before. */
export async function awaitProgress(ledger: Child, k6: Child, options: ProgressOptions): Promise<Progress> {
  const { isMeant, what, deadlineMs } = options;
  return await until(
    async () => {
      if (!k6.running) throw new Error(`k6 has ended: ${k6.report()}`);
      const progress = await ledger.ask<Progress>("progress");
      return isMeant(progress) ? progress : undefined;
    },
    { what, deadlineMs },
  );
}

// --- types ---

export type Ledger = { readonly process: Child; readonly port: number };

export type LedgerOptions = {
  readonly addresses: readonly string[];
  /** Any free one where nothing is said. */
  readonly port?: number | undefined;
  readonly deadlineMs: number;
};

export type K6Options = {
  readonly path: string;
  readonly plan: Plan;
  readonly environment?: Readonly<Record<string, string>>;
  readonly deadlineMs: number;
  /** Clients by hand, many to a virtual user. */
  readonly raw?: boolean;
};

export type ProgressOptions = {
  readonly isMeant: (progress: Progress) => boolean;
  readonly what: string;
  readonly deadlineMs: number;
};
