/** A process tree under test: a primary and its workers. It ends with its owner. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import type { Kind } from "../harness/server.ts";
import { until } from "../harness/until.ts";

export type TreeOptions = {
  readonly kind: Kind;
  readonly workers: number;
  readonly file: string;
  readonly port?: number;
  /** Three characters; connection ids begin with them. */
  readonly node?: string;
  /** Workers tell the primary so much later which connections they have, as on a machine that is busy. */
  readonly tellsLateMs?: number;
  /** Clients that a worker lets go together, and the pause between; Holdfast's defaults without. */
  readonly drain?: { readonly batchSize: number; readonly batchIntervalMs: number };
};

export type WorkerState = { readonly pid: number; readonly state: "starting" | "ready" | "leaving" };

/** A folder for the store; it is gone when the owner is. */
export function newStoreFile(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-cluster-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "store.db");
}

/** Runs the sources in `folder`, by default those of this repository. */
export async function startTree(
  owner: Owner,
  options: Omit<TreeOptions, "file"> & { readonly file?: string },
  folder: string = programPath("../..", import.meta.url),
): Promise<Tree> {
  const file = options.file ?? newStoreFile(owner);
  const child = startChild(owner, {
    program: join(folder, "test/cluster/program.ts"),
    args: [JSON.stringify({ ...options, file } satisfies TreeOptions)],
    deadlineMs: 120_000,
  });
  const { port } = await child.event<{ port: number }>("ready", 30_000);
  return new Tree(child, port, { ...options, file });
}

export class Tree {
  readonly child: Child;
  readonly port: number;
  readonly #options: TreeOptions;

  constructor(child: Child, port: number, options: TreeOptions) {
    this.child = child;
    this.port = port;
    this.#options = options;
  }

  get file(): string {
    return this.#options.file;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  workers(): Promise<readonly WorkerState[]> {
    return this.child.ask("workers");
  }

  /** Exchanges all workers; resolves when the last old one has ended. */
  roll(): Promise<void> {
    return this.child.ask("roll", {}, 60_000);
  }

  /** Ends one worker that takes clients, at once. Resolves when another has taken its place. */
  async killWorker(choose: (count: number) => number): Promise<void> {
    const ready = (await this.workers()).filter(({ state }) => state === "ready");
    const { pid = 0 } = ready[choose(ready.length)] ?? {};
    process.kill(pid, "SIGKILL");
    await until(
      async () => {
        const states = await this.workers();
        const count = states.filter(({ state }) => state === "ready").length;
        return count === this.#options.workers && states.every((worker) => worker.pid !== pid);
      },
      { what: "another worker in the place of the killed one", deadlineMs: 30_000 },
    );
  }

  /** Lets all clients go and ends the workers, then the primary. */
  async end(): Promise<void> {
    await this.child.ask("end", {}, 60_000);
    await this.child.kill("SIGTERM");
  }

  /** The same tree again, on the same port, after its primary has ended. */
  async restart(): Promise<void> {
    this.child.restart([JSON.stringify({ ...this.#options, port: this.port } satisfies TreeOptions)]);
    await this.child.event("ready", 30_000);
  }
}
