/** The servers of one run, all of one kind, on a machine of their own behind the shipped HAProxy. */

import { haproxySees } from "../test/deploy/haproxy-runtime.ts";
import type { NodeName, Site } from "../test/deploy/site.ts";
import { type Child, programPath } from "../test/harness/child.ts";
import { everybody, type Kind, roomOf, type Talk } from "./contract.ts";
import type { ServerOptions } from "./servers/kinds.ts";
import type { Talking } from "./servers/speaker.ts";

export class Fleet {
  readonly site: Site;
  /** What each server was told to publish, and when. */
  readonly talks: Mutable<Talk>[] = [];
  readonly #options: FleetOptions;
  readonly #nodes = new Map<NodeName, Child>();
  readonly #talking = new Map<NodeName, Mutable<Talk>>();
  #redis: Child | undefined;
  #proxy: Child | undefined;

  constructor(site: Site, options: FleetOptions) {
    this.site = site;
    this.#options = options;
  }

  /** Starts what the servers need besides themselves. */
  async prepare(): Promise<void> {
    const { kind, store } = this.#options;
    if (kind !== "holdfast" || store === "redis") await this.startRedis();
    await this.startProxy();
  }

  async startProxy(): Promise<void> {
    const parts = ["base", "edge-http", "nodes", "website-from-nodes"];
    // All clients come from one address here.
    const environment = { HANDSHAKES_PER_10S: "1000000" };
    this.#proxy = await this.site.startHaproxy(parts, { environment, deadlineMs: wholeRunMs });
  }

  reloadProxy(): void {
    this.#proxy?.signal("SIGUSR2");
  }

  /** With its worker: a master that is killed leaves it behind, and it would go on. */
  async killProxy(): Promise<void> {
    await this.site.run(
      "/bin/sh",
      "-c",
      `pkill -KILL -P ${this.#proxy?.pid}; kill -KILL ${this.#proxy?.pid}`,
    );
    await this.#proxy?.exited();
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

  /** Starts servers, or those that were killed again, and waits until HAProxy sends them clients. */
  async start(names: readonly NodeName[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const known = this.#nodes.get(name);
        if (known === undefined) this.#nodes.set(name, this.#launch(name));
        else known.restart();
        await this.#node(name).event("ready", 30_000);
      }),
    );
    await haproxySees(this.site.haproxySocket, names, "UP");
  }

  /** Has these servers publish, each its share of the rate. */
  async talk(names: readonly NodeName[], from: number, until: number): Promise<void> {
    const { rate, clients, roomSize } = this.#options;
    const share = rate / serversAtOnce;
    await Promise.all(
      names.map(async (name, index) => {
        const rooms = roomsInTurn(clients, roomSize, index);
        const talking: Talking = { rooms, rate: share, from, until };
        const publisher = await this.#node(name).ask<string>("talk", talking);
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
  }

  /** Processor seconds that the servers have used, those that have ended left out. */
  async processorSeconds(): Promise<number> {
    const running = [...this.#nodes.values()].filter((node) => node.running);
    const usages = await Promise.all(running.map((node) => node.ask<{ cpuMicros: number }>("usage")));
    return usages.reduce((sum, { cpuMicros }) => sum + cpuMicros / 1e6, 0);
  }

  /** Without a warning. What it would have published from now on is not expected of anybody. */
  async kill(name: NodeName): Promise<void> {
    this.#endTalk(name, Date.now());
    await this.#node(name).kill("SIGKILL");
  }

  /** As a process manager ends them, all at once; resolves with the exit codes. */
  async drain(names: readonly NodeName[]): Promise<readonly (number | null)[]> {
    for (const name of names) {
      this.#endTalk(name, Date.now() + drainLeadMs);
      this.#node(name).signal("SIGTERM");
    }
    const exits = await Promise.all(names.map((name) => this.#node(name).exited(60_000)));
    return exits.map(({ code }) => code);
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
    const { kind, ledger, store, delivery = {} } = this.#options;
    const redis = `redis://127.0.0.1:${redisPort}`;
    const options: ServerOptions = {
      kind,
      name,
      port: (name.startsWith("a") ? 8_000 : 8_010) + Number(name.slice(1)),
      store: store === "redis" ? redis : `sqlite:${this.site.folder}/holdfast.db`,
      redis,
      ledger,
      drainLeadMs,
      delivery,
    };
    return this.site.start({
      program: programPath("./servers/server-program.ts", import.meta.url),
      name: `${kind} ${name}`,
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

function smallRooms(clients: number, roomSize: number): string[] {
  const count = Math.ceil(clients / roomSize);
  return Array.from({ length: count }, (_none, index) => roomOf(index * roomSize, roomSize));
}

/** As many as a slot has; while two slots run, one of them publishes. */
const serversAtOnce = 3;
/** One entry in about a hundred goes to all clients. */
const everybodyOnceIn = 100;
const redisPort = 6_379;
/** HAProxy checks every second; two checks, and a little. */
export const drainLeadMs = 2_500;
export const wholeRunMs = 900_000;

// --- types ---

export type StoreKind = "sqlite" | "redis";

export type FleetOptions = {
  readonly kind: Kind;
  readonly store: StoreKind;
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
