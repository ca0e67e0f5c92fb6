/**
 * The queue in front of every engine: bounded, first in first out, one batch in flight.
 *
 * While a batch is in flight the next one gathers. A batch that fails takes with it every operation that was
 * called before its failure could be seen, those still waiting included: otherwise an outcome could be
 * recorded although a publish that was called before it, and not awaited, has failed. Only sweeps are spared,
 * because they free space.
 */

import { DeliveryError } from "../protocol/errors.ts";
import { assertOperation, entriesOf, isBarrier, operationBytes, standsAlone } from "./operation.ts";
import type { Operation, Result } from "./operation.ts";
import type { CommittedEntry, Durability } from "./port.ts";

/** What the queue asks of an engine. */
export type Engine = {
  readonly durability: Durability;
  /**
   * Carries out the operations in order, all or none, and returns their results.
   *
   * @throws {DeliveryError} `store_full` or `store_unavailable`: none of the batch is done.
   */
  commit(operations: readonly Operation[]): Promise<readonly Result[]>;
  close(): Promise<void>;
  /** Calls back with what other processes have committed, before the `commit` that comes after it settles. */
  onOthers?(listener: (entries: readonly CommittedEntry[]) => void): void;
  /** Looks at once for what others have committed. */
  follow?(): void;
  /** Of an engine that tells only of streams that were asked for: see the port. */
  watch?(key: string): Promise<void>;
  unwatch?(key: string): void;
};

export type CommitListener = (entries: readonly CommittedEntry[], by: "us" | "others") => void;

export type QueueLimits = {
  /** Operations that may wait, those of the batch in flight included. */
  readonly queueLimit: number;
  /** Bytes that may wait, those of the batch in flight included. */
  readonly queueBytesLimit: number;
  /** Told of each operation that is refused as one too many. */
  readonly onBusy?: (() => void) | undefined;
};

export class CommitQueue {
  readonly #engine: Engine;
  readonly #limits: QueueLimits;
  readonly #defer: (run: () => void) => void;
  #listener: CommitListener = () => {};
  /** What others have committed while a batch of ours is being settled: announced behind it. */
  #others: CommittedEntry[] = [];
  /** Operations not yet in a batch, oldest first, from `#first` on. */
  #waiting: Waiting[] = [];
  #first = 0;
  #count = 0;
  #bytes = 0;
  #state: "idle" | "scheduled" | "committing" = "idle";
  /**
   * A batch is being settled across a pause; `#afterSettling` is what the next one, already done, has to do.
   */
  #settling = false;
  #afterSettling: (() => void) | undefined;
  #idle: (() => void)[] = [];
  #closing: Promise<void> | undefined;

  /** `defer` runs a function after the microtasks that are due; the default is `setImmediate`. */
  constructor(engine: Engine, limits: QueueLimits, defer: (run: () => void) => void = setImmediate) {
    this.#engine = engine;
    this.#limits = limits;
    this.#defer = defer;
    engine.onOthers?.((entries) => {
      if (this.#settling) this.#others.push(...entries);
      else this.#announce(entries, "others");
    });
  }

  get waitingOperations(): number {
    return this.#count;
  }

  get waitingBytes(): number {
    return this.#bytes;
  }

  onCommitted(listener: CommitListener): void {
    this.#listener = listener;
  }

  follow(): void {
    this.#engine.follow?.();
  }

  watch(key: string): Promise<void> | undefined {
    return this.#engine.watch?.(key);
  }

  unwatch(key: string): void {
    this.#engine.unwatch?.(key);
  }

  /**
   * Puts an operation at the end. Rejects at once when it is malformed, or the queue full or closed. `finish`
   * makes the caller's value of the result; it is no `then`, which would let a later operation settle first.
   */
  push<T>(operation: Operation, finish: (result: Result) => T): Promise<T> {
    // What is thrown here rejects the promise.
    return new Promise((resolve, reject) => {
      assertOperation(operation);
      const bytes = operationBytes(operation);
      this.#assertRoomFor(bytes);
      this.#waiting.push({ operation, bytes, resolve: (result) => resolve(finish(result)), reject });
      this.#count += 1;
      this.#bytes += bytes;
      this.#schedule();
    });
  }

  /** Commits what is waiting, then closes the engine. */
  close(): Promise<void> {
    this.#closing ??= this.#drained().then(() => this.#engine.close());
    return this.#closing;
  }

  #assertRoomFor(bytes: number): void {
    if (this.#closing !== undefined) {
      throw new DeliveryError("store_unavailable", { detail: "the store is closed" });
    }
    if (this.#count < this.#limits.queueLimit && this.#bytes + bytes <= this.#limits.queueBytesLimit) return;
    this.#limits.onBusy?.();
    const detail = `${this.#count} operations and ${this.#bytes} bytes are waiting`;
    throw new DeliveryError("store_busy", { detail });
  }

  #drained(): Promise<void> {
    if (this.#state === "idle") return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  /** The deferral lets all that is called in the same turn share one commit. */
  #schedule(): void {
    if (this.#state !== "idle") return;
    this.#state = "scheduled";
    this.#defer(() => this.#start());
  }

  #start(): void {
    this.#state = "committing";
    const batch = this.#takeBatch();
    this.#engine.commit(batch.map((waiting) => waiting.operation)).then(
      (results) => this.#inTurn(() => this.#committed(batch, results)),
      (error: unknown) => this.#inTurn(() => this.#failed(batch, error)),
    );
  }

  /** Batches settle one after the other; as one is in flight at a time, at most one has to wait here. */
  #inTurn(settle: () => void): void {
    if (this.#settling) this.#afterSettling = settle;
    else settle();
  }

  #takeBatch(): Waiting[] {
    const batch: Waiting[] = [];
    let bytes = 0;
    while (batch.length < batchOperationsMax && bytes < batchBytesMax) {
      const next = this.#waiting[this.#first];
      if (next === undefined) break;
      const alone = standsAlone(next.operation.kind);
      if (alone && batch.length > 0) break;
      batch.push(next);
      bytes += next.bytes;
      this.#first += 1;
      if (alone) break;
    }
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else if (this.#first > compactAfter) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
    return batch;
  }

  #committed(batch: readonly Waiting[], results: readonly Result[]): void {
    // Under load the engine gets its next batch before this one is settled, so that neither waits for the
    // other.
    const busy = this.#waiting.length - this.#first >= busyOperations;
    if (busy) this.#start();
    this.#settling = true;
    this.#settle(batch, results, 0, () => {
      this.#settling = false;
      if (this.#others.length > 0) this.#announce(this.#others.splice(0), "others");
      const next = this.#afterSettling;
      this.#afterSettling = undefined;
      if (!busy) this.#goOn();
      else next?.();
    });
  }

  /**
   * Settles in order: a run of entries is announced before the promises of its operations resolve. A run ends
   * at a barrier, and the entries after it wait until whoever awaited it has run, so that a new member has
   * registered itself before an entry behind its head is announced.
   */
  #settle(batch: readonly Waiting[], results: readonly Result[], from: number, done: () => void): void {
    const run: CommittedEntry[] = [];
    let end = from;
    let barrier = false;
    for (; end < batch.length; end += 1) {
      const waiting = batch[end] as Waiting;
      if (waiting.operation.kind === "append") {
        const entries = entriesOf(waiting.operation, results[end]);
        if (barrier && entries.length > 0) break;
        run.push(...entries);
      } else if (isBarrier(waiting.operation.kind)) {
        barrier = true;
      }
    }
    if (run.length > 0) this.#announce(run, "us");
    for (let index = from; index < end; index += 1) this.#resolve(batch[index] as Waiting, results[index]);
    if (end === batch.length) return done();
    this.#defer(() => this.#settle(batch, results, end, done));
  }

  /** A listener that throws is a bug that must be seen, and must not keep promises from settling. */
  #announce(entries: readonly CommittedEntry[], by: "us" | "others"): void {
    try {
      this.#listener(entries, by);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #failed(batch: readonly Waiting[], error: unknown): void {
    const behind = this.#waiting.slice(this.#first);
    this.#waiting = behind.filter((waiting) => standsAlone(waiting.operation.kind));
    this.#first = 0;
    for (const waiting of batch) this.#reject(waiting, error);
    for (const waiting of behind) if (!standsAlone(waiting.operation.kind)) this.#reject(waiting, error);
    this.#goOn();
  }

  #goOn(): void {
    this.#state = "idle";
    if (this.#waiting.length > this.#first) return this.#schedule();
    const idle = this.#idle;
    this.#idle = [];
    for (const resolve of idle) resolve();
  }

  #resolve(waiting: Waiting, result: Result): void {
    this.#count -= 1;
    this.#bytes -= waiting.bytes;
    try {
      waiting.resolve(result);
    } catch (error) {
      waiting.reject(error);
    }
  }

  #reject(waiting: Waiting, error: unknown): void {
    this.#count -= 1;
    this.#bytes -= waiting.bytes;
    waiting.reject(error);
  }
}

/** Bounds what one commit holds up: some tens of milliseconds at the measured rate. */
const batchOperationsMax = 2048;
const batchBytesMax = 8 * 1024 * 1024;

/** From here on throughput counts more than that the continuations of one batch get into the next. */
const busyOperations = 256;

/** Taken operations are cut off the array in pieces, not one by one. */
const compactAfter = 4096;

// --- types ---

type Waiting = {
  readonly operation: Operation;
  readonly bytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
};
