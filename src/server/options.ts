/** The `delivery` option of the server: parsed once into a frozen object, wrong values refused by name. */

import type { Limits } from "../protocol/frames.ts";
import type { Retention, Store } from "../store/port.ts";
import type { Meter } from "./meter.ts";
import type { Socket } from "./types.ts";

export type DeliveryOptions = {
  /**
   * Where entries, sessions and outcomes live: `sqlite:FILE`, `memory:`, or a store of your own that keeps
   * the contract of `src/store/port.ts`. Default `memory:`.
   */
  readonly store?: string | Store;
  /** Three characters that name this process; connection ids begin with them. Default random. */
  readonly node?: string;
  /** Names who a socket belongs to, after the middlewares have run. Default `socket.data.principal`. */
  readonly principal?: (socket: Socket) => string | undefined;
  /**
   * Asked for every room at every resume; a room that is refused is left and not replayed. Default: all
   * allowed.
   */
  readonly authorize?: (socket: Socket, room: string) => boolean | Promise<boolean>;
  /**
   * Tells clients the names of the rooms they are in, for gap reports. Default false: only what `join` shows.
   */
  readonly showRooms?: boolean;
  /** A session that nobody resumes for so long ends. Default 24 hours. */
  readonly sessionLifeMs?: number;
  /** How long and how much is kept; see `docs/CONFIGURATION.md`. */
  readonly retention?: Partial<Omit<Retention, "now">>;
  /** How often the store is swept. Default 10 s. */
  readonly sweepIntervalMs?: number;
  /**
   * Events a client may have in flight. Default 256: at 100 ms round trip that is 2,560 events/s per client.
   */
  readonly windowEvents?: number;
  /** Characters a client may have in flight. Default 4,194,304. */
  readonly windowCharacters?: number;
  /**
   * Larger events and entries travel in chunks of this size. Default 65,536, well below Socket.IO's 1 MB
   * frame.
   */
  readonly chunkCharacters?: number;
  /** Chunks in flight per upload. Default 8. */
  readonly windowChunks?: number;
  /** Larger events are refused where they are emitted. Default 67,108,864 (some 48 MB of binary). */
  readonly eventCharactersLimit?: number;
  /**
   * Larger replies reject their event. Default 1,048,576. A reply travels in one piece, and those that the
   * client has not got go into the first packet of a resume; large things are better emitted or published.
   */
  readonly replyCharactersLimit?: number;
  /**
   * A connection that has this much waiting to be written is fed from the log. Default 1,000,000 characters.
   */
  readonly bufferedCharactersLimit?: number;
  /**
   * An event that asked for a reply is rejected when the handler has not given one for so long. Default 120
   * s.
   */
  readonly handlerTimeoutMs?: number;
  /** An event without a listener waits so long for a late one. Default 1 s. */
  readonly unhandledHoldMs?: number;
  /** First and greatest delay after `RetryLater`. Defaults 500 ms and 30 s. */
  readonly retryDelayMs?: number;
  readonly retryDelayMaxMs?: number;
  /** Redeliveries after which an event is rejected as `retry_limit`; 0 is no limit. Default 0. */
  readonly retryLimit?: number;
  /** Sessions without a connection whose listeners and closures are kept in memory. Default 10,000. */
  readonly suspendedSessionsLimit?: number;
  /** Callbacks that wait for clients' replies. Default 100,000. */
  readonly repliesLimit?: number;
  /** Writes that may wait for the store, by number and by characters. Defaults 100,000 and 64 Mi. */
  readonly storeQueueLimit?: number;
  readonly storeQueueBytesLimit?: number;
  /** Is told what may be measured, as it happens. Default: nothing is measured. */
  readonly meter?: Meter;
};

export type ResolvedOptions = {
  readonly store: string | Store;
  readonly node: string;
  readonly principal: (socket: Socket) => string | undefined;
  readonly authorize: ((socket: Socket, room: string) => boolean | Promise<boolean>) | undefined;
  readonly showRooms: boolean;
  readonly sessionLifeMs: number;
  readonly retention: Omit<Retention, "now">;
  readonly sweepIntervalMs: number;
  readonly limits: Limits;
  readonly replyCharactersLimit: number;
  readonly bufferedCharactersLimit: number;
  readonly handlerTimeoutMs: number;
  readonly unhandledHoldMs: number;
  readonly retryDelayMs: number;
  readonly retryDelayMaxMs: number;
  readonly retryLimit: number;
  readonly suspendedSessionsLimit: number;
  readonly repliesLimit: number;
  readonly storeQueueLimit: number;
  readonly storeQueueBytesLimit: number;
  readonly meter: Meter | undefined;
};

const hourMs = 3_600_000;

/**
 * Throws a `TypeError` that names the wrong option and what is allowed. `randomNode` makes the default node.
 */
export function resolveOptions(options: DeliveryOptions, randomNode: () => string): ResolvedOptions {
  for (const name of Object.keys(options)) {
    if (!serverOptionNames.includes(name))
      throw new TypeError(`delivery.${name} is not an option of Holdfast`);
  }
  const number = (name: keyof typeof numberDefaults): number => {
    const value = options[name] ?? numberDefaults[name].value;
    const { least, most } = numberDefaults[name];
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new TypeError(
        `delivery.${name} must be a whole number from ${least} to ${most}, not ${String(value)}`,
      );
    }
    return value;
  };
  const node = options.node ?? randomNode();
  if (!/^[A-Za-z0-9_]{3}$/.test(node)) {
    throw new TypeError(
      `delivery.node must be three letters, digits or underscores, not ${JSON.stringify(node)}`,
    );
  }
  return Object.freeze({
    store: options.store ?? "memory:",
    node,
    principal: options.principal ?? principalOfData,
    authorize: options.authorize,
    showRooms: options.showRooms ?? false,
    sessionLifeMs: number("sessionLifeMs"),
    retention: Object.freeze({ ...retentionDefaults, ...options.retention }),
    sweepIntervalMs: number("sweepIntervalMs"),
    limits: Object.freeze({
      windowEvents: number("windowEvents"),
      windowCharacters: number("windowCharacters"),
      // What travels whole is not measured on its way, so nothing that is too large may.
      chunkCharacters: Math.min(number("chunkCharacters"), number("eventCharactersLimit")),
      windowChunks: number("windowChunks"),
      eventCharacters: number("eventCharactersLimit"),
    }),
    replyCharactersLimit: number("replyCharactersLimit"),
    bufferedCharactersLimit: number("bufferedCharactersLimit"),
    handlerTimeoutMs: number("handlerTimeoutMs"),
    unhandledHoldMs: number("unhandledHoldMs"),
    retryDelayMs: number("retryDelayMs"),
    retryDelayMaxMs: number("retryDelayMaxMs"),
    retryLimit: number("retryLimit"),
    suspendedSessionsLimit: number("suspendedSessionsLimit"),
    repliesLimit: number("repliesLimit"),
    storeQueueLimit: number("storeQueueLimit"),
    storeQueueBytesLimit: number("storeQueueBytesLimit"),
    meter: options.meter,
  });
}

/** A principal that is no text (a number from a database, say) is compared as text. */
function principalOfData(socket: Socket): string | undefined {
  const { principal } = socket.data as { principal?: unknown };
  if (principal === undefined || principal === null) return undefined;
  return typeof principal === "string" ? principal : JSON.stringify(principal);
}

const retentionDefaults: Omit<Retention, "now"> = {
  entryAgeMs: 24 * hourMs,
  entriesPerStream: 100_000,
  mailboxAgeMs: 30 * 24 * hourMs,
  mailboxEntries: 10_000,
  keyAgeMs: 24 * hourMs,
};

/**
 * Chunks above 100,000 characters could, escaped, exceed Socket.IO's frame of 1 MB and cut the connection.
 */
const numberDefaults = {
  sessionLifeMs: { value: 24 * hourMs, least: 1_000, most: 366 * 24 * hourMs },
  sweepIntervalMs: { value: 10_000, least: 50, most: hourMs },
  windowEvents: { value: 256, least: 4, most: 10_000 },
  windowCharacters: { value: 4 * 1024 * 1024, least: 1024, most: 2 ** 30 },
  chunkCharacters: { value: 65_536, least: 256, most: 100_000 },
  windowChunks: { value: 8, least: 1, most: 64 },
  eventCharactersLimit: { value: 64 * 1024 * 1024, least: 1024, most: 2 ** 28 },
  replyCharactersLimit: { value: 1_048_576, least: 1024, most: 2 ** 28 },
  bufferedCharactersLimit: { value: 1_000_000, least: 1024, most: 2 ** 30 },
  handlerTimeoutMs: { value: 120_000, least: 1, most: 24 * hourMs },
  unhandledHoldMs: { value: 1_000, least: 0, most: 60_000 },
  retryDelayMs: { value: 500, least: 1, most: hourMs },
  retryDelayMaxMs: { value: 30_000, least: 1, most: 24 * hourMs },
  retryLimit: { value: 0, least: 0, most: 1_000_000 },
  suspendedSessionsLimit: { value: 10_000, least: 0, most: 10_000_000 },
  repliesLimit: { value: 100_000, least: 1, most: 10_000_000 },
  storeQueueLimit: { value: 100_000, least: 1, most: 10_000_000 },
  storeQueueBytesLimit: { value: 64 * 1024 * 1024, least: 1024, most: 2 ** 34 },
} as const satisfies Partial<Record<keyof DeliveryOptions, { value: number; least: number; most: number }>>;

const otherNames = ["store", "node", "principal", "authorize", "showRooms", "retention", "meter"];

/** Every option there is; docs/OPTIONS.md has a row for each. */
export const serverOptionNames: readonly string[] = [...Object.keys(numberDefaults), ...otherNames];
