/** Memberships of rooms in one namespace: joining, leaving, and taking rooms from sessions that are away. */

import { DeliveryError } from "../protocol/errors.ts";
import { serverFrame } from "../protocol/frames.ts";
import { roomKey } from "../protocol/stream-key.ts";
import type { Enrolled, Fence, JoinFrom, Membership, Position } from "../store/port.ts";
import type { Connection } from "./connection.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";
import { persistently } from "./persistently.ts";
import type { Session } from "./session.ts";

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

export class RoomMemberships {
  readonly #delivery: NamespaceDelivery;
  readonly #joining = new Map<string, Promise<Membership>>();
  /** Leaves whose member is still attached; a join that follows at once must not find it there. */
  readonly #leaving = new Map<string, Leaving>();

  constructor(delivery: NamespaceDelivery) {
    this.#delivery = delivery;
  }

  /**
   * `join` and `leave` are often called without awaiting them: failures are reported, and thrown to those who
   * do.
   */
  join(session: Session, rooms: readonly string[], options: JoinOptions): Promise<void> {
    if (session.socket?.connected === true) void this.#delivery.localRooms.addAll(session.id, new Set(rooms));
    const joined = rooms.includes("")
      ? Promise.reject(new TypeError("a room needs a name: the empty one stands for the namespace"))
      : Promise.all(rooms.map((room) => this.#join(session, room, options))).then(() => undefined);
    joined.catch((error: unknown) => this.#delivery.reportStoreError(error));
    return joined;
  }

  leave(session: Session, room: string): Promise<void> {
    void this.#delivery.localRooms.del(session.id, room);
    if (room === session.id || room === "") return Promise.resolve();
    const name = joinName(session, room);
    const joining = this.#joining.get(name);
    this.#joining.delete(name);
    const held = session.memberships.get(room);
    // A second leave beside a first takes over from it: if that fails, this one still has what to detach.
    const earlier = this.#leaving.get(name)?.joined;
    const joined = joining ?? (held === undefined && earlier !== undefined ? earlier : Promise.resolve(held));
    session.memberships.delete(room);
    const left = this.#delivery
      .fenced(session, (fence) => this.#delivery.store.leave({ ...fence, room }))
      .then(() => undefined);
    left.catch((error: unknown) => this.#delivery.reportStoreError(error));
    // What was emitted before the leave is still this member's; it comes out of the store before the leave
    // does.
    const detach = () => {
      // A join that waits to be tried again is not waited for: meanwhile the client would be shown more.
      const before = joining === undefined ? undefined : this.#detach(session, streamOf(session, room));
      return joined
        .catch(() => undefined)
        .then((membership) => this.#detach(session, membership?.head.stream ?? streamOf(session, room)))
        .then((sent) => before ?? sent);
    };
    // Still a member for the store: a client that had been told otherwise would be shown all of it again.
    const restore = () =>
      joined.then((membership) => {
        if (membership && this.#leaving.get(name) === leaving) this.#restore(session, membership);
        return undefined;
      });
    const detached = left
      .then(detach, restore)
      .catch(() => undefined)
      .then((sent) => {
        if (this.#leaving.get(name) === leaving) this.#leaving.delete(name);
        return sent;
      });
    const leaving = { joined, detached };
    this.#leaving.set(name, leaving);
    return left;
  }

  /** `socketsLeave`: takes rooms from the chosen sessions, also from those that are away. */
  withdraw(
    selector: { rooms: readonly string[]; except: readonly string[] },
    rooms: readonly string[],
  ): void {
    for (const session of this.#delivery.sessions.values()) {
      if (session.connected || !isSelected(session, selector)) continue;
      for (const room of rooms) session.memberships.delete(room);
    }
    const { store, name: namespace } = this.#delivery;
    // Whoever is away must not be replayed what was taken from them because the store was away too.
    const report = (error: unknown) => this.#delivery.reportStoreError(error);
    persistently(() => store.withdraw({ namespace, ...selector }, rooms), { report })
      .then((changed) => this.#withdrawn(changed, rooms))
      .catch(report);
  }

  /**
   * `socketsJoin`: the chosen sessions are members in the log at once, wherever they are. So an entry that is
   * published next reaches them, although the processes that hold them hear of it later; they find the place
   * where the membership began.
   */
  enroll(selector: { rooms: readonly string[]; except: readonly string[] }, rooms: readonly string[]): void {
    const { store, name: namespace, options } = this.#delivery;
    const named = rooms
      .filter((room) => room !== "")
      .map((room) => ({ room, key: roomKey(namespace, room) }));
    const request = { selector: { namespace, ...selector }, rooms: named, show: options.showRooms };
    // Not tried again: by then the session may have left, and its own join is tried again where it is held.
    store
      .enroll(request)
      .then((begun) => this.#enrolled(begun))
      .catch((error: unknown) => this.#delivery.reportStoreError(error));
  }

  /**
   * What follows is published behind it, so the member is attached at once, and not by its own join alone.
   */
  #enrolled(begun: readonly Enrolled[]): void {
    for (const { session: id, membership } of begun) {
      const session = this.#delivery.sessions.get(id);
      const { room } = membership;
      if (session === undefined || session.ended || session.memberships.has(room)) continue;
      if (this.#leaving.has(joinName(session, room))) continue;
      session.memberships.set(room, membership);
      if (session.socket?.connected === true) void this.#delivery.localRooms.addAll(id, new Set([room]));
      this.#attach(session, membership, undefined);
    }
  }

  /** A connected session's own leave may have failed where this has not. */
  #withdrawn(sessions: readonly string[], rooms: readonly string[]): void {
    for (const id of sessions) {
      const session = this.#delivery.sessions.get(id);
      for (const room of rooms) {
        const membership = session?.memberships.get(room);
        if (session === undefined || membership === undefined) continue;
        session.memberships.delete(room);
        void this.#delivery.localRooms.del(id, room);
        this.#detach(session, membership.head.stream);
      }
    }
  }

  async #join(session: Session, room: string, options: JoinOptions): Promise<void> {
    if (room === session.id || session.memberships.has(room)) return;
    const name = joinName(session, room);
    const joining = this.#joining.get(name);
    if (joining !== undefined) {
      await joining;
      return;
    }
    // A leave that is called meanwhile takes the name away, and then the join must not be tried again after
    // it.
    const isWanted = () => this.#joining.get(name) === joined;
    const joined = this.#store(session, room, options, isWanted);
    this.#joining.set(name, joined);
    try {
      const membership = await joined;
      // A leave that was called meanwhile has taken the name away; it comes after the join in the store too.
      if (this.#joining.get(name) === joined) session.memberships.set(room, membership);
    } finally {
      if (this.#joining.get(name) === joined) this.#joining.delete(name);
    }
  }

  async #store(
    session: Session,
    room: string,
    options: JoinOptions,
    isWanted: () => boolean,
  ): Promise<Membership> {
    const key = roomKey(this.#delivery.name, room);
    const [from, show] = [joinFrom(options), options.show ?? this.#delivery.options.showRooms];
    const join = (fence: Fence) => this.#delivery.store.join({ ...fence, room, key, from, show });
    const leaving = this.#leaving.get(joinName(session, room))?.detached;
    const result = await persistently(() => this.#delivery.fenced(session, join), {
      report: (error) => this.#delivery.reportStoreError(error),
      isOver: () => session.ended || !isWanted(),
    }).catch((error: unknown) => {
      // Without the membership the client would silently get nothing: its next connection tries again.
      if (isWanted())
        session.connection?.refuse(serverFrame.error("store_unavailable", "a room could not be joined"));
      throw error;
    });
    if (result === undefined) throw new DeliveryError("stale_generation");
    // The leave stands before the join in the store, so this takes no longer than the promises that follow
    // it.
    const sent = await leaving;
    this.#attach(session, result.membership, from.kind === "head" ? sent : undefined);
    return result.membership;
  }

  /**
   * Other processes publish between a leave and this node's hearing that it is committed, and the member is
   * still sent that. When it has joined again in the same commit, that stands behind its base as well, but it
   * is not to be shown twice: the new member goes on where the old one was.
   */
  #attach(session: Session, membership: Membership, sent: Sent | undefined): void {
    const { connection } = session;
    if (connection === undefined) return;
    const { head, base, show, room, cursor } = membership;
    const isPast = sent?.connection === connection && sent.epoch === base.epoch && sent.offset > base.offset;
    const offset = isPast ? sent.offset : base.offset;
    const member = this.#delivery.fanOut.addMember(session, connection, {
      head,
      epoch: base.epoch,
      offset,
      part: 0,
      shownRoom: show ? room : "",
      consumer: cursor,
      announced: false,
    });
    // At once: a client that reconnected without knowing of this would be fed from the base on.
    if (isPast) member?.announce({ offset: offset + 1 });
  }

  #restore(session: Session, membership: Membership): void {
    const { room } = membership;
    if (session.ended || session.memberships.has(room) || this.#joining.has(joinName(session, room))) return;
    session.memberships.set(room, membership);
    if (session.socket?.connected === true)
      void this.#delivery.localRooms.addAll(session.id, new Set([room]));
  }

  #detach(session: Session, stream: number | undefined): Sent | undefined {
    const { connection } = session;
    const member = stream === undefined ? undefined : connection?.members.get(stream);
    if (connection === undefined || stream === undefined || member === undefined) return undefined;
    connection.members.delete(stream);
    member.detach();
    if (member.announced) connection.queue(serverFrame.leave(stream));
    return { connection, epoch: member.feed.epoch, offset: member.feed.sent };
  }
}

/**
 * For a leave that came between: the member of a room whose membership is on its way to or from the store.
 */
function streamOf(session: Session, room: string): number | undefined {
  for (const [id, { stream }] of session.connection?.members ?? []) if (stream.room === room) return id;
  return undefined;
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

type Leaving = {
  /** What is to be detached; undefined when there is nothing. */
  readonly joined: Promise<Membership | undefined>;
  /** How far the member had been sent the room; undefined when none was attached. */
  readonly detached: Promise<Sent | undefined>;
};

/** Only this connection has been sent that much. */
type Sent = Position & { readonly connection: Connection };
