/**
 * One trial: a fresh server and a fresh load generator, each on a core of its own where the machine has one.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Child, programPath, startChild } from "../test/harness/child.ts";
import { type Owner, Scope } from "../test/harness/owner.ts";
import { until } from "../test/harness/until.ts";
import type { Counters } from "./load-program.ts";
import type { PublishInput, Ready, ServerInput, Usage, Workers } from "./server-program.ts";
import type { Kind } from "./wire-client.ts";

/** Runs `measure` against a fresh server and load generator, which are gone when it returns. */
export async function runTrial<T>(
  owner: Owner,
  kind: Kind,
  workers: Workers | undefined,
  measure: (trial: Trial) => Promise<T>,
): Promise<T> {
  const scope = new Scope();
  owner.onTestFinished(() => scope.end());
  try {
    const trial = await Trial.start(scope, kind, workers);
    return await measure(trial);
  } catch (error) {
    await scope.show();
    throw error;
  } finally {
    await scope.end();
  }
}

export class Trial {
  readonly kind: Kind;
  readonly port: number;
  readonly publisherPort: number;
  readonly creditPort: number;
  readonly #server: Child;
  readonly #load: Child;

  private constructor(kind: Kind, server: Child, load: Child, ready: Ready) {
    this.kind = kind;
    this.#server = server;
    this.#load = load;
    this.port = ready.port;
    this.publisherPort = ready.publisherPort ?? ready.port;
    this.creditPort = ready.creditPort;
  }

  static async start(scope: Scope, kind: Kind, workers: Workers | undefined): Promise<Trial> {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
    scope.onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const program = (name: string) => programPath(`./${name}.ts`, import.meta.url);
    const server = startChild(scope, {
      program: program(workers === undefined ? "server-program" : "workers-program"),
      name: `server (${kind})`,
      args: [
        JSON.stringify({
          kind,
          store: `sqlite:${directory}/holdfast.db`,
          ...(workers === undefined ? {} : { workers }),
        } satisfies ServerInput),
      ],
      prefix: onCore(0),
      nodeOptions: kind === "holdfast" ? profilerOptions() : [],
      deadlineMs: trialDeadlineMs,
    });
    const load = startChild(scope, {
      program: program("load-program"),
      prefix: onCore(1),
      deadlineMs: trialDeadlineMs,
    });
    const ready = await server.event<Ready>("ready", 20_000);
    await load.event("ready", 20_000);
    return new Trial(kind, server, load, ready);
  }

  /** Has the load generator do something; it gets the server's port and kind along. */
  async load<T>(command: string, input: object = {}): Promise<T> {
    const { kind, port, publisherPort } = this;
    return await this.#load.ask(command, { kind, port, publisherPort, ...input }, 60_000);
  }

  /** Waits until so many connections have all the rooms that they asked for. */
  async joined(count: number): Promise<void> {
    const reached = async () => (await this.#server.ask<number>("joined")) >= count;
    await until(reached, { deadlineMs: 60_000, what: `${count} connections in their rooms` });
  }

  async publish(input: PublishInput): Promise<void> {
    await this.#server.ask("publish", input);
  }

  /** `collect` runs the garbage collector first: what remains is what is needed. */
  async usage(options: { readonly collect: boolean }): Promise<Usage> {
    return await this.#server.ask("usage", options, 30_000);
  }

  /** Warms up, then counts for a while. */
  async during(options: { readonly warmUpMs: number; readonly forMs: number }): Promise<Counted> {
    await pause(options.warmUpMs);
    const before = await this.#sample();
    await pause(options.forMs);
    const after = await this.#sample();
    const difference = (read: (sample: Sample) => number): number => read(after) - read(before);
    return {
      seconds: difference(({ counters }) => counters.atMs) / 1_000,
      delivered: difference(({ counters }) => counters.delivered),
      acknowledged: difference(({ counters }) => counters.acknowledged),
      serverCpuMicros: difference(({ usage }) => usage.cpuMicros),
      loadCpuMicros: difference(({ counters }) => counters.cpuMicros),
    };
  }

  /** Closes the clients, and has a server with a profiler write its file. */
  async end(): Promise<void> {
    await this.load("close");
    if (profilerOptions().length > 0) await this.#server.ask("exit").catch(() => undefined);
  }

  async #sample(): Promise<Sample> {
    const [counters, usage] = await Promise.all([
      this.load<Counters>("counters"),
      this.usage({ collect: false }),
    ]);
    return { counters, usage };
  }
}

/** What is put in front of a command to pin it; nothing where that is not possible. */
export function onCore(core: number): readonly string[] {
  pinned ??= availableParallelism() > 1 && spawnSync("taskset", ["-c", "1", "true"]).status === 0;
  return pinned ? ["taskset", "-c", String(core)] : [];
}

/** Node options for Holdfast's server alone, such as `--cpu-prof`, to look into what a row measures. */
function profilerOptions(): readonly string[] {
  return (process.env["BENCH_NODE_OPTIONS"] ?? "").split(" ").filter((option) => option !== "");
}

let pinned: boolean | undefined;
const trialDeadlineMs = 120_000;

// --- types ---

type Sample = { readonly counters: Counters; readonly usage: Usage };
export type Counted = {
  readonly seconds: number;
  readonly delivered: number;
  readonly acknowledged: number;
  readonly serverCpuMicros: number;
  readonly loadCpuMicros: number;
};
