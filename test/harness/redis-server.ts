/** A real Redis under a test's control: paused, killed, started again with its files, and asked. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Certificate } from "./certificate.ts";
import { type Child, type Exit, startChild } from "./child.ts";
import { freePort } from "./free-port.ts";
import type { Owner } from "./owner.ts";
import { parseInfo, RedisConnection } from "./redis-connection.ts";
import { redisProgram } from "./redis-program.ts";
import { until } from "./until.ts";

/**
 * Starts a server on a free port, in a folder of its own; resolves when it answers. It ends with its owner.
 */
export async function startRedis(owner: Owner, options: RedisOptions = {}): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-redis-"));
  // Registered before the child, so that the files go after the process that has them open.
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const file = join(folder, "redis.conf");
  writeFileSync(file, `${configuration(port, folder, options).join("\n")}\n`);
  const child = startChild(owner, {
    program: redisProgram(),
    native: true,
    name: `${options.sentinel === true ? "sentinel" : "redis"} at port ${port}`,
    ...(options.prefix !== undefined && { prefix: options.prefix }),
    args: [file, ...(options.sentinel === true ? ["--sentinel"] : [])],
    deadlineMs: 170_000,
  });
  const server = new RedisServer(child, port, options);
  owner.onTestFinished(() => server.disconnect());
  await server.answers();
  return server;
}

export class RedisServer {
  readonly child: Child;
  readonly port: number;
  readonly #options: RedisOptions;
  readonly #connection: RedisConnection;

  constructor(child: Child, port: number, options: RedisOptions) {
    this.child = child;
    this.port = port;
    this.#options = options;
    const { requirePassword: password, tls } = options;
    this.#connection = new RedisConnection({ port, password, authorityFile: tls?.authorityFile });
  }

  /** As clients write it, with the password if there is one. */
  get address(): string {
    const { requirePassword, tls } = this.#options;
    const scheme = tls === undefined ? "redis" : "rediss";
    return `${scheme}://${requirePassword === undefined ? "" : `:${requirePassword}@`}127.0.0.1:${this.port}`;
  }

  /** Sends one command as it stands, and resolves to the answer. */
  async command<T = unknown>(...args: readonly (string | number)[]): Promise<T> {
    return await this.#connection.send<T>(args);
  }

  /** A section of `INFO` as a table. */
  async info(section: string): Promise<ReadonlyMap<string, string>> {
    return parseInfo(await this.command<string>("INFO", section));
  }

  /** Waits until the server answers `PING`, and, if it is a replica, until it has its master's data. */
  async answers(): Promise<void> {
    const state = (): string => this.child.report().slice(-1_000);
    const what = `answer to PING of ${this.address}`;
    await until(() => this.#isUp(), { deadlineMs: 20_000, what, state });
  }

  /** Freezes the process: connections stay, and nothing is answered until `resume`. */
  pause(): void {
    this.child.signal("SIGSTOP");
  }

  resume(): void {
    this.child.signal("SIGCONT");
  }

  async kill(): Promise<Exit> {
    this.disconnect();
    return await this.child.kill("SIGKILL");
  }

  /** Ends it as an operator would; it writes what it has to write. */
  async stop(): Promise<Exit> {
    this.disconnect();
    return await this.child.kill("SIGTERM");
  }

  /** Starts the ended server again on its port, with its files; resolves when it answers. */
  async restart(): Promise<void> {
    this.child.restart();
    await this.answers();
  }

  /** Closes the test's own connection, so that its end is nobody's surprise. */
  disconnect(): void {
    this.#connection.close();
  }

  async #isUp(): Promise<boolean> {
    if (!this.child.running) throw new Error(`Ended before it answered: ${this.child.report()}`);
    try {
      if ((await this.command("PING")) !== "PONG") return false;
      if (this.#options.replicaOf === undefined) return true;
      const replication = await this.info("replication");
      return replication.get("role") === "master" || replication.get("master_link_status") === "up";
    } catch {
      // It does not listen yet, or it is still reading its files.
      return false;
    }
  }
}

function configuration(port: number, folder: string, options: RedisOptions): string[] {
  const { appendonly = "no", maxmemoryPolicy = "noeviction", requirePassword, replicaOf, tls } = options;
  const common = [
    "bind 127.0.0.1",
    "daemonize no",
    `dir ${folder}`,
    ...(tls === undefined
      ? [`port ${port}`]
      : [
          "port 0",
          `tls-port ${port}`,
          `tls-cert-file ${tls.certificateFile}`,
          `tls-key-file ${tls.keyFile}`,
          `tls-ca-cert-file ${tls.authorityFile}`,
          "tls-auth-clients no",
        ]),
  ];
  if (options.sentinel === true) return [...common, ...(options.lines ?? [])];
  return [
    ...common,
    // Snapshots would make a server come back with data that its AOF settings do not promise.
    'save ""',
    `appendonly ${appendonly === "no" ? "no" : "yes"}`,
    ...(appendonly === "no" ? [] : [`appendfsync ${appendonly}`]),
    `maxmemory-policy ${maxmemoryPolicy}`,
    // A replica is given its data at once, and not after the five seconds in which others may want it too.
    "repl-diskless-sync-delay 0",
    ...(requirePassword === undefined
      ? []
      : [`requirepass ${requirePassword}`, `masterauth ${requirePassword}`]),
    ...(replicaOf === undefined ? [] : [`replicaof 127.0.0.1 ${replicaOf}`]),
    ...(options.lines ?? []),
  ];
}

// --- types ---

export type RedisOptions = {
  /**
   * Whether every write goes to a file, and when that is synced: never, each second, or before it is
   * answered.
   */
  readonly appendonly?: "no" | "everysec" | "always";
  /** The port of the master whose replica this is. */
  readonly replicaOf?: number;
  readonly requirePassword?: string;
  readonly maxmemoryPolicy?: string;
  /** Clients have to speak TLS. */
  readonly tls?: Certificate;
  /** A command that runs the server in its place, such as one that pins it to a core. It must `exec`. */
  readonly prefix?: readonly string[];
  /** More lines of the configuration file. */
  readonly lines?: readonly string[];
  /** It watches over others instead of storing anything; `redis-sentinel.ts` starts these. */
  readonly sentinel?: boolean;
};
