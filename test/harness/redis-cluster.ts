/**
 * A Redis Cluster: masters that share the slots, a replica for each if wanted, and slots that can be moved.
 */

import { freePort } from "./free-port.ts";
import type { Owner } from "./owner.ts";
import { parseInfo } from "./redis-connection.ts";
import { type RedisOptions, type RedisServer, startRedis } from "./redis-server.ts";
import { until } from "./until.ts";

/** Starts the nodes and joins them; resolves when each of them takes the cluster for complete. */
export async function startRedisCluster(owner: Owner, options: ClusterOptions = {}): Promise<RedisCluster> {
  const {
    masters: masterCount = 3,
    replicas: replicaCount = 0,
    server = {},
    nodeTimeoutMs = 2_000,
  } = options;
  const nodes = await Promise.all(
    Array.from({ length: masterCount + replicaCount }, async () => {
      const lines = [
        "cluster-enabled yes",
        `cluster-port ${await freePort()}`,
        `cluster-node-timeout ${nodeTimeoutMs}`,
        ...(server.lines ?? []),
      ];
      return await startRedis(owner, { ...server, lines });
    }),
  );
  const masters = nodes.slice(0, masterCount);
  const cluster = new RedisCluster(masters, nodes.slice(masterCount));
  await Promise.all(
    masters.map(async (master, index) => {
      // Different numbers from the start: nodes with the same one spend time on settling who is right.
      await master.command("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      const edge = (place: number): number => Math.floor((slotCount * place) / masterCount);
      await master.command("CLUSTER", "ADDSLOTSRANGE", edge(index), edge(index + 1) - 1);
    }),
  );
  await cluster.meet();
  for (const [index, replica] of cluster.replicas.entries()) {
    await replica.command("CLUSTER", "REPLICATE", await idOf(masters[index % masterCount]!));
  }
  await cluster.isComplete();
  return cluster;
}

export class RedisCluster {
  /** The first masters, by the order of their slots. */
  readonly masters: readonly RedisServer[];
  /** The first replicas: number `n` follows master `n`, and after the last master it begins again. */
  readonly replicas: readonly RedisServer[];

  constructor(masters: readonly RedisServer[], replicas: readonly RedisServer[]) {
    this.masters = masters;
    this.replicas = replicas;
  }

  get nodes(): readonly RedisServer[] {
    return [...this.masters, ...this.replicas];
  }

  get address(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(",")}`;
  }

  /** The slot of a key; what stands in braces in it is what counts. */
  async slotOf(key: string): Promise<number> {
    return await this.#running.command<number>("CLUSTER", "KEYSLOT", key);
  }

  /** Who has the slot now. */
  async ownerOf(slot: number): Promise<RedisServer> {
    const port = await ownerPort(this.#running, slot);
    const owner = this.nodes.find((node) => node.port === port);
    if (owner === undefined) throw new Error(`Slot ${slot} belongs to port ${port}, which is no node here`);
    return owner;
  }

  /** All keys of all masters. */
  async keys(): Promise<readonly string[]> {
    const lists = await Promise.all(this.masters.map((master) => master.command<string[]>("KEYS", "*")));
    return lists.flat();
  }

  /**
   * Moves a slot with the keys in it to a master, as `redis-cli --cluster reshard` does, while clients use
   * it. `midway` is run when about half of the keys have moved: that is when clients are told to ask
   * elsewhere.
   */
  async moveSlot(slot: number, toMasterIndex: number, midway?: () => Promise<void>): Promise<MovedSlot> {
    const target = this.masters[toMasterIndex]!;
    const source = await this.ownerOf(slot);
    if (source === target) return { keys: 0 };
    const [sourceId, targetId] = [await idOf(source), await idOf(target)];
    await target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId);
    await source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", targetId);
    const count = await source.command<number>("CLUSTER", "COUNTKEYSINSLOT", slot);
    let keys = await migrate(source, target, slot, Math.ceil(count / 2));
    await midway?.();
    for (let moved = -1; moved !== 0; keys += moved) moved = await migrate(source, target, slot, keysAtOnce);
    // The target first: were the source to forget the slot before, nobody would have it for a moment.
    for (const node of [
      target,
      source,
      ...this.masters.filter((master) => ![source, target].includes(master)),
    ]) {
      await node.command("CLUSTER", "SETSLOT", slot, "NODE", targetId);
    }
    await until(
      async () =>
        (await Promise.all(this.#up.map((node) => ownerPort(node, slot)))).every((p) => p === target.port),
      { what: `every node to know that slot ${slot} is at port ${target.port}`, deadlineMs: 20_000 },
    );
    return { keys };
  }

  /** Has every node know every other. */
  async meet(): Promise<void> {
    for (const node of this.nodes) {
      for (const other of this.nodes.filter((candidate) => candidate.port > node.port)) {
        const busPort = (await other.command<string[]>("CONFIG", "GET", "cluster-port"))[1] ?? "";
        await node.command("CLUSTER", "MEET", "127.0.0.1", other.port, busPort);
      }
    }
    for (const node of this.nodes) {
      await until(
        async () => {
          const lines = (await node.command<string>("CLUSTER", "NODES")).trim().split("\n");
          // During the handshake a node goes by a name that it does not keep.
          return lines.length === this.nodes.length && !lines.some((line) => line.includes("handshake"));
        },
        { what: `the node at port ${node.port} to know all the others`, deadlineMs: 30_000 },
      );
    }
  }

  /** Waits until each node that runs says that all slots are served, and until each replica has its data. */
  async isComplete(): Promise<void> {
    for (const node of this.#up) {
      let facts: ReadonlyMap<string, string> = new Map();
      await until(
        async () => {
          facts = parseInfo(await node.command<string>("CLUSTER", "INFO"));
          return facts.get("cluster_state") === "ok";
        },
        {
          what: `the node at port ${node.port} to say that all slots are served`,
          deadlineMs: 30_000,
          state: () => JSON.stringify([...facts]),
        },
      );
    }
    for (const replica of this.replicas.filter(({ child }) => child.running)) {
      await until(
        async () => {
          const replication = await replica.info("replication");
          return replication.get("role") === "master" || replication.get("master_link_status") === "up";
        },
        { what: `the replica at port ${replica.port} to have its data`, deadlineMs: 20_000 },
      );
    }
  }

  get #up(): readonly RedisServer[] {
    return this.nodes.filter(({ child }) => child.running);
  }

  get #running(): RedisServer {
    const [node] = this.#up;
    if (node === undefined) throw new Error("No node of the cluster runs");
    return node;
  }
}

/** Moves at most `limit` keys of the slot, and returns how many. */
async function migrate(
  source: RedisServer,
  target: RedisServer,
  slot: number,
  limit: number,
): Promise<number> {
  if (limit === 0) return 0;
  const keys = await source.command<string[]>("CLUSTER", "GETKEYSINSLOT", slot, limit);
  if (keys.length > 0)
    await source.command("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", ...keys);
  return keys.length;
}

async function ownerPort(node: RedisServer, slot: number): Promise<number | undefined> {
  const ranges = await node.command<[number, number, [string, number]][]>("CLUSTER", "SLOTS");
  return ranges.find(([from, to]) => from <= slot && slot <= to)?.[2][1];
}

async function idOf(node: RedisServer): Promise<string> {
  return await node.command<string>("CLUSTER", "MYID");
}

const slotCount = 16_384;
const keysAtOnce = 100;

// --- types ---

export type ClusterOptions = {
  /** Three by default. */
  readonly masters?: number;
  /** None by default; they are dealt out to the masters in turn. */
  readonly replicas?: number;
  /** How each of the nodes is configured. */
  readonly server?: RedisOptions;
  /** A node that is silent for so long is taken for gone. Default two seconds. */
  readonly nodeTimeoutMs?: number;
};

export type MovedSlot = { readonly keys: number };
