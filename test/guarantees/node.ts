/**
 * A server process of these tests: started, commanded, killed, and started again on its port and its store.
 */

import { existsSync, readFileSync, statSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, type Exit, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import type { Answered, Extent, Handled, ProgramOptions, Status } from "./contract.ts";

export type NodeOptions = Omit<ProgramOptions, "handledFile"> & {
  /** Added to the address of the SQLite store, such as `?maxPages=50`. */
  readonly storeSettings?: string;
};

/** Starts the program, and resolves once it listens. Its files are removed with its owner. */
export async function startNode(owner: Owner, options: NodeOptions = {}): Promise<TestNode> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-guarantees-"));
  owner.onTestFinished(() => rm(directory, { recursive: true, force: true }));
  await mkdir(join(directory, "store"));
  const node = new TestNode(owner, directory, options);
  await node.listening();
  return node;
}

export class TestNode {
  readonly directory: string;
  readonly child: Child;
  #options: NodeOptions;
  #port = 0;

  constructor(owner: Owner, directory: string, options: NodeOptions) {
    this.directory = directory;
    this.#options = options;
    this.child = startChild(owner, {
      program: programPath("./program.ts", import.meta.url),
      name: "node",
      args: this.#arguments(),
      deadlineMs: 120_000,
    });
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /**
   * Copies the files of the ended server's store away; `restoreStore` puts them back, as a restored backup
   * does.
   */
  async backUpStore(): Promise<void> {
    await cp(this.#storeDirectory, this.#backup, { recursive: true });
  }

  async restoreStore(): Promise<void> {
    await rm(this.#storeDirectory, { recursive: true });
    await cp(this.#backup, this.#storeDirectory, { recursive: true });
  }

  async listening(): Promise<void> {
    this.#port = (await this.child.event<{ port: number }>("ready", 20_000)).port;
  }

  /** Calls all publishes at once; resolves to their offsets, or the codes of their errors. */
  async publish(room: string, from: number, count: number, padding = 0): Promise<(number | string)[]> {
    return await this.child.ask("publish", { room, from, count, padding }, 30_000);
  }

  /** Asks the session and does not wait for the answer. */
  async ask(question: number, session: string | undefined, id: number, timeoutMs?: number): Promise<void> {
    await this.child.ask("ask", { question, session, id, ...(timeoutMs === undefined ? {} : { timeoutMs }) });
  }

  async answered(question: number): Promise<readonly Answered[]> {
    return await this.child.ask("answered", { question });
  }

  /** Waits until the first offset that is kept of a room is `low`. */
  async trimmedTo(room: string, low: number): Promise<void> {
    let extent: Extent | undefined;
    const reached = async (): Promise<boolean> => {
      extent = await this.child.ask<Extent>("extent", { room });
      return extent.low === low;
    };
    await until(reached, {
      deadlineMs: 10_000,
      what: `${room} from ${low} on`,
      state: () => JSON.stringify(extent),
    });
  }

  async command(name: "withdraw" | "deny" | "kick", input: object): Promise<void> {
    await this.child.ask(name, input);
  }

  async status(): Promise<Status> {
    return await this.child.ask("status");
  }

  /** Waits for a state of the server, and returns it; a failure shows the last one. */
  async reaches(what: string, test: (status: Status) => boolean, deadlineMs = 10_000): Promise<Status> {
    let status: Status | undefined;
    const reached = async (): Promise<Status | undefined> => {
      status = await this.status();
      return test(status) ? status : undefined;
    };
    return await until(reached, { deadlineMs, what, state: () => JSON.stringify(status) });
  }

  /** Every call of the handler, in order, by all processes so far; a SIGKILL takes none away. */
  handled(): Handled[] {
    if (!existsSync(this.#handledFile)) return [];
    const lines = readFileSync(this.#handledFile, "utf8").split("\n");
    let place = 0;
    return lines
      .filter((line) => line !== "")
      .map((line) => {
        const handled = { ...(JSON.parse(line) as Omit<Handled, "place">), place };
        place += line.length + 1;
        return handled;
      });
  }

  /** Bytes of the record so far: what is recorded later has a `place` from here on. */
  get handledBytes(): number {
    return existsSync(this.#handledFile) ? statSync(this.#handledFile).size : 0;
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Exit> {
    return await this.child.kill(signal);
  }

  /** Starts the ended server again on its port, with its store, and with other options if given. */
  async restart(options: NodeOptions = {}): Promise<void> {
    this.#options = { ...this.#options, ...options, port: this.#port };
    this.child.restart(this.#arguments());
    await this.listening();
  }

  get #storeDirectory(): string {
    return join(this.directory, "store");
  }

  get #backup(): string {
    return join(this.directory, "backup");
  }

  get #handledFile(): string {
    return join(this.directory, "handled.jsonl");
  }

  #arguments(): string[] {
    const { storeSettings = "", delivery, ...rest } = this.#options;
    const store = `sqlite:${this.#storeDirectory}/holdfast.db${storeSettings}`;
    const options: ProgramOptions = {
      ...rest,
      handledFile: this.#handledFile,
      delivery: { store, ...delivery },
    };
    return [JSON.stringify(options)];
  }
}
