/** All tables of one SQLite file behind the operations of the port. Lives on the worker thread. */

import type { OperationHandlers, RequestOf, ResultOf } from "./operation.ts";
import type { Fence, Receipt, ResumeRequest, ResumeResult } from "./port.ts";
import { judge } from "../protocol/holder.ts";
import { roomKey } from "../protocol/stream-key.ts";
import type { Database } from "./sqlite-database.ts";
import type { OwnCommits } from "./sqlite-follower.ts";
import { SqliteInbox } from "./sqlite-inbox.ts";
import { SqliteKeys } from "./sqlite-keys.ts";
import { SqliteMemberships } from "./sqlite-memberships.ts";
import { SqliteSessions } from "./sqlite-sessions.ts";
import type { SessionRow } from "./sqlite-sessions.ts";
import { SqliteStreams } from "./sqlite-streams.ts";
import type { Place } from "./sqlite-streams.ts";
import { SqliteSweep } from "./sqlite-sweep.ts";
import { headOf, payloadDigest } from "./stream-row.ts";

export class SqliteTables {
  readonly handlers: OperationHandlers;
  readonly #streams: SqliteStreams;
  readonly #sessions: SqliteSessions;
  readonly #memberships: SqliteMemberships;
  readonly #inbox: SqliteInbox;
  readonly #keys: SqliteKeys;
  readonly #sweep: SqliteSweep;

  constructor(database: Database, newEpoch: () => string) {
    this.#streams = new SqliteStreams(database, newEpoch);
    this.#sessions = new SqliteSessions(database, this.#streams);
    this.#memberships = new SqliteMemberships(database, this.#streams, this.#sessions);
    this.#inbox = new SqliteInbox(database, this.#sessions);
    this.#keys = new SqliteKeys(database, this.#sessions);
    this.#sweep = new SqliteSweep(this.#streams, this.#sessions, this.#keys);
    this.handlers = this.#makeHandlers();
  }

  /** Writes what is only in memory; called before a commit. */
  flush(): void {
    this.#streams.flush();
    this.#sessions.flush();
  }

  /** Returns, once, the ids of the entries that were appended since the last call. */
  takeOwnCommits(): OwnCommits | undefined {
    return this.#streams.takeOwnCommits();
  }

  /** Forgets what is in memory; called after a rollback, and when another process has written. */
  discard(): void {
    this.#streams.discard();
    this.#sessions.discard();
  }

  #makeHandlers(): OperationHandlers {
    return {
      append: (request) => this.#append(request),
      read: (request) => this.#streams.read(request),
      heads: (keys) => this.#streams.heads(keys),
      openSession: (request) => {
        const session = this.#sessions.create(request);
        const from = { kind: "head" } as const;
        return (
          session &&
          this.#memberships.join(session, { room: "", key: request.namespaceKey, from, show: false })
        );
      },
      peekSession: ({ session, now }) => this.#sessions.peek(session, now),
      resumeSession: (request) => this.#resume(request),
      saveHeard: (fence) => this.#fenced(fence, () => done),
      saveData: (request) =>
        this.#fenced(request, (session) => {
          this.#sessions.saveData(session, request.data);
          return done;
        }),
      touchSessions: ({ holders, expiresAt }) => this.#sessions.touch(holders, expiresAt),
      endSession: ({ session, ownKey }) => {
        const row = this.#sessions.find(session);
        if (row !== undefined) this.#sessions.forget(row, ownKey, "ended");
        return undefined;
      },
      join: (request) =>
        this.#fenced(request, (session) => ({
          ok: true,
          membership: this.#memberships.join(session, request),
        })),
      leave: (request) =>
        this.#fenced(request, (session) => {
          this.#memberships.leave(session, request.room);
          return done;
        }),
      withdraw: ({ selector, rooms }) => this.#memberships.withdraw(selector, rooms),
      enroll: (request) => this.#memberships.enroll(request),
      record: (request) =>
        this.#fenced(request, (session) => ({ ok: true, outcome: this.#inbox.record(session, request) })),
      putChunk: (request) =>
        this.#fenced(request, (session) => ({ ok: true, chunks: this.#inbox.putChunk(session, request) })),
      readUpload: ({ fence, sequence }) =>
        this.#read(fence, (session) => ({ ok: true, ...this.#inbox.upload(session, sequence) })),
      moveCursor: (request) => this.#streams.moveCursor(request),
      sweep: (retention) => this.#sweep.step(retention),
      renewEpochs: () => {
        this.flush();
        return this.#streams.renewEpochs();
      },
      figures: () => {
        this.flush();
        return {
          ...this.#streams.figures(),
          sessions: this.#sessions.count(),
          outcomes: this.#inbox.count(),
        };
      },
    };
  }

  #append(request: RequestOf<"append">): ResultOf<"append"> {
    const key = request.idempotency;
    if (key === undefined) return { ok: true, receipts: receiptsOf(this.#streams.append(request), false) };
    if (this.#keys.isSettled(key) || !this.#takes(key.scope, request.holding)) return stale;
    const digest = payloadDigest(request.payload);
    const known = this.#keys.find(key);
    if (known === undefined) {
      const places = this.#streams.append(request);
      this.#keys.remember(key, request, digest, places);
      return { ok: true, receipts: receiptsOf(places, false) };
    }
    if (request.strictPayload === true && known.digest !== digest)
      return { ok: false, reason: "key_conflict" };
    return { ok: true, receipts: receiptsOf(known.places, true) };
  }

  #resume(request: ResumeRequest): ResumeResult {
    const stored = this.#sessions.peek(request.session, request.now);
    const session = this.#sessions.find(request.session);
    if (stored === undefined || session === undefined) return { ok: false, reason: "unknown_session" };
    if (stored.tokenDigest !== request.tokenDigest) return { ok: false, reason: "wrong_token" };
    if (stored.principal !== request.principal) return { ok: false, reason: "wrong_principal" };
    const verdict = judge(this.#sessions.claimed(session), request.claim);
    if (verdict !== "goes on") return { ok: false, reason: verdict };
    this.#sessions.take(session, request);
    const own = this.#streams.find(roomKey(session.namespace, session.session));
    return {
      ok: true,
      generation: session.generation,
      data: stored.data,
      previousNode: stored.node,
      previousGeneration: stored.generation,
      heard: session.heard,
      memberships: this.#memberships.of(session),
      own: own && headOf(own),
      inboxLow: session.inboxLow,
      outcomes: this.#inbox.outcomes(session),
      uploads: this.#inbox.uploads(session),
    };
  }

  /** Whether a handler may still publish under a key of its session's. */
  #takes(scope: string, holding: RequestOf<"append">["holding"]): boolean {
    const session = holding && this.#sessions.find(scope);
    if (session === undefined || holding === undefined) return true;
    if (holding.generation < session.takenOver) return false;
    this.#sessions.heard(session, holding.heard ?? 0);
    return true;
  }

  #fenced<T>(fence: Fence, write: (session: SessionRow) => T): T | typeof stale {
    const session = this.#sessions.held(fence);
    if (session === undefined) return stale;
    this.#sessions.heard(session, fence.heard ?? 0);
    return write(session);
  }

  #read<T>(fence: Fence, read: (session: SessionRow) => T): T | typeof stale {
    const session = this.#sessions.held(fence);
    return session === undefined ? stale : read(session);
  }
}

function receiptsOf(places: readonly Place[], duplicate: boolean): readonly Receipt[] {
  return places.map(([stream, epoch, offset]) => ({
    stream,
    epoch,
    offset,
    duplicate,
    durability: "fsynced",
  }));
}

const done = { ok: true } as const;
const stale = { ok: false, reason: "stale_generation" } as const;
