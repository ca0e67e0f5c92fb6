/**
 * One trial: fresh servers and a fresh load generator, on cores of their own where the machine has them. A
 * Redis, which is as fresh, shares the load generator's core.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type Child, programPath, startChild } from "../test/harness/child.ts";
import { type Owner, Scope } from "../test/harness/owner.ts";
import { type RedisServer, startRedis } from "../test/harness/redis-server.ts";
import { until } from "../test/harness/until.ts";
import type { Counters } from "./load-program.ts";
import type { PublishInput, Ready, ServerInput, Usage, Workers } from "./server-program.ts";
import type { Kind } from "./wire-client.ts";

/** Runs `measure` against fresh servers and a load generator, which are gone when it returns. */
export async function runTrial<T>(
  owner: Owner,
  setup: Setup,
  measure: (trial: Trial) => Promise<T>,
): Promise<T> {
  const scope = new Scope();
  owner.onTestFinished(() => scope.end());
  try {
    const trial = await Trial.start(scope, setup);
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
  readonly #servers: readonly Child[];
  readonly #load: Child;
  readonly #redis: RedisServer | undefined;

  private constructor(kind: Kind, processes: Processes, [first, second]: readonly Ready[]) {
    this.kind = kind;
    this.#servers = processes.servers;
    this.#load = processes.load;
    this.#redis = processes.redis;
    this.port = first?.port ?? 0;
    this.publisherPort = first?.publisherPort ?? second?.port ?? this.port;
    this.creditPort = first?.creditPort ?? 0;
  }

  static async start(scope: Scope, setup: Setup): Promise<Trial> {
    const { kind, nodes = 1 } = setup;
    const redis = await redisFor(scope, setup);
    const store = redis === undefined ? sqliteStore(scope) : redisStore(redis, setup);
    const servers = Array.from({ length: nodes }, () => startServer(scope, setup, store));
    const load = startChild(scope, {
      program: program("load-program"),
      prefix: onCore(1),
      deadlineMs: trialDeadlineMs,
    });
    const ready = await Promise.all(servers.map((server) => server.event<Ready>("ready", 20_000)));
    await load.event("ready", 20_000);
    return new Trial(kind, { servers, load, redis }, ready);
  }

  /** Has the load generator do something; it gets the server's port and kind along. */
  async load<T>(command: string, input: object = {}): Promise<T> {
    const { kind, port, publisherPort } = this;
    return await this.#load.ask(command, { kind, port, publisherPort, ...input }, 60_000);
  }

  /** Waits until so many connections have all the rooms that they asked for. */
  async joined(count: number): Promise<void> {
    const reached = async () => sum(await this.#askAll<number>("joined")) >= count;
    await until(reached, { deadlineMs: 60_000, what: `${count} connections in their rooms` });
  }

  /** The first server emits. */
  async publish(input: PublishInput): Promise<void> {
    await this.#servers[0]?.ask("publish", input);
  }

  /** Each server keeps so many publishes under way. */
  async keepPublishing(window: number): Promise<void> {
    await this.#askAll("keepPublishing", { window });
  }

  /** Of all servers together. `collect` runs the garbage collector first: what remains is what is needed. */
  async usage(options: { readonly collect: boolean }): Promise<Usage> {
    const usages = await this.#askAll<Usage>("usage", options, 30_000);
    return {
      cpuMicros: sum(usages.map(({ cpuMicros }) => cpuMicros)),
      rssBytes: sum(usages.map(({ rssBytes }) => rssBytes)),
      issued: sum(usages.map(({ issued }) => issued)),
      stored: sum(usages.map(({ stored }) => stored)),
    };
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
      stored: difference(({ usage }) => usage.stored),
      serverCpuMicros: difference(({ usage }) => usage.cpuMicros),
      loadCpuMicros: difference(({ counters }) => counters.cpuMicros),
      redisCpuMicros: difference(({ redisCpuMicros }) => redisCpuMicros),
    };
  }

  /** Closes the clients, and has servers with a profiler write their files. */
  async end(): Promise<void> {
    await this.load("close");
    if (profilerOptions().length > 0) await this.#askAll("exit").catch(() => undefined);
  }

  async #sample(): Promise<Sample> {
    const [counters, usage, redisCpuMicros] = await Promise.all([
      this.load<Counters>("counters"),
      this.usage({ collect: false }),
      this.#redisCpuMicros(),
    ]);
    return { counters, usage, redisCpuMicros };
  }

  async #redisCpuMicros(): Promise<number> {
    const info = await this.#redis?.info("cpu");
    return (Number(info?.get("used_cpu_user") ?? 0) + Number(info?.get("used_cpu_sys") ?? 0)) * 1e6;
  }

  #askAll<T>(command: string, input: object = {}, deadlineMs?: number): Promise<T[]> {
    return Promise.all(this.#servers.map((server) => server.ask<T>(command, input, deadlineMs)));
  }
}

function startServer(scope: Scope, { kind, workers }: Setup, store: string): Child {
  const input: ServerInput = { kind, store, ...(workers !== undefined && { workers }) };
  return startChild(scope, {
    program: program(workers === undefined ? "server-program" : "workers-program"),
    name: `server (${kind})`,
    args: [JSON.stringify(input)],
    prefix: onCore(0),
    nodeOptions: kind === "holdfast" ? profilerOptions() : [],
    deadlineMs: trialDeadlineMs,
  });
}

function sqliteStore(scope: Scope): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-bench-"));
  scope.onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return `sqlite:${directory}/holdfast.db`;
}

async function redisFor(scope: Scope, { redis }: Setup): Promise<RedisServer | undefined> {
  if (redis === undefined) return undefined;
  return await startRedis(scope, {
    appendonly: redis === "fsynced" ? "always" : "no",
    prefix: onCore(1),
  });
}

/** Settings are Holdfast's own; the client of stock's adapter would take them for its own. */
function redisStore({ address }: RedisServer, { kind, redis }: Setup): string {
  return kind === "stock" ? address : `${address}?durability=${redis}`;
}

function program(name: string): string {
  return programPath(`./${name}.ts`, import.meta.url);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
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

/** What is started for one side of a comparison. */
export type Setup = {
  readonly kind: Kind;
  readonly workers?: Workers;
  /** Processes side by side on one Redis. Default 1. */
  readonly nodes?: number;
  /**
   * With a Redis, which keeps its data in memory or syncs its file for each write: Holdfast's store, or below
   * stock's adapter. Without one Holdfast has a SQLite file.
   */
  readonly redis?: "memory" | "fsynced";
};

type Processes = {
  readonly servers: readonly Child[];
  readonly load: Child;
  readonly redis: RedisServer | undefined;
};
type Sample = { readonly counters: Counters; readonly usage: Usage; readonly redisCpuMicros: number };
export type Counted = {
  readonly seconds: number;
  readonly delivered: number;
  readonly acknowledged: number;
  /** Publishes that have been stored. */
  readonly stored: number;
  readonly serverCpuMicros: number;
  readonly loadCpuMicros: number;
  /** 0 without a Redis. */
  readonly redisCpuMicros: number;
};
