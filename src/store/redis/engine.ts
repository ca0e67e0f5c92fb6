/**
 * The `redis` engine: batches become calls of a script, other processes' entries come as announcements of the
 * streams that this process watches.
 */

import { DeliveryError } from "../../protocol/errors.ts";
import type { Engine, QueueLimits } from "../commit-queue.ts";
import type { Operation, Result } from "../operation.ts";
import type { CommittedEntry, Durability, Store } from "../port.ts";
import { queuedStore } from "../queued-store.ts";
import { parseRedisAddress, type RedisAddress } from "./address.ts";
import { Announcements } from "./announcements.ts";
import { Calls } from "./calls.ts";
import { confirmationFor } from "./confirmation.ts";
import { connect, type RedisLink } from "./link.ts";
import { clusterPartitions, Partitions } from "./partition.ts";
import type { PlanContext } from "./plan.ts";
import { carryOutBatch } from "./segment.ts";

export type RedisOptions = QueueLimits & {
  /** Told of every error of a connection, which passes or ends in the failure of an operation. */
  readonly onError?: ((error: unknown) => void) | undefined;
};

/**
 * Connects to a Redis, Valkey, Sentinel or Cluster and looks whether it can keep what the address asks for.
 *
 * @throws {DeliveryError} `store_invalid` for the address, `store_unfit` for a server that cannot keep it,
 *   `store_newer` for data of a later version, `store_unavailable` where there is none.
 */
export async function openRedisStore(address: string, options: RedisOptions): Promise<Store> {
  const parsed = parseRedisAddress(address);
  let announcements: Announcements | undefined;
  let reportedAt = Number.NEGATIVE_INFINITY;
  const report = (error: unknown) => {
    announcements?.renewSoon();
    // In an outage every attempt fails; one report a second says as much as all of them.
    const now = performance.now();
    if (now - reportedAt < reportEveryMs) return;
    reportedAt = now;
    options.onError?.(error);
  };
  const link = await connect(parsed, report);
  try {
    const confirmation = await confirmationFor(parsed, link);
    const prefix = scopedPrefix(parsed);
    const partitions = new Partitions(prefix, await agreePartitions(prefix, parsed.kind, link));
    const calls = new Calls({
      link,
      partitions,
      confirmation,
      declaresKeys: parsed.kind === "cluster",
      outageMs: parsed.outageMs,
    });
    announcements = new Announcements(link, partitions, report);
    const engine = new RedisEngine({ link, partitions, calls, announcements, durability: parsed.durability });
    return queuedStore(engine, options);
  } catch (error) {
    await link.close();
    throw error;
  }
}

class RedisEngine implements Engine {
  readonly durability: Durability;
  readonly #link: RedisLink;
  readonly #calls: Calls;
  readonly #announcements: Announcements;
  readonly #context: PlanContext;

  constructor(parts: {
    readonly link: RedisLink;
    readonly partitions: Partitions;
    readonly calls: Calls;
    readonly announcements: Announcements;
    readonly durability: Durability;
  }) {
    const { link, partitions, calls, announcements, durability } = parts;
    this.durability = durability;
    this.#link = link;
    this.#calls = calls;
    this.#announcements = announcements;
    this.#context = { partitions, durability, entriesLimits: { ordinary: 0, mailbox: 0 } };
  }

  commit(operations: readonly Operation[]): Promise<readonly Result[]> {
    const makesRoom = operations.some(({ kind }) => kind === "sweep");
    return carryOutBatch(this.#context, operations, (commands) =>
      this.#calls.carryOut(commands, { makesRoom }),
    );
  }

  onOthers(listener: (entries: readonly CommittedEntry[]) => void): void {
    this.#announcements.listen(listener);
  }

  watch(key: string): Promise<void> {
    return this.#announcements.watch(key);
  }

  unwatch(key: string): void {
    this.#announcements.unwatch(key);
  }

  async close(): Promise<void> {
    this.#calls.close();
    this.#announcements.close();
    await this.#link.close();
  }
}

/**
 * How many partitions there are is fixed by the first process that uses the data, because streams would not
 * be found any more under another count. The same place tells the version of the format.
 */
async function agreePartitions(prefix: string, kind: RedisAddress["kind"], link: RedisLink): Promise<number> {
  const key = `${prefix}:format`;
  const wanted = `${formatVersion} ${kind === "cluster" ? clusterPartitions : 1}`;
  await link.send(key, ["SET", key, wanted, "NX"]);
  const found = String(await link.send(key, ["GET", key]));
  const [version = 0, partitions = 0] = found.split(" ").map(Number);
  if (version > formatVersion) {
    const detail = `its format is version ${version}, this version of Holdfast knows ${formatVersion}`;
    throw new DeliveryError("store_newer", { detail });
  }
  if (version < 1 || partitions < 1) {
    throw new DeliveryError("store_unfit", { detail: `${key} holds ${JSON.stringify(found)}` });
  }
  return partitions;
}

/** All databases of a Redis share its channels, so what another one is called by has to be in the name. */
function scopedPrefix({ prefix, database }: RedisAddress): string {
  return database === 0 ? prefix : `${prefix}:${database}`;
}

/** Of keys, fields and the script. Processes of two versions may work side by side while it is the same. */
const formatVersion = 1;
const reportEveryMs = 1_000;
