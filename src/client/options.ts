/** The `delivery` option of the client. */

import type { ClientSessionOptions } from "../protocol/client-session.ts";

export type ClientDeliveryOptions = {
  /**
   * Events that may wait for the server; above it `emit` fails at once with `outbox_full`. Default 10,000.
   */
  readonly outboxLimit?: number;
  /** The same by size. Default 134,217,728 characters. */
  readonly outboxCharactersLimit?: number;
  /** Positions and outcomes are confirmed after this delay or this many entries. Defaults 1 s and 256. */
  readonly acknowledgeDelayMs?: number;
  readonly acknowledgeEntries?: number;
  /**
   * Keeps session, positions and outbox over a page reload: `true` for the tab's `sessionStorage`, or a place
   * of your own. Default false.
   */
  readonly persist?: boolean | SavedPlace;
  /** After waking from sleep a sign of life is asked for; without one the link is given up. Default 3 s. */
  readonly probeTimeoutMs?: number;
};

/** Where a session is kept while the page is away. All methods are called synchronously and may throw. */
export type SavedPlace = {
  load(key: string): string | null;
  save(key: string, text: string): void;
  remove(key: string): void;
};

export type ResolvedClientOptions = ClientSessionOptions & {
  readonly persist: SavedPlace | undefined;
  readonly probeTimeoutMs: number;
};

/** Throws a `TypeError` that names the wrong option. */
export function resolveClientOptions(options: ClientDeliveryOptions): ResolvedClientOptions {
  for (const name of Object.keys(options)) {
    if (!clientOptionNames.includes(name))
      throw new TypeError(`delivery.${name} is not an option of Holdfast`);
  }
  const number = (name: keyof typeof defaults): number => {
    const value = options[name] ?? defaults[name];
    if (Number.isInteger(value) && value >= 1) return value;
    throw new TypeError(`delivery.${name} must be a whole number from 1 on, not ${String(value)}`);
  };
  return {
    outboxLimit: number("outboxLimit"),
    outboxCharactersLimit: number("outboxCharactersLimit"),
    acknowledgeDelayMs: number("acknowledgeDelayMs"),
    acknowledgeEntries: number("acknowledgeEntries"),
    probeTimeoutMs: number("probeTimeoutMs"),
    // An event that is published to several rooms arrives in all of them within moments; 4,096 is plenty.
    elsewhereLimit: 4_096,
    persist: options.persist === true ? tabStorage() : options.persist || undefined,
  };
}

function tabStorage(): SavedPlace | undefined {
  const { sessionStorage } = globalThis as { sessionStorage?: Storage };
  if (sessionStorage === undefined) return undefined;
  return {
    load: (key) => sessionStorage.getItem(key),
    save: (key, text) => sessionStorage.setItem(key, text),
    remove: (key) => sessionStorage.removeItem(key),
  };
}

const defaults = {
  outboxLimit: 10_000,
  outboxCharactersLimit: 128 * 1024 * 1024,
  acknowledgeDelayMs: 1_000,
  acknowledgeEntries: 256,
  probeTimeoutMs: 3_000,
};

/** Every option there is; docs/OPTIONS.md has a row for each. */
export const clientOptionNames: readonly string[] = ["persist", ...Object.keys(defaults)];
