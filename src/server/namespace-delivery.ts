/** Delivery in one namespace: its sessions, what they publish and join, and what becomes of them. */

import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { DeliveryError } from "../protocol/errors.ts";
import type { FrameError } from "../protocol/frames.ts";
import { serverFrame } from "../protocol/frames.ts";
import { encodePayload } from "../protocol/payload.ts";
import { namespaceKey, roomKey } from "../protocol/stream-key.ts";
import type { Fence, Fenced, JoinFrom, Membership, Receipt, Store } from "../store/port.ts";
import type { DeliveryNode } from "./delivery-node.ts";
import { EmitOrder } from "./emit-order.ts";
import { FanOut } from "./fan-out.ts";
import type { ResolvedOptions } from "./options.ts";
import { OutgoingListeners } from "./outgoing.ts";
import { activeRequest, type Request } from "./request.ts";
import type { EndReason, Session } from "./session.ts";
import { announceOn, type EmitFlags } from "./socket-io.ts";

/** Second argument of `join`: where the member starts, and what the client is told. */
export type JoinOptions = {
  /** Deliver the last so many entries first. */
  readonly last?: number;
  /** Deliver what came after this offset first. */
  readonly after?: number;
  /** Deliver what this consumer has not confirmed first, and move its cursor with every confirmation. */
  readonly cursor?: string;
  /** Tell the client the room's name, which gap reports then carry. */
  readonly show?: boolean;
};

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
  /** The adapter's own membership methods, in front of which ours stand. */
  readonly localRooms: Pick<Adapter, "addAll" | "del">;
  readonly #joining = new Map<string, Promise<Membership>>();
  /** Leaves whose member is still attached; a join that follows at once must not find it there. */
  readonly #leaving = new Map<string, Promise<void>>();
  #suspendedCount = 0;

  constructor(node: DeliveryNode, namespace: Namespace, localRooms: Pick<Adapter, "addAll" | "del">) {
    this.node = node;
    this.namespace = namespace;
    this.store = node.store;
    this.options = node.options;
    this.localRooms = localRooms;
    this.order = new EmitOrder(node.store);
    this.fanOut = new FanOut({
      namespace,
      store: node.store,
      order: this.order,
      processId: node.id,
      chunkCharacters: node.options.limits.chunkCharacters,
      partsWindowCharacters: node.options.limits.chunkCharacters * node.options.limits.windowChunks,
      findSession: (id) => this.sessions.get(id),
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
    if (payload.length > this.options.limits.eventCharacters) throw new DeliveryError("event_too_large");
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
    const request = callback && this.#waitForReply(session, self, callback, flags.timeout);
    this.emit({ rooms: [session.id], except: [], args, ...(request === undefined ? {} : { request }) });
  }

  /** Emits to one session and resolves with the first value of its reply. */
  request(session: Session, args: unknown[], timeoutMs: number | undefined): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const name = this.node.replies.wait(
        session.id,
        (error, [value]) => (error === undefined ? resolve(value) : reject(error)),
        timeoutMs,
      );
      const publish = { rooms: [session.id], except: [], args, request: name, kind: "emitted" } as const;
      this.publish(publish).catch((error: unknown) => {
        this.node.replies.forget(name);
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** The text of a reply: `[payload]`, or `[payload, request]` when its last argument is a callback. */
  encodeReply(session: Session, values: readonly unknown[]): string {
    const args = [...values];
    const callback = typeof args.at(-1) === "function" ? (args.pop() as AnyFunction) : undefined;
    const payload = encodePayload(args);
    if (payload.length > this.options.replyCharactersLimit) throw new DeliveryError("reply_too_large");
    if (callback === undefined) return `[${payload}]`;
    const request = this.#waitForReply(session, session, callback, undefined);
    return `[${payload},${JSON.stringify(request)}]`;
  }

  takeReply(request: string, session: string) {
    return this.node.replies.take(request, session);
  }

  /** Calls back once the client has been sent the entries that the request published. */
  afterEntries(session: Session, request: Request, done: () => void): void {
    const { connection } = session;
    let waiting = 1;
    const release = () => {
      waiting -= 1;
      if (waiting === 0) done();
    };
    for (const { stream, offset } of connection === undefined ? [] : request.places) {
      const member = connection?.members.get(stream);
      if (member === undefined || member.feed.sent >= offset) continue;
      waiting += 1;
      member.after(offset, release);
    }
    release();
  }

  // --- rooms ---

  /**
   * `join` and `leave` are often called without awaiting them: failures are reported, and thrown to those who
   * do.
   */
  joinRooms(session: Session, rooms: readonly string[], options: JoinOptions): Promise<void> {
    if (session.socket?.connected === true) void this.localRooms.addAll(session.id, new Set(rooms));
    const joined = rooms.includes("")
      ? Promise.reject(new TypeError("a room needs a name: the empty one stands for the namespace"))
      : Promise.all(rooms.map((room) => this.#join(session, room, options))).then(() => undefined);
    joined.catch((error: unknown) => this.reportStoreError(error));
    return joined;
  }

  leaveRoom(session: Session, room: string): Promise<void> {
    void this.localRooms.del(session.id, room);
    if (room === session.id || room === "") return Promise.resolve();
    const name = joinName(session, room);
    const joining = this.#joining.get(name);
    this.#joining.delete(name);
    const joined = joining ?? Promise.resolve(session.memberships.get(room));
    session.memberships.delete(room);
    const left = this.fenced(session, (fence) => this.store.leave({ ...fence, room })).then(() => undefined);
    left.catch((error: unknown) => this.reportStoreError(error));
    // What was emitted before the leave is still this member's; it comes out of the store before the leave
    // does.
    const detach = () => joined.then((membership) => membership && this.#detach(session, membership));
    // Still a member for the store: a client that had been told otherwise would be shown all of it again.
    const restore = () => joined.then((membership) => membership && this.#restore(session, membership));
    const detached = left
      .then(detach, restore)
      .catch(() => undefined)
      .then(() => {
        if (this.#leaving.get(name) === detached) this.#leaving.delete(name);
      });
    this.#leaving.set(name, detached);
    return left;
  }

  /** `socketsLeave`: takes rooms from the chosen sessions, also from those that are away. */
  withdraw(
    selector: { rooms: readonly string[]; except: readonly string[] },
    rooms: readonly string[],
  ): void {
    for (const session of this.sessions.values()) {
      if (session.connected || !isSelected(session, selector)) continue;
      for (const room of rooms) session.memberships.delete(room);
    }
    this.store.withdraw({ namespace: this.name, ...selector }, rooms).catch((error: unknown) => {
      this.reportStoreError(error);
    });
  }

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

  // --- sessions ---

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
    this.#suspendedCount += 1;
    session.saveData();
    const expiresAt = Date.now() + this.options.sessionLifeMs;
    this.store.touchSessions([session.id], expiresAt).catch((error: unknown) => this.reportStoreError(error));
    session.announce("suspend");
    if (this.#suspendedCount > this.options.suspendedSessionsLimit) this.#evictOldest();
  }

  resumed(session: Session): void {
    if (this.#suspendedCount > 0) this.#suspendedCount -= 1;
    this.sessions.delete(session.id);
    this.sessions.set(session.id, session);
  }

  /** Ends the session in this process, and for good unless it only moved or made room. */
  endSession(session: Session, reason: EndReason): void {
    if (session.ended) return;
    session.ended = true;
    if (!session.connected && this.#suspendedCount > 0) this.#suspendedCount -= 1;
    if (this.sessions.get(session.id) === session) this.sessions.delete(session.id);
    if (reason === "kicked" || reason === "closed") {
      const ended = this.store.endSession(session.id, roomKey(this.name, session.id));
      ended.catch((error: unknown) => this.reportStoreError(error));
    }
    if (reason === "moved") {
      session.connection?.refuse(serverFrame.error("stale_generation", "resumed elsewhere"));
    }
    this.node.replies.endSession(session.id, reason === "moved" ? "stale_generation" : "session_closed");
    session.announce(reason === "moved" ? "moved" : "end", reason);
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
      const { id, generation } = session;
      const result = await write({ session: id, generation });
      if (result.ok) return result;
      if (session.generation !== generation) continue;
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

  reportRejected(session: Session, sequence: number, error: FrameError): void {
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
    const result = await this.store.append({
      keys,
      payload,
      at: Date.now(),
      ...(except.length === 0 ? {} : { except }),
      ...(request.request === undefined ? {} : { request: request.request }),
      ...(idempotency === undefined ? {} : { idempotency, strictPayload: own !== undefined }),
    });
    if (!result.ok) throw new DeliveryError(result.reason);
    for (const { stream, offset } of result.receipts) active?.places.push({ stream, offset });
    return result.receipts;
  }

  #waitForReply(
    session: Session,
    self: object,
    callback: AnyFunction,
    timeoutMs: number | undefined,
  ): string {
    // As in Socket.IO, a callback takes an error first only when a timeout was asked for.
    const withError = timeoutMs !== undefined;
    return this.node.replies.wait(
      session.id,
      (error, values) => {
        if (withError) callback.call(self, error ?? null, ...values);
        else if (error === undefined) callback.apply(self, values);
      },
      timeoutMs,
    );
  }

  async #join(session: Session, room: string, options: JoinOptions): Promise<void> {
    if (room === session.id || session.memberships.has(room)) return;
    const name = joinName(session, room);
    const joining = this.#joining.get(name);
    if (joining !== undefined) {
      await joining;
      return;
    }
    const joined = this.#store(session, room, options);
    this.#joining.set(name, joined);
    try {
      const membership = await joined;
      // A leave that was called meanwhile has taken the name away; it comes after the join in the store too.
      if (this.#joining.get(name) === joined) session.memberships.set(room, membership);
    } finally {
      if (this.#joining.get(name) === joined) this.#joining.delete(name);
    }
  }

  async #store(session: Session, room: string, options: JoinOptions): Promise<Membership> {
    const key = roomKey(this.name, room);
    const [from, show] = [joinFrom(options), options.show ?? this.options.showRooms];
    const join = (fence: Fence) => this.store.join({ ...fence, room, key, from, show });
    const leaving = this.#leaving.get(joinName(session, room));
    const result = await this.#persistently(session, () => this.fenced(session, join));
    if (result === undefined) throw new DeliveryError("stale_generation");
    // The leave stands before the join in the store, so this takes no longer than the promises that follow it.
    await leaving;
    if (session.connection !== undefined) this.#attach(session, result.membership);
    return result.membership;
  }

  /**
   * A join that the store cannot take now is tried again: without it the client would silently get nothing.
   */
  async #persistently<T>(session: Session, attempt: () => Promise<T>): Promise<T> {
    for (let delayMs = joinRetryMs; ; delayMs *= 2) {
      try {
        return await attempt();
      } catch (error) {
        const retryable = error instanceof DeliveryError && error.retryable;
        if (!retryable || session.ended || delayMs > joinRetryMaxMs) {
          session.connection?.refuse(serverFrame.error("store_unavailable", "a room could not be joined"));
          throw error;
        }
        this.reportStoreError(error);
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  #attach(session: Session, membership: Membership): void {
    const { connection } = session;
    if (connection === undefined) return;
    const { head, base, show, room, cursor } = membership;
    this.fanOut.addMember(session, connection, {
      head,
      epoch: base.epoch,
      offset: base.offset,
      part: 0,
      shownRoom: show ? room : "",
      consumer: cursor,
      announced: false,
    });
  }

  #detach(session: Session, membership: Membership): void {
    const { connection } = session;
    const member = connection?.members.get(membership.head.stream);
    if (connection === undefined || member === undefined) return;
    connection.members.delete(membership.head.stream);
    member.detach();
    if (member.announced) connection.queue(serverFrame.leave(membership.head.stream));
  }

  #restore(session: Session, membership: Membership): void {
    const { room } = membership;
    if (session.ended || session.memberships.has(room) || this.#joining.has(joinName(session, room))) return;
    session.memberships.set(room, membership);
    if (session.socket?.connected === true) void this.localRooms.addAll(session.id, new Set([room]));
  }

  /** Sessions whose handlers run stay: their events would be run a second time, side by side with the first. */
  #evictOldest(): void {
    for (const session of this.sessions.values()) {
      if (this.#suspendedCount <= this.options.suspendedSessionsLimit) return;
      if (!session.connected && session.running === 0) this.endSession(session, "evicted");
    }
  }
}

/** Whether Socket.IO's selection of rooms matches a session. */
function isSelected(
  session: Session,
  selector: { readonly rooms: readonly string[]; readonly except: readonly string[] },
): boolean {
  const inRoom = (room: string) => room === session.id || session.memberships.has(room);
  if (selector.except.some(inRoom)) return false;
  return selector.rooms.length === 0 || selector.rooms.some(inRoom);
}

function joinFrom(options: JoinOptions): JoinFrom {
  const { last, after, cursor } = options;
  if (cursor !== undefined) return { kind: "cursor", consumer: cursor };
  if (after !== undefined) return { kind: "after", offset: after };
  if (last !== undefined) return { kind: "last", count: last };
  return { kind: "head" };
}

function joinName(session: Session, room: string): string {
  return `${session.id} ${room}`;
}

/** Joins are tried for some 30 s; then the client is sent away, and its next connection tries again. */
const joinRetryMs = 250;
const joinRetryMaxMs = 16_000;

type AnyFunction = (...args: unknown[]) => unknown;
