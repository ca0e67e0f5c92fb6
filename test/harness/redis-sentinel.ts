/** A Redis master with replicas, and sentinels that put a replica in its place when it is gone. */

import type { Owner } from "./owner.ts";
import { type RedisOptions, type RedisServer, startRedis } from "./redis-server.ts";
import { until } from "./until.ts";

/** Starts them all; resolves when every sentinel knows of every replica and of every other sentinel. */
export async function startRedisSentinel(
  owner: Owner,
  options: SentinelOptions = {},
): Promise<RedisSentinel> {
  const { replicas = 2, sentinels = 3, downAfterMs = 1_000 } = options;
  const server = { ...options.server, lines: [...replicatorLines, ...(options.server?.lines ?? [])] };
  const master = await startRedis(owner, server);
  const followers = await Promise.all(
    Array.from({ length: replicas }, () => startRedis(owner, { ...server, replicaOf: master.port })),
  );
  const quorum = Math.floor(sentinels / 2) + 1;
  const lines = [
    `sentinel monitor ${masterName} 127.0.0.1 ${master.port} ${quorum}`,
    `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
    `sentinel failover-timeout ${masterName} 6000`,
    ...(server.requirePassword === undefined
      ? []
      : [`sentinel auth-pass ${masterName} ${server.requirePassword}`]),
  ];
  const watchers = await Promise.all(
    Array.from({ length: sentinels }, () => startRedis(owner, { sentinel: true, lines })),
  );
  const sentinel = new RedisSentinel([master, ...followers], watchers);
  await sentinel.agrees();
  return sentinel;
}

export class RedisSentinel {
  /**
   * The first master, then the replicas, in the order of their start; who is what now is `master`'s to say.
   */
  readonly servers: readonly RedisServer[];
  readonly sentinels: readonly RedisServer[];

  constructor(servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.servers = servers;
    this.sentinels = sentinels;
  }

  get address(): string {
    const places = this.sentinels.map(({ port }) => `127.0.0.1:${port}`);
    return `redis+sentinel://${places.join(",")}/${masterName}`;
  }

  /** The server that the first sentinel names as the master. */
  async master(): Promise<RedisServer> {
    const port = await masterPort(this.sentinels[0]!);
    const server = this.servers.find((candidate) => candidate.port === port);
    if (server === undefined) throw new Error(`The sentinels name port ${port}, which is none of theirs`);
    return server;
  }

  /** The servers that run and are not the present master. */
  async replicas(): Promise<readonly RedisServer[]> {
    const master = await this.master();
    return this.servers.filter((server) => server !== master && server.child.running);
  }

  /**
   * From here on the replicas get nothing more from the present master, and it goes on to answer its clients:
   * what it acknowledges now is on itself alone.
   */
  async cutReplication(): Promise<void> {
    const master = await this.master();
    await master.command("ACL", "SETUSER", replicator, "off");
    const isAlone = async (): Promise<boolean> => {
      await master.command("CLIENT", "KILL", "TYPE", "REPLICA");
      return (await master.info("replication")).get("connected_slaves") === "0";
    };
    await until(isAlone, { what: "the master to be without replicas" });
  }

  /** Kills the master, waits until another is in its place for all sentinels, and returns that. */
  async killMaster(): Promise<RedisServer> {
    const killed = await this.master();
    await killed.kill();
    return await this.promoted(killed);
  }

  /** Waits until every sentinel names a master that is not `old`, and that takes itself for one. */
  async promoted(old: RedisServer, deadlineMs = 20_000): Promise<RedisServer> {
    const what = `another master in the place of port ${old.port}`;
    await until(
      async () => {
        const ports = await Promise.all(this.sentinels.map(masterPort));
        if (new Set(ports).size !== 1 || ports[0] === old.port) return false;
        return (await (await this.master()).info("replication")).get("role") === "master";
      },
      { what, deadlineMs },
    );
    return await this.master();
  }

  /** Waits until a server that was started again has the present master's data. */
  async follows(server: RedisServer): Promise<void> {
    const isFollower = async (): Promise<boolean> => {
      const replication = await server.info("replication");
      return replication.get("role") === "slave" && replication.get("master_link_status") === "up";
    };
    // The sentinels end all connections of a server whose role they change, this one included.
    await until(() => isFollower().catch(() => false), {
      what: `port ${server.port} to follow the master`,
      deadlineMs: 20_000,
    });
  }

  /** Waits until nobody has anybody left to find. */
  async agrees(): Promise<void> {
    // How often they look and tell each other is made for networks; on loopback a start would take ten
    // seconds.
    const pace = ["publish-period", 200, "info-period", 500, "ask-period", 200, "ping-period", 200];
    for (const sentinel of this.sentinels) await sentinel.command("SENTINEL", "DEBUG", ...pace);
    const known = { "num-slaves": this.servers.length - 1, "num-other-sentinels": this.sentinels.length - 1 };
    for (const sentinel of this.sentinels) {
      await until(
        async () => {
          const facts = table(await sentinel.command<string[]>("SENTINEL", "MASTER", masterName));
          return Object.entries(known).every(([name, count]) => facts.get(name) === String(count));
        },
        { what: `the sentinel at port ${sentinel.port} to know the others`, deadlineMs: 20_000 },
      );
    }
  }
}

async function masterPort(sentinel: RedisServer): Promise<number> {
  const [, port] = await sentinel.command<[string, string]>(
    "SENTINEL",
    "GET-MASTER-ADDR-BY-NAME",
    masterName,
  );
  return Number(port);
}

/** Names and values that follow each other in one list. */
function table(list: readonly string[]): ReadonlyMap<string, string> {
  const pairs = Array.from({ length: list.length / 2 }, (_none, index) =>
    list.slice(index * 2, index * 2 + 2),
  );
  return new Map(pairs as [string, string][]);
}

const masterName = "holdfast";
const replicator = "replicator";

/** The replicas come as a user of their own, so that this one can be kept out while all others come in. */
const replicatorLines = [
  `user ${replicator} on nopass resetchannels -@all +psync +replconf +ping`,
  `masteruser ${replicator}`,
  "masterauth any",
] as const;

// --- types ---

export type SentinelOptions = {
  /** Two by default. */
  readonly replicas?: number;
  /** Three by default; more than half of them have to agree. */
  readonly sentinels?: number;
  /** How each of the servers is configured. */
  readonly server?: RedisOptions;
  /** A master that is silent for so long is taken for gone. Default one second. */
  readonly downAfterMs?: number;
};
