/**
 * Claims on node names. Connection ids begin with the name, and whoever routes connections goes by it: of two
 * process trees with one name on one store, clients of either would be sent to the other. The tree claims the
 * name, and its workers share it; inside a tree the primary goes by the whole id.
 */

import { randomInt } from "node:crypto";
import { DeliveryError } from "../protocol/errors.ts";
import { parseAddress } from "./open.ts";
import { isRedisAddress } from "./redis/address.ts";
import { claimInRedis, type LeaseOptions, leaseMs } from "./redis/node-name.ts";
import { claimInFolder, namesInFolder } from "./sqlite-node-name.ts";

/** Gives the name back. The end of the process does so too, however it ends. */
export type ReleaseNodeName = () => Promise<void>;

/**
 * Claims a name among all processes that share the store at `address`, until it is released or this process
 * ends. What a store of one process alone (`memory:`) says is always yes.
 *
 * In a Redis the claim is a lease, which is renewed; `onLost` is told when another process has got it.
 *
 * @throws {DeliveryError} `node_in_use`, or `store_unavailable` when it cannot be found out.
 */
export async function claimNodeName(
  address: string,
  name: string,
  onLost?: (error: unknown) => void,
): Promise<ReleaseNodeName> {
  // A lease outlives its process, so whoever is started again under its name waits for the end of it.
  const waitMs = isRedisAddress(address) ? leaseMs + namedWaitMs : namedWaitMs;
  return await claim(address, name, { waitMs, onLost });
}

/**
 * Claims a name that nobody has chosen. Drawn names begin with an underscore. One that was drawn before and
 * is free is taken first, so that there are never many of them.
 *
 * @throws {DeliveryError} as above; `node_in_use` only when a hundred draws have found no free name.
 */
export async function claimAnyNodeName(
  address: string,
  onLost?: (error: unknown) => void,
): Promise<{ readonly name: string; readonly release: ReleaseNodeName }> {
  const known = knownNames(address).filter((name) => name.startsWith(drawnMark));
  for (const name of [...known, ...Array.from({ length: drawsMost }, drawName)]) {
    try {
      return { name, release: await claim(address, name, { waitMs: 0, onLost }) };
    } catch (error) {
      if (!isNodeInUse(error)) throw error;
    }
  }
  throw new DeliveryError("node_in_use", { detail: `${drawsMost} drawn names are all taken` });
}

export function isNodeInUse(error: unknown): boolean {
  return error instanceof DeliveryError && error.code === "node_in_use";
}

/** Each kind of store that processes share has its own way to hold a name. */
async function claim(address: string, name: string, options: LeaseOptions): Promise<ReleaseNodeName> {
  if (isRedisAddress(address)) return await claimInRedis(address, name, options);
  const file = sqliteFile(address);
  if (file !== undefined) return claimInFolder(file, name, options.waitMs);
  return async () => undefined;
}

function knownNames(address: string): readonly string[] {
  const file = sqliteFile(address);
  return file === undefined ? [] : namesInFolder(file);
}

/** Undefined also for an address that opening the store will refuse. */
function sqliteFile(address: string): string | undefined {
  const { engine, place } = parseAddress(address);
  return engine === "sqlite" && place !== "" && place !== ":memory:" ? place : undefined;
}

function drawName(): string {
  const letter = () => alphabet[randomInt(alphabet.length)];
  return `${drawnMark}${letter()}${letter()}`;
}

const drawnMark = "_";
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
const drawsMost = 100;
/** Who has the name may just be ending, and of two that ask at the same moment one has to step back. */
const namedWaitMs = 500;
