/** What a receipt promises, how it is kept, and whether this server can keep it at all. */

import { DeliveryError } from "../../protocol/errors.ts";
import type { RedisAddress } from "./address.ts";
import type { Answer } from "./command.ts";
import { messageOf, type RedisLink } from "./link.ts";

/** A command right behind a write that answers once the write is as safe as promised. */
export type Confirmation = {
  readonly command: readonly string[];
  /** What the first, or only, number of its answer has to reach. */
  readonly atLeast: number;
  readonly missing: string;
};

export function isConfirmed({ atLeast }: Confirmation, answer: Answer): boolean {
  const reached = Array.isArray(answer) ? (answer[0] as Answer) : answer;
  return typeof reached === "number" && reached >= atLeast;
}

/**
 * Looks at every primary, and refuses what it cannot keep. Returns how a write is confirmed; undefined where
 * its answer says enough.
 *
 * @throws {DeliveryError} `store_unfit`, with the setting to change.
 */
export async function confirmationFor(
  address: RedisAddress,
  link: RedisLink,
): Promise<Confirmation | undefined> {
  const servers = (await ask(link, ["INFO"])).map((answer) => parseInfo(String(answer)));
  for (const info of servers) assertFit(info, address.kind);
  switch (address.durability) {
    case "memory":
      return undefined;
    case "replicated":
      for (const info of servers) assertReplicas(info, address.replicas);
      return {
        command: ["WAIT", String(address.replicas), String(confirmationMs)],
        atLeast: address.replicas,
        missing: `fewer than ${address.replicas} replicas have the write`,
      };
    case "fsynced":
      return fsynced(link, servers);
  }
}

/**
 * Refuses a server by what it says of itself.
 *
 * @throws {DeliveryError} `store_unfit`.
 */
export function assertFit(info: ReadonlyMap<string, string>, kind: RedisAddress["kind"]): void {
  assertKind(info, kind);
  assertVersion(info);
  assertKeepsEverything(info);
}

async function fsynced(
  link: RedisLink,
  servers: readonly ReadonlyMap<string, string>[],
): Promise<Confirmation | undefined> {
  if (servers.some((info) => info.get("aof_enabled") !== "1")) {
    throw unfit("durability=fsynced needs `appendonly yes`");
  }
  const settings = (await ask(link, ["CONFIG", "GET", "appendfsync"])).map((answer) =>
    JSON.stringify(answer),
  );
  if (settings.every((setting) => setting.includes("always"))) return undefined;
  if (servers.every((info) => isAtLeast(info, 7, 2))) {
    return {
      command: ["WAITAOF", "1", "0", String(confirmationMs)],
      atLeast: 1,
      missing: "the append-only file has not been written to the disk",
    };
  }
  throw unfit("durability=fsynced needs `appendfsync always`, or Redis 7.2 or newer");
}

/** Elsewhere the first write would be answered with a redirection, or refused. */
function assertKind(info: ReadonlyMap<string, string>, kind: RedisAddress["kind"]): void {
  if (kind !== "cluster" && info.get("redis_mode") === "cluster") {
    throw unfit("it is a node of a Cluster: its address begins with redis+cluster://");
  }
  if (kind === "alone" && info.get("role") !== "master") {
    throw unfit("it is a replica, which takes no writes: name its primary, or use redis+sentinel://");
  }
}

function assertVersion(info: ReadonlyMap<string, string>): void {
  // Valkey tells the version of Redis that it is compatible with.
  if (!isAtLeast(info, 7, 0)) {
    throw unfit(`Redis ${info.get("redis_version") ?? "of unknown version"} is too old: 7.0 is the least`);
  }
}

function assertKeepsEverything(info: ReadonlyMap<string, string>): void {
  const policy = info.get("maxmemory_policy") ?? "noeviction";
  if (policy === "noeviction") return;
  throw unfit(`maxmemory-policy is ${policy}, which throws data away: it has to be noeviction`);
}

function assertReplicas(info: ReadonlyMap<string, string>, least: number): void {
  const found = Number(info.get("connected_slaves") ?? 0);
  if (found >= least) return;
  throw unfit(`durability=replicated needs ${least} replicas at each primary, and one has ${found}`);
}

function isAtLeast(info: ReadonlyMap<string, string>, major: number, minor: number): boolean {
  const [first = 0, second = 0] = (info.get("redis_version") ?? "").split(".").map(Number);
  return first > major || (first === major && second >= minor);
}

async function ask(link: RedisLink, command: readonly string[]): Promise<readonly Answer[]> {
  try {
    return await link.sendToAll(command);
  } catch (cause) {
    throw unfit(`it does not answer ${command.join(" ")}: ${messageOf(cause)}`, cause);
  }
}

export function parseInfo(text: string): Map<string, string> {
  const pairs = text.split("\r\n").flatMap((line) => {
    const at = line.indexOf(":");
    return at > 0 ? [[line.slice(0, at), line.slice(at + 1)] as const] : [];
  });
  return new Map(pairs);
}

function unfit(detail: string, cause?: unknown): DeliveryError {
  return new DeliveryError("store_unfit", { detail, ...(cause !== undefined && { cause }) });
}

/** Longer than a write takes, shorter than an outage: whoever has not confirmed by then is asked again. */
const confirmationMs = 2_000;
