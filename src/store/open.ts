/** From an address to a store. */

import { DeliveryError } from "../protocol/errors.ts";
import { openMemoryStore } from "./memory.ts";
import type { Durability, Store } from "./port.ts";
import { isRedisAddress, parseRedisAddress, shownAddress } from "./redis/address.ts";
import { openRedisStore } from "./redis/engine.ts";
import { openSqliteStore } from "./sqlite.ts";

export type * from "./port.ts";
export { isRedisAddress } from "./redis/address.ts";
export { setMaxPages } from "./sqlite.ts";

export type StoreOptions = {
  /** Operations that may wait for their commit; more are refused with `store_busy`. Default 100,000. */
  readonly queueLimit?: number;
  /** Bytes that may wait for their commit; more are refused with `store_busy`. Default 64 MiB. */
  readonly queueBytesLimit?: number;
  /** Told of each operation that is refused with `store_busy`. */
  readonly onBusy?: () => void;
  /** Told of the errors of connections to a network store, which pass or end in the failure of operations. */
  readonly onConnectionError?: (error: unknown) => void;
};

/**
 * Opens a store:
 *
 * - `memory:` or `memory:?maxBytes=N` (default 256 MiB);
 * - `sqlite:FILE` or `sqlite:FILE?maxPages=N` (pages of 4096 bytes, default without a limit);
 * - `redis://HOST`, and what else `redis/address.ts` says.
 *
 * @throws {DeliveryError} `store_invalid`, `store_unfit`, `store_newer`, `store_in_use` or
 *   `store_unavailable`.
 */
export async function openStore(address: string, options: StoreOptions = {}): Promise<Store> {
  const limits = {
    queueLimit: options.queueLimit ?? queueLimitDefault,
    queueBytesLimit: options.queueBytesLimit ?? queueBytesLimitDefault,
    onBusy: options.onBusy,
  };
  if (isRedisAddress(address)) {
    return openRedisStore(address, { ...limits, onError: options.onConnectionError });
  }
  const { engine, place, settings } = parseAddress(address);
  if (engine === "memory" && place === "") {
    const { maxBytes } = parseSettings(address, settings, ["maxBytes"]);
    return openMemoryStore({ ...limits, ...(maxBytes !== undefined && { maxBytes }) });
  }
  // SQLite's own in-memory database would claim to be fsynced.
  if (engine === "sqlite" && place !== "" && place !== ":memory:") {
    const { maxPages } = parseSettings(address, settings, ["maxPages"]);
    return openSqliteStore(place, { ...limits, ...(maxPages !== undefined && { maxPages }) });
  }
  throw new DeliveryError("store_invalid", { detail: JSON.stringify(shownAddress(address)) });
}

/** What the receipts of a store at this address promise; `memory` for an address that opening will refuse. */
export function durabilityOf(address: string): Durability {
  try {
    if (isRedisAddress(address)) return parseRedisAddress(address).durability;
  } catch {
    return "memory";
  }
  return address.startsWith("sqlite:") ? "fsynced" : "memory";
}

export function parseAddress(address: string): { engine: string; place: string; settings: string } {
  const [, engine = "", place = "", settings = ""] = /^([a-z]+):([^?]*)(?:\?(.*))?$/s.exec(address) ?? [];
  return { engine, place, settings };
}

function parseSettings<Name extends string>(
  address: string,
  settings: string,
  known: readonly Name[],
): { readonly [N in Name]?: number } {
  const parsed: { [N in Name]?: number } = {};
  for (const [name, text] of new URLSearchParams(settings)) {
    const value = Number(text);
    const found = known.find((candidate) => candidate === name);
    if (found === undefined || !Number.isSafeInteger(value) || value < 1) {
      const detail = `${JSON.stringify(address)}: the settings are ${known.join(", ")}, whole numbers from 1`;
      throw new DeliveryError("store_invalid", { detail });
    }
    parsed[found] = value;
  }
  return parsed;
}

const queueLimitDefault = 100_000;
const queueBytesLimitDefault = 64 * 1024 * 1024;
