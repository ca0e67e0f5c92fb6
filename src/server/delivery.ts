/** The `delivery` property of a server or a namespace: what Holdfast adds for the application. */

import type { EventEmitter } from "node:events";
import { parseJson } from "../protocol/frames.ts";
import { decodePayload } from "../protocol/payload.ts";
import { namespaceKey, roomKey } from "../protocol/stream-key.ts";
import type { Durability, Receipt } from "../store/port.ts";
import type { DeliveryNode, LocalFigures, NodeFigures } from "./delivery-node.ts";
import { toBuffer } from "./event-runs.ts";
import type { DrainOptions } from "./drain.ts";
import type { Session } from "./session.ts";

/** An entry as the application reads it. */
export type HistoryEntry = {
  readonly offset: number;
  /** When it was published, milliseconds since 1970 by the publisher's clock. */
  readonly at: number;
  readonly event: string;
  readonly args: readonly unknown[];
};

export type History = {
  readonly epoch: string;
  /** First offset that is still kept; `head + 1` when there is none. */
  readonly low: number;
  readonly head: number;
  readonly entries: readonly HistoryEntry[];
};

/**
 * Which entries: the `limit` first ones after an offset, or the `limit` last ones before one (default: the
 * head).
 */
export type HistoryRequest = { readonly after?: number; readonly before?: number; readonly limit: number };

export type PublishOptions = {
  /** Default: everyone in the namespace. */
  readonly rooms?: readonly string[];
  readonly except?: readonly string[];
  readonly event: string;
  readonly args?: readonly unknown[];
  /** The same message under the same key is stored once; another one is refused with `key_conflict`. */
  readonly key?: string;
};

/** Reports of a process, with their details; nobody has to listen. */
export type DeliveryEvents = {
  publish_failed: [{ namespace: string; rooms: readonly string[]; event: string; error: unknown }];
  reject: [
    { namespace: string; session: string; sequence: number; error: { code: string; message: string } },
  ];
  refused: [{ namespace: string; session: string; code: string; detail: string }];
  session: [{ namespace: string; session: string; resumed: boolean }];
  /** The store has committed entries of this process. */
  committed: [];
  store_error: [{ namespace?: string; error: unknown }];
  data_unsaved: [{ namespace: string; error: unknown }];
};

export class Delivery {
  readonly #node: DeliveryNode;
  readonly #namespace: string;

  constructor(node: DeliveryNode, namespace: string) {
    this.#node = node;
    this.#namespace = namespace;
  }

  /** Fulfils once the store is open; rejects with the reason why it cannot be. */
  get ready(): Promise<void> {
    return this.#node.store.ready;
  }

  get durability(): Durability {
    return this.#node.store.durability;
  }

  /** Three characters that connection ids of this process begin with. */
  get node(): string {
    return this.#node.options.node;
  }

  on<Name extends keyof DeliveryEvents>(
    event: Name,
    listener: (...args: DeliveryEvents[Name]) => void,
  ): this {
    (this.#node as EventEmitter).on(event, listener as (...args: unknown[]) => void);
    return this;
  }

  off<Name extends keyof DeliveryEvents>(
    event: Name,
    listener: (...args: DeliveryEvents[Name]) => void,
  ): this {
    (this.#node as EventEmitter).off(event, listener as (...args: unknown[]) => void);
    return this;
  }

  /** Publishes with an idempotency key of the application's own. Returns a receipt for each room. */
  async publish(options: PublishOptions): Promise<readonly Receipt[]> {
    const { rooms = [], except = [], event, args = [], key } = options;
    return await this.#node.namespace(this.#namespace).publish({
      rooms,
      except,
      args: [event, ...args],
      kind: "published",
      ...(key === undefined ? {} : { key }),
    });
  }

  /**
   * Reads a room's history; "" is the namespace-wide stream. A room that nothing was published to is empty.
   */
  async read(room: string, request: HistoryRequest): Promise<History> {
    const { limit } = request;
    if (!Number.isInteger(limit) || limit < 1 || limit > readLimit) {
      throw new TypeError(`limit must be a whole number from 1 to ${readLimit}, not ${String(limit)}`);
    }
    const { store } = this.#node;
    const key = room === "" ? namespaceKey(this.#namespace) : roomKey(this.#namespace, room);
    const [head] = await store.heads([key]);
    if (head === undefined) return { epoch: "", low: 1, head: 0, entries: [] };
    const before = Math.min(request.before ?? head.head + 1, head.head + 1);
    const after = request.after ?? Math.max(0, before - 1 - limit);
    const entries: HistoryEntry[] = [];
    let place = after;
    while (entries.length < limit) {
      const page = await store.read({
        stream: head.stream,
        after: place,
        limit: limit - entries.length,
        charactersLimit: pageCharacters,
      });
      for (const { offset, at, payload } of page.entries) {
        place = offset;
        if (request.after === undefined && offset >= before) break;
        const [event, ...args] = decodePayload(parseJson(payload), toBuffer) ?? [];
        entries.push({ offset, at, event: String(event), args });
      }
      if (page.entries.length === 0 || (request.after === undefined && place >= before - 1)) break;
    }
    return { epoch: head.epoch, low: head.low, head: head.head, entries };
  }

  figures(): Promise<NodeFigures> {
    return this.#node.figures();
  }

  /** The figures of this process alone, at once, also while the store does not answer. */
  localFigures(): LocalFigures {
    return this.#node.localFigures();
  }

  /**
   * Another process says that it has committed: what it has published is shown at once, and not some
   * milliseconds later with the next regular look. Each process says so with the event `committed`.
   */
  follow(): void {
    this.#node.store.follow();
  }

  /**
   * Ends the process's part in order: no new connections, then in batches handlers finish, clients are told
   * when to come back, and connections close; the store commits and closes. Clients come back to whoever
   * listens next and go on.
   */
  async close(options: DrainOptions = {}): Promise<void> {
    await this.#node.close(options);
  }
}

/** The `delivery` property of a server-side socket. */
export class SocketDelivery {
  readonly #session: Session | undefined;

  constructor(session: Session | undefined) {
    this.#session = session;
  }

  /** The virtual connection; undefined for a stock client. */
  get session(): Session | undefined {
    return this.#session;
  }

  /** Counts the connections of the session, from 1. 0 for a stock client. */
  get generation(): number {
    return this.#session?.generation ?? 0;
  }

  /** Events of the client whose outcome is not recorded yet. */
  get pending(): number {
    return this.#session?.running ?? 0;
  }

  /** How far each of the socket's rooms has been written to its connection. */
  get positions(): readonly { readonly room: string; readonly stream: number; readonly offset: number }[] {
    const members = [...(this.#session?.connection?.members.values() ?? [])];
    return members.map(({ stream, feed }) => ({ room: stream.room, stream: stream.id, offset: feed.sent }));
  }
}

const readLimit = 10_000;
const pageCharacters = 1_048_576;
