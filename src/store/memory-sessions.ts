/** Sessions in memory: memberships, inbox, uploads and idempotency keys hang from their session. */

import { type Claimed, takeover } from "../protocol/holder.ts";
import { roomKey } from "../protocol/stream-key.ts";
import { memoryCost } from "./memory-budget.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { MemoryKeys } from "./memory-keys.ts";
import type { MemoryStream, MemoryStreams } from "./memory-streams.ts";
import type {
  ChunkRequest,
  Enrolled,
  EnrollRequest,
  Fence,
  JoinRequest,
  Membership,
  OpenRequest,
  Outcome,
  Position,
  RecordRequest,
  ResumedSession,
  ResumeRequest,
  SessionSelector,
} from "./port.ts";
import { baseOffset, headOf } from "./stream-row.ts";

export type MemorySession = {
  readonly opened: OpenRequest;
  generation: number;
  node: string;
  /** The client that resumed or opened it last, as far as it names itself. */
  holder: Claimed["holder"];
  /** The last generation in which the client has said anything. */
  heard: number;
  /** The generation in which another life of the client took it over last. */
  takenOver: number;
  /** The first of the takeovers since the client was heard last. */
  contested: number;
  data: string;
  expiresAt: number;
  inboxLow: number;
  forgotten: number;
  readonly memberships: Map<string, MemoryMembership>;
  readonly outcomes: Map<number, Outcome>;
  readonly uploads: Map<number, string[]>;
};

export class MemorySessions {
  readonly #budget: MemoryBudget;
  readonly #streams: MemoryStreams;
  readonly #keys: MemoryKeys;
  readonly #sessions = new Map<string, MemorySession>();

  constructor(budget: MemoryBudget, streams: MemoryStreams, keys: MemoryKeys) {
    this.#budget = budget;
    this.#streams = streams;
    this.#keys = keys;
  }

  find(session: string): MemorySession | undefined {
    return this.#sessions.get(session);
  }

  /** Returns the session when the caller still holds it. */
  held(fence: Fence): MemorySession | undefined {
    const session = this.#sessions.get(fence.session);
    return session?.generation === fence.generation && session.node === fence.node ? session : undefined;
  }

  /** What a claim to the session is judged by. */
  claimed(session: MemorySession): Claimed {
    const { holder, heard, inboxLow, takenOver, contested } = session;
    const keyed = this.#keys.lastOf(session.opened.session);
    const last = Math.max(0, keyed, ...session.outcomes.keys(), ...session.uploads.keys());
    return { holder, heard, low: inboxLow, last, takenOver, contested };
  }

  /** Returns undefined when the id is taken. */
  open(request: OpenRequest): Membership | undefined {
    if (this.#sessions.has(request.session)) return undefined;
    const session: MemorySession = {
      opened: request,
      generation: 1,
      node: request.node,
      holder: holderOf(request.holder),
      // Whoever opens a session is heard from the beginning.
      heard: 1,
      takenOver: 0,
      contested: 0,
      data: request.data,
      expiresAt: request.expiresAt,
      inboxLow: 0,
      forgotten: 0,
      memberships: new Map(),
      outcomes: new Map(),
      uploads: new Map(),
    };
    this.#sessions.set(request.session, session);
    this.#budget.take(memoryCost.session + request.data.length);
    return this.join(session, { room: "", key: request.namespaceKey, from: { kind: "head" }, show: false });
  }

  resume(session: MemorySession, request: ResumeRequest): ResumedSession {
    const { node: previousNode, generation: previousGeneration } = session;
    const { holder } = request.claim;
    session.generation = Math.max(session.generation, holder?.generation ?? 0) + 1;
    Object.assign(session, takeover(session, holder, session.generation));
    session.holder = holderOf(holder);
    session.node = request.node;
    session.expiresAt = request.expiresAt;
    const { namespace, session: id } = session.opened;
    const own = this.#streams.find(roomKey(namespace, id));
    const rooms = [...session.memberships.keys()].sort();
    const outcomes = [...session.outcomes.values()].filter((outcome) => outcome.sequence >= session.inboxLow);
    const uploads = [...session.uploads].filter(([sequence]) => sequence >= session.inboxLow);
    return {
      ok: true,
      generation: session.generation,
      data: session.data,
      previousNode,
      previousGeneration,
      heard: session.heard,
      memberships: rooms.flatMap((room) => this.#membership(session, room) ?? []),
      own: own && headOf(own),
      inboxLow: session.inboxLow,
      outcomes: outcomes.sort((left, right) => left.sequence - right.sequence),
      uploads: uploads
        .map(([sequence, chunks]) => ({ sequence, chunks: chunks.length }))
        .sort((left, right) => left.sequence - right.sequence),
    };
  }

  saveData(session: MemorySession, data: string): void {
    this.#budget.take(data.length - session.data.length);
    session.data = data;
  }

  /** Returns the ids of those that are not held so. */
  touch(holders: readonly Fence[], expiresAt: number): readonly string[] {
    const lost: string[] = [];
    for (const fence of holders) {
      const session = this.held(fence);
      if (session === undefined) lost.push(fence.session);
      else session.expiresAt = expiresAt;
    }
    return lost;
  }

  /**
   * Forgets a session with all that hangs from it, its own stream included unless others read that too. Keys
   * of one that has not expired stay until it would have: a handler may still be running.
   */
  forget(session: MemorySession, ownKey: string, how: "ended" | "expired"): void {
    const id = session.opened.session;
    for (const room of session.memberships.keys()) this.leave(session, room);
    for (const outcome of session.outcomes.values())
      this.#budget.release(memoryCost.outcome + outcome.body.length);
    for (const sequence of session.uploads.keys()) this.#forgetUpload(session, sequence);
    this.#budget.release(memoryCost.session + session.data.length);
    this.#keys.forgetSession(id, how === "ended" ? session.expiresAt : undefined);
    this.#sessions.delete(id);
    const own = this.#streams.find(ownKey);
    if (own !== undefined && !own.mailbox && own.members.size === 0) this.#streams.drop(own);
  }

  expire(now: number): readonly string[] {
    const expired = [...this.#sessions.values()].filter((session) => session.expiresAt <= now);
    // Whether a session's own stream is dropped depends on who still reads it, hence on the order.
    expired.sort((left, right) => left.expiresAt - right.expiresAt);
    return expired.map((session) => {
      const { namespace, session: id } = session.opened;
      this.forget(session, roomKey(namespace, id), "expired");
      return id;
    });
  }

  /** Keeps a stored membership; one that reads with another cursor than before begins anew. */
  join(session: MemorySession, request: Pick<JoinRequest, "room" | "key" | "from" | "show">): Membership {
    const { room, from, show } = request;
    const cursor = from.kind === "cursor" ? from.consumer : undefined;
    const stored = session.memberships.get(room);
    if (stored === undefined || (cursor !== undefined && stored.cursor !== cursor)) {
      this.leave(session, room);
      const stream = this.#streams.resolve(request.key);
      const offset =
        from.kind === "cursor" ? this.#streams.cursor(stream, from.consumer) : baseOffset(stream, from);
      session.memberships.set(room, { stream, base: { epoch: stream.epoch, offset }, cursor, show });
      stream.members.set(memberKey(session, room), cursor);
      this.#budget.take(memoryCost.membership);
    }
    return this.#membership(session, room) as Membership;
  }

  leave(session: MemorySession, room: string): boolean {
    const membership = session.memberships.get(room);
    if (membership === undefined) return false;
    session.memberships.delete(room);
    membership.stream.members.delete(memberKey(session, room));
    this.#budget.release(memoryCost.membership);
    return true;
  }

  withdraw(selector: SessionSelector, rooms: readonly string[]): readonly string[] {
    const changed = this.#chosen(selector).filter(
      (session) => rooms.filter((room) => this.leave(session, room)).length > 0,
    );
    return changed.map(({ opened }) => opened.session);
  }

  enroll({ selector, rooms, show }: EnrollRequest): readonly Enrolled[] {
    return this.#chosen(selector).flatMap((session) => {
      const absent = rooms.filter(({ room }) => !session.memberships.has(room));
      return absent.map(({ room, key }) => ({
        session: session.opened.session,
        membership: this.join(session, { room, key, from: { kind: "head" }, show }),
      }));
    });
  }

  #chosen(selector: SessionSelector): MemorySession[] {
    // As in Socket.IO, every session is also in the room that is called as the session is.
    const isIn = (session: MemorySession, room: string) =>
      session.opened.session === room || session.memberships.has(room);
    const chosen = [...this.#sessions.values()].filter((session) => {
      if (session.opened.namespace !== selector.namespace) return false;
      if (selector.rooms.length > 0 && !selector.rooms.some((room) => isIn(session, room))) return false;
      return !selector.except.some((room) => isIn(session, room));
    });
    return chosen.sort((left, right) => (left.opened.session < right.opened.session ? -1 : 1));
  }

  /** Returns the outcome that is recorded, which is the request's own unless there was one. */
  record(session: MemorySession, request: RecordRequest): Outcome {
    const outcome = this.#recordOnce(session, request.outcome);
    if (request.data !== undefined) this.saveData(session, request.data);
    session.inboxLow = Math.max(session.inboxLow, request.inboxLow);
    if (session.inboxLow - session.forgotten >= forgetStep) this.#forgetConfirmed(session);
    return outcome;
  }

  /** Returns how many chunks of the upload are stored. */
  putChunk(session: MemorySession, { sequence, index, text }: ChunkRequest): number {
    if (sequence < session.inboxLow || session.outcomes.has(sequence)) return 0;
    const chunks = session.uploads.get(sequence) ?? [];
    if (index !== chunks.length) return chunks.length;
    session.uploads.set(sequence, chunks);
    this.#budget.take(memoryCost.chunk + text.length);
    return chunks.push(text);
  }

  upload(session: MemorySession, sequence: number): { text: string; chunks: number } {
    const chunks = session.uploads.get(sequence) ?? [];
    return { text: chunks.join(""), chunks: chunks.length };
  }

  figures(): { sessions: number; outcomes: number } {
    let outcomes = 0;
    for (const session of this.#sessions.values()) outcomes += session.outcomes.size;
    return { sessions: this.#sessions.size, outcomes };
  }

  #recordOnce(session: MemorySession, outcome: Outcome): Outcome {
    if (outcome.sequence < session.inboxLow) return outcome;
    const recorded = session.outcomes.get(outcome.sequence);
    if (recorded !== undefined) return recorded;
    session.outcomes.set(outcome.sequence, outcome);
    this.#budget.take(memoryCost.outcome + outcome.body.length);
    this.#forgetUpload(session, outcome.sequence);
    return outcome;
  }

  #forgetConfirmed(session: MemorySession): void {
    const low = session.inboxLow;
    for (const [sequence, outcome] of session.outcomes) {
      if (sequence >= low) continue;
      session.outcomes.delete(sequence);
      this.#budget.release(memoryCost.outcome + outcome.body.length);
    }
    for (const sequence of session.uploads.keys()) if (sequence < low) this.#forgetUpload(session, sequence);
    this.#keys.forgetBelow(session.opened.session, low);
    session.forgotten = low;
  }

  #forgetUpload(session: MemorySession, sequence: number): void {
    for (const text of session.uploads.get(sequence) ?? [])
      this.#budget.release(memoryCost.chunk + text.length);
    session.uploads.delete(sequence);
  }

  #membership(session: MemorySession, room: string): Membership | undefined {
    const stored = session.memberships.get(room);
    if (stored === undefined) return undefined;
    const { stream, base, show, cursor } = stored;
    return { room, head: headOf(stream), base, show, ...(cursor !== undefined && { cursor }) };
  }
}

function holderOf(holder: Claimed["holder"]): Claimed["holder"] {
  return holder && { instance: holder.instance, attempt: holder.attempt };
}

/** The length in front keeps two different pairs from sharing a key. */
function memberKey(session: MemorySession, room: string): string {
  return `${session.opened.session.length} ${session.opened.session}${room}`;
}

const forgetStep = 32;

// --- types ---

type MemoryMembership = {
  readonly stream: MemoryStream;
  readonly base: Position;
  readonly cursor: string | undefined;
  readonly show: boolean;
};
