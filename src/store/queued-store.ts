/** The port on top of an engine: every method is one operation in the commit queue. */

import { assert } from "../protocol/errors.ts";
import { CommitQueue } from "./commit-queue.ts";
import type { CommitListener, Engine, QueueLimits } from "./commit-queue.ts";
import type { Operation, OperationKind, RequestOf, ResultOf } from "./operation.ts";
import type * as port from "./port.ts";

/** Builds the store of an engine. `defer` is for virtual time, see `CommitQueue`. */
export function queuedStore(
  engine: Engine,
  limits: QueueLimits,
  defer?: (run: () => void) => void,
): port.Store {
  return new QueuedStore(engine, limits, defer);
}

class QueuedStore implements port.Store {
  readonly durability: port.Durability;
  readonly announces: port.Store["announces"];
  readonly #queue: CommitQueue;

  constructor(engine: Engine, limits: QueueLimits, defer?: (run: () => void) => void) {
    this.durability = engine.durability;
    this.announces = engine.watch === undefined ? "everything" : "watched";
    this.#queue = new CommitQueue(engine, limits, defer);
  }

  onCommitted(listener: CommitListener): void {
    this.#queue.onCommitted(listener);
  }

  follow(): void {
    this.#queue.follow();
  }

  watch(key: string): Promise<void> | undefined {
    return this.#queue.watch(key);
  }

  unwatch(key: string): void {
    this.#queue.unwatch(key);
  }

  append(request: port.AppendRequest): Promise<port.AppendResult> {
    return this.#push("append", request);
  }

  read(request: port.ReadRequest): Promise<port.Page> {
    return this.#push("read", request);
  }

  heads(keys: readonly string[]): Promise<readonly (port.StreamHead | undefined)[]> {
    return this.#push("heads", keys);
  }

  openSession(request: port.OpenRequest): Promise<port.Membership> {
    return this.#push("openSession", request, (membership) => {
      assert(membership !== undefined, "a session is opened under a new id");
      return membership;
    });
  }

  peekSession(session: string, now: number): Promise<port.SessionPeek | undefined> {
    return this.#push("peekSession", { session, now });
  }

  resumeSession(request: port.ResumeRequest): Promise<port.ResumeResult> {
    return this.#push("resumeSession", request);
  }

  saveHeard(fence: port.Fence): Promise<port.Fenced> {
    return this.#push("saveHeard", fence);
  }

  saveData(request: port.Fence & { readonly data: string }): Promise<port.Fenced> {
    return this.#push("saveData", request);
  }

  touchSessions(holders: readonly port.Fence[], expiresAt: number): Promise<readonly string[]> {
    return this.#push("touchSessions", { holders, expiresAt });
  }

  endSession(session: string, ownKey: string): Promise<void> {
    return this.#push("endSession", { session, ownKey });
  }

  join(request: port.JoinRequest): Promise<ResultOf<"join">> {
    return this.#push("join", request);
  }

  leave(request: port.Fence & { readonly room: string }): Promise<port.Fenced> {
    return this.#push("leave", request);
  }

  withdraw(selector: port.SessionSelector, rooms: readonly string[]): Promise<readonly string[]> {
    return this.#push("withdraw", { selector, rooms });
  }

  enroll(request: port.EnrollRequest): Promise<readonly port.Enrolled[]> {
    return this.#push("enroll", request);
  }

  record(request: port.RecordRequest): Promise<ResultOf<"record">> {
    return this.#push("record", request);
  }

  putChunk(request: port.ChunkRequest): Promise<ResultOf<"putChunk">> {
    return this.#push("putChunk", request);
  }

  readUpload(fence: port.Fence, sequence: number): Promise<ResultOf<"readUpload">> {
    return this.#push("readUpload", { fence, sequence });
  }

  moveCursor(request: port.CursorRequest): Promise<void> {
    return this.#push("moveCursor", request);
  }

  async sweep(retention: port.Retention): Promise<port.SweepResult> {
    const expiredSessions: string[] = [];
    let trimmedEntries = 0;
    let droppedStreams = 0;
    // Each step is a commit of its own, so that a large sweep holds up no write for long.
    for (let more = true; more; ) {
      const step = await this.#push("sweep", retention);
      expiredSessions.push(...step.expiredSessions);
      trimmedEntries += step.trimmedEntries;
      droppedStreams += step.droppedStreams;
      more = step.more;
    }
    return { expiredSessions, trimmedEntries, droppedStreams };
  }

  renewEpochs(): Promise<number> {
    return this.#push("renewEpochs", undefined);
  }

  figures(): Promise<port.StoreFigures> {
    return this.#push("figures", undefined, (figures) => {
      const { waitingOperations, waitingBytes } = this.#queue;
      return { ...figures, waitingOperations, waitingBytes };
    });
  }

  close(): Promise<void> {
    return this.#queue.close();
  }

  /** The casts join what `OperationTable` pairs: the queue itself does not look into requests and results. */
  #push<K extends OperationKind, T = ResultOf<K>>(
    kind: K,
    request: RequestOf<K>,
    finish: (result: ResultOf<K>) => T = (result) => result as T,
  ): Promise<T> {
    const operation = { kind, request } as unknown as Operation;
    return this.#queue.push(operation, (result) => finish(result as ResultOf<K>));
  }
}
