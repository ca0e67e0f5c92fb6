/** Delivery in one namespace: its sessions, what they publish and join, and what becomes of them. */

import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { DeliveryError } from "../protocol/errors.ts";
import type { FrameError } from "../protocol/frames.ts";
import { serverFrame } from "../protocol/frames.ts";
import type { InboxOutcome } from "../protocol/inbox.ts";
import type { EntryPlace } from "../protocol/node-words.ts";
import { encodePayload } from "../protocol/payload.ts";
import { namespaceKey, roomKey } from "../protocol/stream-key.ts";
import type { Fence, Fenced, Receipt, Store } from "../store/port.ts";
import type { DeliveryNode } from "./delivery-node.ts";
import { EmitOrder } from "./emit-order.ts";
import { FanOut } from "./fan-out.ts";
import type { ResolvedOptions } from "./options.ts";
import { OutgoingListeners } from "./outgoing.ts";
import { persistently } from "./persistently.ts";
import { type AnyFunction, Questions } from "./questions.ts";
import { activeRequest, type Request } from "./request.ts";
import { RoomMemberships } from "./room-memberships.ts";
import type { EndReason, Session } from "./session.ts";
import { announceOn, type EmitFlags } from "./socket-io.ts";

export type PublishRequest = {
  /** Empty: everyone in the namespace. */
  readonly rooms: readonly string[];
  readonly except: readonly string[];
  readonly args: readonly unknown[];
  readonly request?: string;
  /** The application's own idempotency key: the same message under the same key is stored once. */
  readonly key?: string;
  readonly kind: "emitted" | "published";
};

export class NamespaceDelivery {
  readonly namespace: Namespace;
  readonly node: DeliveryNode;
  readonly store: Store;
  readonly options: ResolvedOptions;
  readonly fanOut: FanOut;
  readonly outgoing = new OutgoingListeners();
  readonly order: EmitOrder;
  /** Sessions that live in this process, connected or suspended; the longest suspended first. */
  readonly sessions = new Map<string, Session>();
  /** Sessions that have ended here, and in the store as soon as that answers. */
  readonly ending = new Set<string>();
  /** The adapter's own membership methods, in front of which ours stand. */
  readonly localRooms: Pick<Adapter, "addAll" | "del">;
  readonly rooms: RoomMemberships;
  readonly questions: Questions;
  #suspendedCount = 0;

  constructor(node: DeliveryNode, namespace: Namespace, localRooms: Pick<Adapter, "addAll" | "del">) {
    this.node = node;
    this.namespace = namespace;
    this.store = node.store;
    this.options = node.options;
    this.rooms = new RoomMemberships(this);
    this.questions = new Questions(this);
    this.localRooms = localRooms;
    this.order = new EmitOrder(node.store);
    this.fanOut = new FanOut({
      namespace,
      store: node.store,
      order: this.order,
      processId: node.id,
      chunkCharacters: node.options.limits.chunkCharacters,
      partsWindowCharacters: node.options.limits.chunkCharacters * node.options.limits.windowChunks,
      meter: node.options.meter,
      findSession: (id) => this.sessions.get(id),
      questionsLost: (session) => node.replies.giveUpSession(session, "question_lost"),
      reportStoreError: (error) => this.reportStoreError(error),
    });
  }

  get name(): string {
    return this.namespace.name;
  }

  get suspendedCount(): number {
    return this.#suspendedCount;
  }

  // --- publishing ---

  /**
   * Appends to the streams of the rooms. Throws at once for what cannot be sent; rejects when it is not
   * stored.
   */
  publish(request: PublishRequest): Promise<readonly Receipt[]> {
    const payload = encodePayload(request.args);
    if (payload.length > this.options.limits.eventCharacters) {
      this.options.meter?.limitHit("event_size");
      throw new DeliveryError("event_too_large");
    }
    this.outgoing.notify(request.rooms, request.except, request.args);
    const active = activeRequest();
    const stored = this.#append(request, payload, active);
    active?.follow(stored, request.kind);
    if (this.fanOut.stock.sockets.size > 0) this.order.follow(stored);
    return stored;
  }

  /**
   * Fire and forget, as `emit` is: a failure is reported on `io.delivery` and keeps the event unacknowledged.
   */
  emit(request: Omit<PublishRequest, "kind">): void {
    this.publish({ ...request, kind: "emitted" }).catch((error: unknown) => {
      const { rooms, args } = request;
      this.node.report("publish_failed", { namespace: this.name, rooms, event: String(args[0]), error });
    });
  }

  emitToSession(session: Session, values: unknown[], flags: EmitFlags, self: object = session): void {
    const args = [...values];
    const callback = typeof args.at(-1) === "function" ? (args.pop() as AnyFunction) : undefined;
    const request = callback && this.questions.wait(session.id, self, callback, flags.timeout);
    this.emit({ rooms: [session.id], except: [], args, ...(request === undefined ? {} : { request }) });
  }

  /** Calls back once the client has been sent the entries at these places. */
  afterEntries(session: Session, places: readonly EntryPlace[], done: () => void): void {
    const { connection } = session;
    let waiting = 1;
    const release = () => {
      waiting -= 1;
      if (waiting === 0) done();
    };
    for (const { stream, epoch, offset } of connection === undefined ? [] : places) {
      const member = connection?.members.get(stream);
      if (member === undefined || member.feed.sent >= offset) continue;
      // A storage that has gone back may have lost the entry, and nobody is ever sent it.
      if (member.feed.epoch !== epoch) continue;
      waiting += 1;
      member.after(offset, release);
    }
    release();
  }

  // --- sessions ---

  handlePositions(session: Session, positions: readonly (readonly [number, number])[]): void {
    for (const [stream, offset] of positions) {
      const member = session.connection?.members.get(stream);
      if (member?.consumer === undefined || offset > member.feed.sent) continue;
      const position = { epoch: member.feed.epoch, offset };
      this.store.moveCursor({ consumer: member.consumer, stream, position }).catch((error: unknown) => {
        this.reportStoreError(error);
      });
    }
  }

  add(session: Session): void {
    this.sessions.set(session.id, session);
  }

  /** Tells the application that a session is here, or back. */
  announceSession(session: Session): void {
    if (session.generation > 1 && session.announced) session.announce("resume");
    else announceOn(this.namespace, "session", session);
    session.announced = true;
  }

  /** The connection is gone; the session waits for the next one. */
  suspend(session: Session): void {
    session.disconnect();
    session.ownRoomReady = false;
    if (session.ended) return;
    // Moved to the end, so that the first suspended session in the map is the one that waits longest.
    this.sessions.delete(session.id);
    this.sessions.set(session.id, session);
    this.#count(session, true);
    session.saveData();
    const expiresAt = Date.now() + this.options.sessionLifeMs;
    this.touch([session], expiresAt).catch((error: unknown) => this.reportStoreError(error));
    session.announce("suspend");
    this.makeRoom();
  }

  /**
   * Keeps sessions from expiring. Those that another process holds by now end here with "moved": a client
   * that says nothing would go on being shown what is for the client that has its session.
   */
  async touch(sessions: readonly Session[], expiresAt: number): Promise<void> {
    if (sessions.length === 0) return;
    const holders = sessions.map(({ fence }) => fence);
    const lost = new Set(await this.store.touchSessions(holders, expiresAt));
    for (const [index, session] of sessions.entries()) {
      const isStill = session.generation === holders[index]?.generation;
      if (isStill && lost.has(session.id)) this.endSession(session, "moved");
    }
  }

  /**
   * Lets go of the sessions that were suspended longest, where there are too many. Those whose handlers run,
   * or have outcomes that are not stored yet, stay until they are: their events would be run a second time.
   */
  makeRoom(): void {
    if (this.#suspendedCount <= this.options.suspendedSessionsLimit) return;
    for (const session of this.sessions.values()) {
      if (this.#suspendedCount <= this.options.suspendedSessionsLimit) return;
      if (session.connected || session.isBusy) continue;
      this.options.meter?.limitHit("suspended_sessions");
      this.endSession(session, "evicted");
    }
  }

  resumed(session: Session): void {
    this.#count(session, false);
    this.sessions.delete(session.id);
    this.sessions.set(session.id, session);
  }

  /** Ends the session in this process, and for good unless it only moved or made room. */
  endSession(session: Session, reason: EndReason): void {
    if (session.ended) return;
    session.ended = true;
    this.#count(session, false);
    if (this.sessions.get(session.id) === session) this.sessions.delete(session.id);
    if (reason === "kicked" || reason === "closed") {
      const report = (error: unknown) => this.reportStoreError(error);
      const ownKey = roomKey(this.name, session.id);
      // Whoever was sent away must not resume because the store was away at that moment.
      this.ending.add(session.id);
      persistently(() => this.store.endSession(session.id, ownKey), { report })
        .catch(report)
        .finally(() => this.ending.delete(session.id));
    }
    // In front of what ends with its connection.
    if (isElsewhere(reason)) this.node.others.handleLeft(session);
    // By a clock that was set, the life of a session may be over while its client is here.
    if (reason === "moved" || reason === "expired") {
      const detail = reason === "moved" ? "resumed elsewhere" : "its life is over";
      session.connection?.refuse(serverFrame.error("stale_generation", detail));
    }
    // Where the session goes on, so do its callbacks: the answers come from there.
    if (!isElsewhere(reason)) this.node.replies.giveUpSession(session.id, "session_closed");
    session.announce(reason === "moved" ? "moved" : "end", reason);
  }

  saveHeard(session: Session): void {
    this.fenced(session, (fence) => this.store.saveHeard(fence)).catch((error: unknown) =>
      this.reportStoreError(error),
    );
  }

  saveData(session: Session, data: string): void {
    this.fenced(session, (fence) => this.store.saveData({ ...fence, data })).catch((error: unknown) =>
      this.reportStoreError(error),
    );
  }

  /**
   * Writes as the holder of the session. A refusal means that another process holds it, and it ends here with
   * "moved" - unless it was resumed in this very process meanwhile, which raised the generation under the
   * write.
   */
  async fenced<T extends { readonly ok: true }>(
    session: Session,
    write: (fence: Fence) => Promise<Fenced<T>>,
  ): Promise<T | undefined> {
    for (;;) {
      const { fence } = session;
      const result = await write(fence);
      if (result.ok) return result;
      if (session.generation !== fence.generation) continue;
      this.endSession(session, "moved");
      return undefined;
    }
  }

  /** `socket.data` as JSON text; undefined, with a report, when it cannot be written. */
  dataText(data: object): string | undefined {
    for (const _ in data) {
      try {
        return JSON.stringify(data);
      } catch (error) {
        this.node.report("data_unsaved", { namespace: this.name, error });
        return undefined;
      }
    }
    return "{}";
  }

  // --- reports ---

  reportRejected(session: Session, { sequence, body }: InboxOutcome): void {
    const error = JSON.parse(body) as FrameError;
    this.node.report("reject", { namespace: this.name, session: session.id, sequence, error });
  }

  reportRefused(session: Session, code: string, detail: string): void {
    this.node.report("refused", { namespace: this.name, session: session.id, code, detail });
  }

  reportStoreError(error: unknown): void {
    this.node.report("store_error", { namespace: this.name, error });
  }

  async #append(
    request: PublishRequest,
    payload: string,
    active: Request | undefined,
  ): Promise<readonly Receipt[]> {
    const { rooms, except, key } = request;
    const keys =
      rooms.length === 0 ? [namespaceKey(this.name)] : rooms.map((room) => roomKey(this.name, room));
    const own = key === undefined ? undefined : { scope: `key ${key}`, sequence: 0, position: 0 };
    const idempotency = own ?? active?.nextKey();
    const append = {
      keys,
      payload,
      at: Date.now(),
      ...(except.length === 0 ? {} : { except }),
      ...(request.request === undefined ? {} : { request: request.request }),
      ...(idempotency === undefined ? {} : { idempotency, strictPayload: own !== undefined }),
    };
    const { meter } = this.options;
    if (request.request !== undefined) this.node.others.announce();
    for (;;) {
      const holding = own === undefined ? active?.holding : undefined;
      const startedAt = meter === undefined ? 0 : performance.now();
      const result = await this.store.append(holding === undefined ? append : { ...append, holding });
      if (result.ok) {
        meter?.appended(performance.now() - startedAt);
        for (const { stream, epoch, offset } of result.receipts)
          active?.places.push({ stream, epoch, offset });
        return result.receipts;
      }
      // As with a fence: resumed in this very process meanwhile, the session goes on, and so does its
      // handler.
      if (active?.holding.generation !== holding?.generation) continue;
      if (active !== undefined && holding !== undefined) this.#endIfStale(active.session, holding.generation);
      throw new DeliveryError(result.reason);
    }
  }

  /**
   * A handler was refused as a stale holder's. If its session lived on here, the event would be tried again
   * and refused again for ever.
   */
  #endIfStale(id: string, generation: number): void {
    const session = this.sessions.get(id);
    if (session?.generation === generation) this.endSession(session, "moved");
  }

  /** One that is being admitted has no connection either, and counts only after it had one. */
  #count(session: Session, suspended: boolean): void {
    if (session.suspended !== suspended) this.#suspendedCount += suspended ? 1 : -1;
    session.suspended = suspended;
  }
}

/** Whether the session goes on, in another process or in this one when its client is back. */
function isElsewhere(reason: EndReason): boolean {
  return reason === "moved" || reason === "evicted";
}
