/**
 * The `memory` engine: the whole contract in one process, without a disk. What is bounded by space on a disk
 * is bounded by `maxBytes` here; a batch that does not fit is refused as a whole with `store_full`.
 */

import { randomBytes } from "node:crypto";
import { DeliveryError } from "../protocol/errors.ts";
import type { Engine, QueueLimits } from "./commit-queue.ts";
import { judge } from "../protocol/holder.ts";
import { MemoryBudget } from "./memory-budget.ts";
import { MemoryKeys } from "./memory-keys.ts";
import { MemorySessions } from "./memory-sessions.ts";
import type { MemorySession } from "./memory-sessions.ts";
import { MemoryStreams } from "./memory-streams.ts";
import type { MemoryStream } from "./memory-streams.ts";
import { applyOperation } from "./operation.ts";
import type { Operation, OperationHandlers, RequestOf, Result, ResultOf } from "./operation.ts";
import type { Fence, Retention, ResumeRequest, ResumeResult, Store } from "./port.ts";
import { queuedStore } from "./queued-store.ts";
import { isOwnStream, lowToKeep, payloadDigest } from "./stream-row.ts";

export type MemoryOptions = QueueLimits & {
  /** Estimated bytes that may be held. Default 256 MiB. */
  readonly maxBytes?: number;
  /** For virtual time: runs a commit after the microtasks that are due. Default `setImmediate`. */
  readonly defer?: (run: () => void) => void;
  /** For repeatable runs: names a new stream's history. Default random. */
  readonly newEpoch?: () => string;
};

export function openMemoryStore(options: MemoryOptions): Store {
  return queuedStore(new MemoryEngine(options), options, options.defer);
}

/** Without the queue: several queues in front of one engine are what several processes on one store are. */
export class MemoryEngine implements Engine {
  readonly durability = "memory";
  readonly #budget: MemoryBudget;
  readonly #streams: MemoryStreams;
  readonly #keys: MemoryKeys;
  readonly #sessions: MemorySessions;
  readonly #handlers: OperationHandlers;

  constructor({
    maxBytes = maxBytesDefault,
    newEpoch = randomEpoch,
  }: Omit<MemoryOptions, keyof QueueLimits>) {
    this.#budget = new MemoryBudget(maxBytes);
    this.#streams = new MemoryStreams(this.#budget, newEpoch);
    this.#keys = new MemoryKeys(this.#budget);
    this.#sessions = new MemorySessions(this.#budget, this.#streams, this.#keys);
    this.#handlers = this.#makeHandlers();
  }

  commit(operations: readonly Operation[]): Promise<readonly Result[]> {
    if (!this.#budget.hasRoomFor(operations)) {
      const detail = `${this.#budget.used} of ${this.#budget.bytesMax} bytes are in use`;
      return Promise.reject(new DeliveryError("store_full", { detail }));
    }
    return Promise.resolve(operations.map((operation) => applyOperation(this.#handlers, operation)));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  #makeHandlers(): OperationHandlers {
    return {
      append: (request) => this.#append(request),
      read: (request) => this.#streams.read(request),
      heads: (keys) => this.#streams.heads(keys),
      openSession: (request) => this.#sessions.open(request),
      peekSession: ({ session, now }) => this.#peek(session, now),
      resumeSession: (request) => this.#resume(request),
      saveHeard: (fence) => this.#fenced(fence, () => done),
      saveData: (request) =>
        this.#fenced(request, (session) => {
          this.#sessions.saveData(session, request.data);
          return done;
        }),
      touchSessions: ({ holders, expiresAt }) => this.#sessions.touch(holders, expiresAt),
      endSession: ({ session: id, ownKey }) => {
        const session = this.#sessions.find(id);
        if (session !== undefined) this.#sessions.forget(session, ownKey, "ended");
        return undefined;
      },
      join: (request) =>
        this.#fenced(request, (session) => ({ ok: true, membership: this.#sessions.join(session, request) })),
      leave: (request) =>
        this.#fenced(request, (session) => {
          this.#sessions.leave(session, request.room);
          return done;
        }),
      withdraw: ({ selector, rooms }) => this.#sessions.withdraw(selector, rooms),
      enroll: (request) => this.#sessions.enroll(request),
      record: (request) =>
        this.#fenced(request, (session) => ({ ok: true, outcome: this.#sessions.record(session, request) })),
      putChunk: (request) =>
        this.#fenced(request, (session) => ({ ok: true, chunks: this.#sessions.putChunk(session, request) })),
      readUpload: ({ fence, sequence }) =>
        this.#read(fence, (session) => ({ ok: true, ...this.#sessions.upload(session, sequence) })),
      moveCursor: (request) => this.#streams.moveCursor(request),
      sweep: (retention) => this.#sweep(retention),
      renewEpochs: () => this.#streams.renewEpochs(),
      figures: () => ({ ...this.#streams.figures(), ...this.#sessions.figures() }),
    };
  }

  #append(request: RequestOf<"append">): ResultOf<"append"> {
    const key = request.idempotency;
    if (key === undefined) return { ok: true, receipts: this.#streams.append(request) };
    const session = key.sequence > 0 ? this.#sessions.find(key.scope) : undefined;
    if (session !== undefined && key.sequence < session.inboxLow) return stale;
    const { holding } = request;
    if (session !== undefined && holding !== undefined) {
      if (holding.generation < session.takenOver) return stale;
      session.heard = Math.max(session.heard, holding.heard ?? 0);
    }
    const isSession = session !== undefined;
    const digest = payloadDigest(request.payload);
    const known = this.#keys.find(key, { isSession });
    if (known === undefined) {
      const receipts = this.#streams.append(request);
      this.#keys.remember(key, { sequence: key.sequence, digest, receipts, at: request.at }, { isSession });
      return { ok: true, receipts };
    }
    if (request.strictPayload === true && known.digest !== digest)
      return { ok: false, reason: "key_conflict" };
    return { ok: true, receipts: known.receipts.map((receipt) => ({ ...receipt, duplicate: true })) };
  }

  #peek(id: string, now: number): ResultOf<"peekSession"> {
    const session = this.#sessions.find(id);
    if (session === undefined || session.expiresAt <= now) return undefined;
    const { tokenDigest, namespace, principal } = session.opened;
    const { generation, node, data, expiresAt } = session;
    return { tokenDigest, namespace, principal, generation, node, data, expiresAt };
  }

  #resume(request: ResumeRequest): ResumeResult {
    const session = this.#sessions.find(request.session);
    if (session === undefined || session.expiresAt <= request.now)
      return { ok: false, reason: "unknown_session" };
    if (session.opened.tokenDigest !== request.tokenDigest) return { ok: false, reason: "wrong_token" };
    if (session.opened.principal !== request.principal) return { ok: false, reason: "wrong_principal" };
    const verdict = judge(this.#sessions.claimed(session), request.claim);
    if (verdict !== "goes on") return { ok: false, reason: verdict };
    return this.#sessions.resume(session, request);
  }

  #sweep(retention: Retention): ResultOf<"sweep"> {
    const expiredSessions = this.#sessions.expire(retention.now);
    this.#keys.forgetOlder(retention.now - retention.keyAgeMs);
    let trimmedEntries = 0;
    let droppedStreams = 0;
    for (const stream of this.#streams.all()) {
      const firstSince = (time: number) => this.#streams.firstSince(stream, time);
      const low = lowToKeep(stream, this.#streams.readers(stream), retention, firstSince);
      if (low > stream.low) trimmedEntries += this.#streams.trim(stream, low);
      if (!this.#isOrphan(stream)) {
        stream.orphanedAt = undefined;
      } else if (
        stream.orphanedAt !== undefined &&
        stream.orphanedAt <= retention.now - retention.entryAgeMs
      ) {
        this.#streams.drop(stream);
        droppedStreams += 1;
      } else {
        stream.orphanedAt ??= retention.now;
      }
    }
    return { expiredSessions, trimmedEntries, droppedStreams, more: false };
  }

  /** A session's own stream has no membership, but the session is still to read it. */
  #isOrphan(stream: MemoryStream): boolean {
    if (stream.entries.length > 0 || stream.mailbox || stream.members.size > 0) return false;
    return !isOwnStream(stream.key, (session) => this.#sessions.find(session)?.opened.namespace);
  }

  #fenced<T>(fence: Fence, write: (session: MemorySession) => T): T | typeof stale {
    const session = this.#sessions.held(fence);
    if (session === undefined) return stale;
    session.heard = Math.max(session.heard, fence.heard ?? 0);
    return write(session);
  }

  #read<T>(fence: Fence, read: (session: MemorySession) => T): T | typeof stale {
    const session = this.#sessions.held(fence);
    return session === undefined ? stale : read(session);
  }
}

function randomEpoch(): string {
  return randomBytes(epochBytes).toString("base64url");
}

const epochBytes = 9;
const maxBytesDefault = 256 * 1024 * 1024;
const done = { ok: true } as const;
const stale = { ok: false, reason: "stale_generation" } as const;
