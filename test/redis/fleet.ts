/** The nodes of a test: processes that share nothing but the store, and what they have written down. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, programPath, startChild } from "../harness/child.ts";
import { freePort } from "../harness/free-port.ts";
import type { Owner } from "../harness/owner.ts";
import type { Kind } from "../harness/server.ts";
import { until } from "../harness/until.ts";
import type { LedgerLine, NodeProgramOptions, NodeProgress } from "./contract.ts";

/** Starts the nodes, and resolves once all of them listen. */
export async function startFleet(owner: Owner, options: FleetOptions): Promise<Fleet> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-fleet-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const nodes = await Promise.all(
    options.stores.map(async (store, index) => {
      const { kind, delivery = {} } = options;
      const program: NodeProgramOptions = {
        kind,
        name: `node ${index}`,
        port: await freePort(),
        store,
        ledgerFile: join(folder, `node-${index}.jsonl`),
        delivery,
      };
      return new FleetNode(owner, program);
    }),
  );
  await Promise.all(nodes.map((node) => node.listening()));
  return new Fleet(nodes);
}

export class Fleet {
  readonly nodes: readonly FleetNode[];

  constructor(nodes: readonly FleetNode[]) {
    this.nodes = nodes;
  }

  get ports(): readonly number[] {
    return this.nodes.map(({ port }) => port);
  }

  /** Every running node publishes to the rooms in turn; `rate` is that of all nodes together. */
  async talk(rooms: readonly string[], rate: number): Promise<void> {
    await this.#running((node) => node.talk(rooms, rate / this.nodes.length));
  }

  /** The nodes fall silent; resolves when nothing waits for its receipt. */
  async hush(): Promise<void> {
    await this.#running((node) => node.child.ask("hush", {}, 40_000));
  }

  /** How far all nodes are together, over all their lives. */
  async progress(): Promise<Omit<NodeProgress, "failures">> {
    const each = await Promise.all(this.nodes.map((node) => node.progress()));
    const sum = (of: "attempts" | "receipts" | "waiting"): number =>
      each.reduce((total, one) => total + one[of], 0);
    return { attempts: sum("attempts"), receipts: sum("receipts"), waiting: sum("waiting") };
  }

  /** Waits until so many more entries have been published, or, with `attempts`, tried. */
  async goesOn(count: number, of: "attempts" | "receipts" = "receipts", deadlineMs = 30_000): Promise<void> {
    const goal = (await this.progress())[of] + count;
    let progress = {};
    const reached = async (): Promise<boolean> => {
      const now = await this.progress();
      progress = now;
      return now[of] >= goal;
    };
    const what = `${count} more ${of}`;
    await until(reached, { what, deadlineMs, state: () => JSON.stringify({ goal, ...progress }) });
  }

  /** Everything that all nodes have written down, each node's lines in their order. */
  ledger(): LedgerLine[] {
    return this.nodes.flatMap((node) => node.ledger());
  }

  async #running(action: (node: FleetNode) => Promise<unknown>): Promise<void> {
    await Promise.all(this.nodes.filter(({ child }) => child.running).map(action));
  }
}

export class FleetNode {
  readonly child: Child;
  readonly port: number;
  readonly #ledgerFile: string;
  #past = { attempts: 0, receipts: 0 };

  constructor(owner: Owner, options: NodeProgramOptions) {
    this.port = options.port;
    this.#ledgerFile = options.ledgerFile;
    this.child = startChild(owner, {
      program: programPath("./node-program.ts", import.meta.url),
      name: `${options.name} (${options.kind})`,
      args: [JSON.stringify(options)],
      deadlineMs: 170_000,
    });
    owner.onTestFailed(async () => {
      if (this.child.running) console.error(options.name, JSON.stringify(await this.child.ask("progress")));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async listening(): Promise<void> {
    await this.child.event("ready", 20_000);
  }

  async talk(rooms: readonly string[], rate: number): Promise<void> {
    await this.child.ask("talk", { rooms, rate });
  }

  /** Publishes one entry to each room; resolves to their ids once all have their receipts. */
  async say(rooms: readonly string[], padding = 0, deadlineMs = 40_000): Promise<readonly string[]> {
    return await this.child.ask("say", { rooms, padding }, deadlineMs);
  }

  /** An event that is stored nowhere, to everybody who is connected to this node. */
  async whisper(flag: "local" | "volatile", text: string): Promise<void> {
    await this.child.ask("whisper", { flag, text });
  }

  async figures<T>(): Promise<T> {
    return await this.child.ask<T>("figures");
  }

  async kill(): Promise<void> {
    await this.child.kill("SIGKILL");
    // What it knew of itself has gone with it; what it wrote down has not.
    const own = this.ledger().filter((line) => "room" in line && line.id.startsWith("node "));
    const count = (kind: LedgerLine["kind"]): number => own.filter((line) => line.kind === kind).length;
    this.#past = { attempts: count("attempt"), receipts: count("receipt") };
  }

  /** Starts the ended node again, on its port. It talks only when it is told to. */
  async restart(): Promise<void> {
    this.child.restart();
    await this.listening();
  }

  /** Over all lives of the node. */
  async progress(): Promise<NodeProgress> {
    const none = { attempts: 0, receipts: 0, waiting: 0, failures: [] };
    const present = this.child.running ? await this.child.ask<NodeProgress>("progress") : none;
    const { attempts, receipts } = this.#past;
    return { ...present, attempts: present.attempts + attempts, receipts: present.receipts + receipts };
  }

  ledger(): LedgerLine[] {
    if (!existsSync(this.#ledgerFile)) return [];
    const lines = readFileSync(this.#ledgerFile, "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as LedgerLine);
  }
}

// --- types ---

export type FleetOptions = {
  readonly kind: Kind;
  /** The address of the store for each node; there are as many nodes as addresses. */
  readonly stores: readonly string[];
  readonly delivery?: Readonly<Record<string, unknown>>;
};
