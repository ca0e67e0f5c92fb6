/** The servers of one run, all of one kind, on a machine of their own behind a shipped edge. */

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { NodeName, Site } from "../test/deploy/site.ts";
import { type Child, programPath } from "../test/harness/child.ts";
import type { Owner } from "../test/harness/owner.ts";
import { everybody, type Kind, roomOf, type Talk } from "./contract.ts";
import type { ClusterOptions } from "./servers/cluster-program.ts";
import type { Memory } from "./scenarios/scenario.ts";
import type { ServerOptions } from "./servers/kinds.ts";
import type { Talking } from "./servers/speaker.ts";
import { type Edge, edgeOf } from "./topology/edge.ts";
import { portOf, slotOf, threeNodes, type Topology } from "./topology/topology.ts";

export class Fleet {
  readonly site: Site;
  /** What each server was told to publish, and when. */
  readonly talks: Mutable<Talk>[] = [];
  readonly #options: FleetOptions;
  readonly #nodes = new Map<NodeName, Child>();
  readonly #talking = new Map<NodeName, Mutable<Talk>>();
  readonly #topology: Topology;
  readonly #edge: Edge;
  #redis: Child | undefined;
  #redisAddress = `redis://127.0.0.1:${redisPort}`;

  constructor(owner: Owner, site: Site, options: FleetOptions) {
    this.site = site;
    this.#options = options;
    this.#topology = options.topology ?? threeNodes;
    this.#edge = edgeOf(owner, site, this.#topology, wholeRunMs);
  }

  /** The servers that run when the load begins, or those of the next release. */
  slot(slot: "a" | "b"): readonly NodeName[] {
    return slotOf(slot, this.#topology);
  }

  /** How long a server that is to end publishes on. */
  get drainLeadMs(): number {
    return this.#edge.drainLeadMs;
  }

  /** Starts what the servers need besides themselves. */
  async prepare(): Promise<void> {
    const { kind, store, redis } = this.#options;
    if (redis === "sentinel") await this.#startSentinel();
    else if (kind !== "holdfast" || store === "redis") await this.startRedis();
    await this.startProxy();
  }

  async startProxy(): Promise<void> {
    await this.#edge.start();
  }

  reloadProxy(): void {
    this.#edge.reload();
  }

  async killProxy(): Promise<void> {
    await this.#edge.kill();
  }

  async startRedis(): Promise<void> {
    const settings = `--bind 127.0.0.1 --port ${redisPort} --dir ${this.site.folder} --appendonly yes --save`;
    const args = [...settings.split(" "), ""];
    this.#redis = this.site.startSystem("redis-server", args, {}, wholeRunMs);
    await this.#redis.line(/Ready to accept connections/, 20_000);
  }

  async stopRedis(): Promise<void> {
    await this.#redis?.kill("SIGTERM");
  }

  /** Kills the primary of the Redis; resolves when Sentinel has put a replica in its place. */
  async failOver(): Promise<{ readonly killed: number; readonly promoted: number }> {
    if (this.#redis === undefined) throw new Error("There is no Redis that could fail over");
    return await this.#redis.ask("failOver", {}, 30_000);
  }

  async #startSentinel(): Promise<void> {
    this.#redis = this.site.start({
      program: programPath("./servers/redis-program.ts", import.meta.url),
      name: "redis",
      // Its files go with the machine.
      environment: { TMPDIR: this.site.folder },
      deadlineMs: wholeRunMs,
    });
    this.#redisAddress = (await this.#redis.event<{ address: string }>("ready", 60_000)).address;
  }

  /** Starts servers, or those that were killed again, and waits until they are sent clients. */
  async start(names: readonly NodeName[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const known = this.#nodes.get(name);
        if (known === undefined) this.#nodes.set(name, this.#launch(name));
        else known.restart();
        await this.#node(name).event("ready", 30_000);
      }),
    );
    await this.#edge.finds(names);
  }

  /** Has these servers publish, each its share of the rate. */
  async talk(names: readonly NodeName[], from: number, until: number): Promise<void> {
    const { rate, clients, roomSize } = this.#options;
    const share = rate / this.slot("a").length;
    await Promise.all(
      names.map(async (name, index) => {
        const rooms = roomsInTurn(clients, roomSize, index);
        const talking: Talking = { rooms, rate: share, from, until };
        const publisher = await this.#node(name).ask<string | undefined>("talk", talking);
        // The workers of a cluster divide it among themselves, and say so in the end.
        if (publisher === undefined) return;
        const talk = { publisher, rate: share, from, until };
        this.talks.push(talk);
        this.#talking.set(name, talk);
      }),
    );
  }

  /** Has one server publish the last entry of each room. */
  async end(): Promise<void> {
    const { clients, roomSize } = this.#options;
    const rooms = [everybody, ...smallRooms(clients, roomSize)];
    const node = [...this.#nodes.values()].findLast(({ running }) => running);
    await node?.ask("close", { rooms }, 30_000);
    if (this.#topology.edge === "primary") this.talks.push(...((await node?.ask<Talk[]>("talks")) ?? []));
  }

  /** Processor seconds that the servers have used, those that have ended left out. */
  async processorSeconds(): Promise<number> {
    const running = [...this.#nodes.values()].filter((node) => node.running);
    const usages = await Promise.all(running.map((node) => node.ask<{ cpuMicros: number }>("usage")));
    return usages.reduce((sum, { cpuMicros }) => sum + cpuMicros / 1e6, 0);
  }

  /** What each server takes at the moment. */
  memory(): readonly Memory[] {
    return [...this.#nodes].flatMap(([server, { pid, running }]) => {
      const mebibytes = running ? residentMebibytes(pid) : undefined;
      return mebibytes === undefined ? [] : [{ server, mebibytes }];
    });
  }

  /** Without a warning. What it would have published from now on is not expected of anybody. */
  async kill(name: NodeName): Promise<void> {
    this.#endTalk(name, Date.now());
    await this.#node(name).kill("SIGKILL");
  }

  /** As a process manager ends them, all at once; resolves with the exit codes. */
  async drain(names: readonly NodeName[]): Promise<readonly (number | null)[]> {
    for (const name of names) {
      this.#endTalk(name, Date.now() + this.drainLeadMs);
      this.#node(name).signal("SIGTERM");
    }
    const exits = await Promise.all(names.map((name) => this.#node(name).exited(60_000)));
    return exits.map(({ code }) => code);
  }

  /** `holdfast roll`: the primary exchanges its workers. Resolves with what the command said. */
  async roll(): Promise<string> {
    const args = ["roll", "--port", String(internalPort)];
    const program = join(this.site.repository, "src/command.ts");
    const command = this.site.start({ program, args, name: "holdfast roll", deadlineMs: wholeRunMs });
    const { code } = await command.exited(120_000);
    if (code !== 0) throw new Error(`holdfast roll ended with ${code}: ${command.report()}`);
    return command.stdout.trim().split("\n").at(-1) ?? "";
  }

  /** What a server has written to its standard error, for the one who has to find out. */
  complaints(): string[] {
    return [...this.#nodes].flatMap(([name, { stderr }]) => (stderr === "" ? [] : [`${name}: ${stderr}`]));
  }

  #endTalk(name: NodeName, at: number): void {
    const talk = this.#talking.get(name);
    if (talk !== undefined) talk.until = Math.min(talk.until, at);
  }

  #launch(name: NodeName): Child {
    const { kind, ledger, store, storeSettings = "", delivery = {} } = this.#options;
    const redis = this.#redisAddress;
    const options: ServerOptions = {
      kind,
      name,
      port: portOf(name),
      store: store === "redis" ? `${redis}${storeSettings}` : `sqlite:${this.site.folder}/holdfast.db`,
      redis,
      ledger,
      drainLeadMs: this.drainLeadMs,
      delivery,
    };
    if (this.#topology.edge !== "primary") return this.#startServer("server-program", options);
    const cluster: ClusterOptions = { ...options, port: 80, internalPort, workers: this.#topology.nodes };
    return this.#startServer("cluster-program", cluster);
  }

  #startServer(program: "server-program" | "cluster-program", options: ServerOptions): Child {
    return this.site.start({
      program: programPath(`./servers/${program}.ts`, import.meta.url),
      name: `${options.kind} ${options.name}`,
      args: [JSON.stringify(options)],
      deadlineMs: wholeRunMs,
    });
  }

  #node(name: NodeName): Child {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`There is no server ${name}`);
    return node;
  }
}

/** Mostly the small rooms, in an order of each server's own; now and then the one that everybody is in. */
function roomsInTurn(clients: number, roomSize: number, offset: number): string[] {
  const all = smallRooms(clients, roomSize);
  const rooms = [...all.slice(offset), ...all.slice(0, offset)];
  const turns: string[] = [];
  for (let turn = 0; turn < Math.ceil(everybodyOnceIn / rooms.length); turn += 1) turns.push(...rooms);
  return [...turns, everybody];
}

function residentMebibytes(pid: number): number | undefined {
  const file = `/proc/${pid}/status`;
  if (!existsSync(file)) return undefined;
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(file, "utf8")) ?? [];
  return kibibytes === undefined ? undefined : Math.round(Number(kibibytes) / 1_024);
}

function smallRooms(clients: number, roomSize: number): string[] {
  const count = Math.ceil(clients / roomSize);
  return Array.from({ length: count }, (_none, index) => roomOf(index * roomSize, roomSize));
}

/** One entry in about a hundred goes to all clients. */
const everybodyOnceIn = 100;
const redisPort = 6_379;
/** Of a primary, for `holdfast roll`. */
const internalPort = 9_464;
/** Longer than anybody soaks: what ends late ends with its conductor. */
export const wholeRunMs = 4 * 3_600_000;

// --- types ---

export type StoreKind = "sqlite" | "redis";

/** By itself, or a primary with two replicas and three Sentinels. */
export type RedisKind = "alone" | "sentinel";

export type FleetOptions = {
  readonly kind: Kind;
  readonly store: StoreKind;
  readonly redis?: RedisKind | undefined;
  /** Of Holdfast's Redis, as in a query. */
  readonly storeSettings?: string | undefined;
  /** Three nodes behind HAProxy where nothing is said. */
  readonly topology?: Topology | undefined;
  /** As the machine reaches it. */
  readonly ledger: string;
  readonly clients: number;
  readonly roomSize: number;
  /** Entries a second, of all servers together. */
  readonly rate: number;
  /** Options of Holdfast. */
  readonly delivery?: Readonly<Record<string, unknown>>;
};

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
