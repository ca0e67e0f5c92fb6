/** A server under test: the server program in a process of its own, on stock Socket.IO or on Holdfast. */

import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ServerOptions } from "socket.io";
import { type Child, type Exit, programPath, startChild } from "./child.ts";
import type { Owner } from "./owner.ts";
import type { Handled, ProgramOptions, PublishInput, Ready, Receipt } from "./server-program.ts";
import type { ServerStatus, VolatileInput } from "./server-program.ts";
import { until } from "./until.ts";

/** Starts the server program, and resolves once it listens. Its files are removed with its owner. */
export async function startServer(
  owner: Owner,
  kind: Kind,
  options: ServerChildOptions = {},
): Promise<ServerChild> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-test-"));
  // Registered before the child, so that the files go after the process that has them open.
  owner.onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const programOptions: ProgramOptions = {
    ...(options.port === undefined ? {} : { port: options.port }),
    handledFile: join(directory, "handled.jsonl"),
    server:
      kind === "stock with recovery"
        ? { ...options.server, connectionStateRecovery: {} }
        : (options.server ?? {}),
    ...(kind === "Holdfast"
      ? { delivery: { store: `sqlite:${directory}/holdfast.db`, ...options.delivery } }
      : {}),
  };
  const child = startChild(owner, {
    program: programs[kind],
    name: `server (${kind})`,
    args: [JSON.stringify(programOptions)],
    ...(options.prefix === undefined ? {} : { prefix: options.prefix }),
    deadlineMs: options.deadlineMs ?? 120_000,
  });
  const server = new ServerChild(kind, child, programOptions);
  await server.listening();
  return server;
}

export class ServerChild {
  readonly kind: Kind;
  readonly child: Child;
  readonly #options: ProgramOptions;
  #port = 0;

  constructor(kind: Kind, child: Child, options: ProgramOptions) {
    this.kind = kind;
    this.child = child;
    this.#options = options;
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  async listening(): Promise<void> {
    this.#port = (await this.child.event<Ready>("ready", 20_000)).port;
  }

  /**
   * Publishes numbered `entry` events to a room; resolves when the server has taken responsibility for all.
   */
  async publish(input: PublishInput, deadlineMs?: number): Promise<(Receipt | null)[]> {
    return await this.child.ask("publish", input, deadlineMs);
  }

  async volatile(input: VolatileInput): Promise<void> {
    await this.child.ask("volatile", input);
  }

  async status(): Promise<ServerStatus> {
    return await this.child.ask("status");
  }

  /** Waits for a state of the server, and returns it; a failure shows the last one. */
  async reaches(
    what: string,
    test: (status: ServerStatus) => boolean,
    deadlineMs = 10_000,
  ): Promise<ServerStatus> {
    let status: ServerStatus | undefined;
    const reached = async (): Promise<ServerStatus | undefined> => {
      status = await this.status();
      return test(status) ? status : undefined;
    };
    return await until(reached, { deadlineMs, what, state: () => JSON.stringify(status) });
  }

  /** Waits until `count` clients are members of `room`. */
  async hasMembers(room: string, count = 1, deadlineMs = 10_000): Promise<void> {
    const what = `${count} members of ${room}`;
    await this.reaches(what, (status) => (status.rooms[room]?.length ?? 0) === count, deadlineMs);
  }

  /** Every call of a handler, in order, by all processes this server has had; a SIGKILL takes none away. */
  handled(): Handled[] {
    if (!existsSync(this.#options.handledFile)) return [];
    const lines = readFileSync(this.#options.handledFile, "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Handled);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Exit> {
    return await this.child.kill(signal);
  }

  /** Starts the ended server again, with its store and on its port; resolves once it listens. */
  async restart(): Promise<void> {
    this.child.restart([JSON.stringify({ ...this.#options, port: this.#port })]);
    await this.listening();
  }
}

const programs = {
  stock: programPath("../stock/stock-server.ts", import.meta.url),
  "stock with recovery": programPath("../stock/stock-server.ts", import.meta.url),
  Holdfast: programPath("./holdfast-server.ts", import.meta.url),
} as const;

// --- types ---

/**
 * What is under test: `stock with recovery` is stock Socket.IO with its connection state recovery switched
 * on.
 */
export type Kind = keyof typeof programs;

export type ServerChildOptions = {
  readonly port?: number;
  readonly server?: Partial<ServerOptions>;
  /** Added to Holdfast's `delivery` option; the store is a new SQLite file unless one is named. */
  readonly delivery?: Readonly<Record<string, unknown>>;
  /** See `ChildOptions.prefix`. */
  readonly prefix?: readonly string[];
  readonly deadlineMs?: number;
};
