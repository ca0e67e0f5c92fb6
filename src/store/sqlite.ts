/**
 * The `sqlite` engine, main-thread side: hands batches to the worker thread and takes its place in hand when
 * it dies.
 *
 * When the worker dies, the batch in flight is rejected (whether it was committed is not known; idempotency
 * keys and recorded outcomes make repeating it safe) and so is what waits behind it. A new worker is started,
 * with growing pauses; after `restartsMax` failures in a row the engine stays failed and says so with each
 * rejection.
 */

import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { Worker } from "node:worker_threads";
import { assert, DeliveryError } from "../protocol/errors.ts";
import type { ErrorCode } from "../protocol/errors.ts";
import type { Engine, QueueLimits } from "./commit-queue.ts";
import type { Operation, Result } from "./operation.ts";
import type { CommittedEntry, Store } from "./port.ts";
import { queuedStore } from "./queued-store.ts";
import { decodeResult, encodeOperation } from "./sqlite-wire.ts";
import type { Command, Report, WorkerOptions } from "./sqlite-wire.ts";

export type SqliteOptions = QueueLimits & {
  /** The largest the file may become, in pages of 4096 bytes. */
  readonly maxPages?: number;
  /**
   * How long the first restart of a dead worker waits; each further one waits twice as long. Default 50 ms.
   */
  readonly restartPauseMs?: number;
  /** How long a batch waits for another process's lock. Default 5 s. */
  readonly busyTimeoutMs?: number;
  /** How often to look for commits of other processes that nobody has told us of. Default 10 ms. */
  readonly followIntervalMs?: number;
};

/**
 * Opens a SQLite file, creating it and its folder.
 *
 * @throws {DeliveryError} `store_newer` for a file of a later version, `store_in_use` for one of an earlier
 *   version that other processes have open, `store_unavailable` for one that
 *   cannot be opened.
 */
export async function openSqliteStore(file: string, options: SqliteOptions): Promise<Store> {
  const path = resolve(file);
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (cause) {
    throw new DeliveryError("store_unavailable", { detail: `cannot create ${dirname(path)}`, cause });
  }
  const busyTimeoutMs = options.busyTimeoutMs ?? busyTimeoutMsDefault;
  const followIntervalMs = options.followIntervalMs ?? followIntervalMsDefault;
  const workerOptions = { file: path, busyTimeoutMs, followIntervalMs, maxPages: options.maxPages };
  const engine = new SqliteEngine(workerOptions, options.restartPauseMs ?? restartPauseMsDefault);
  await engine.open();
  const store = queuedStore(engine, options);
  engines.set(store, engine);
  return store;
}

/**
 * Changes `PRAGMA max_page_count` of an open SQLite store, so that a test can fill it and then make room
 * again.
 */
export async function setMaxPages(store: Store, pages: number): Promise<void> {
  const engine = engines.get(store);
  assert(engine !== undefined, "the page limit is set on an open SQLite store");
  await engine.setMaxPages(pages);
}

/** Ends the worker thread as a crash would, so that a test can watch what comes after. */
export async function crashWorker(store: Store): Promise<void> {
  const engine = engines.get(store);
  assert(engine !== undefined, "the worker of an open SQLite store is crashed");
  await engine.crash();
}

class SqliteEngine implements Engine {
  readonly durability = "fsynced";
  readonly #options: WorkerOptions;
  readonly #restartPauseMs: number;
  #worker: Worker | undefined;
  /** Settles with the worker's next report; one command is under way at a time. */
  #pending: Pending | undefined;
  /** Commands line up behind each other: batches come one at a time, page limits whenever a test likes. */
  #turn: Promise<unknown> = Promise.resolve();
  #restart: Promise<void> | undefined;
  #restartsInARow = 0;
  #failure: DeliveryError | undefined;
  /**
   * Only a worker that has worked is replaced: what fails at the start is for the caller of `open` to see.
   */
  #opened = false;
  #closed = false;
  /**
   * Where a new worker goes on to follow; what the dead one had committed and not reported lies behind it.
   */
  #followed: number | undefined;
  #othersListener: (entries: readonly CommittedEntry[]) => void = () => {};

  constructor(options: WorkerOptions, restartPauseMs: number) {
    this.#options = options;
    this.#restartPauseMs = restartPauseMs;
  }

  /** Starts the worker. Rejects when it cannot open the file. */
  async open(): Promise<void> {
    const worker = new Worker(workerUrl, {
      workerData: { ...this.#options, followFrom: this.#followed } satisfies WorkerOptions,
      name: "holdfast-sqlite",
      // The process's own preloads are for its main thread; one that throws in a worker would leave no store.
      execArgv: [],
    });
    this.#worker = worker;
    const ready = new Promise<Report>((fulfil, reject) => {
      this.#pending = { fulfil, reject };
    });
    worker.on("message", (report: Report) => this.#take(report));
    worker.on("error", (error) =>
      this.#died(worker, error instanceof Error ? error : new Error(String(error))),
    );
    worker.on("exit", (code) => this.#died(worker, new Error(`the worker thread ended with code ${code}`)));
    const report = await ready;
    if (report[0] === "ready") {
      this.#opened = true;
      this.#followed ??= report[1];
      return worker.unref();
    }
    this.#worker = undefined;
    throw errorOf(report);
  }

  async commit(operations: readonly Operation[]): Promise<readonly Result[]> {
    const report = await this.#command(["batch", operations.map(encodeOperation)]);
    if (report[0] !== "committed") throw errorOf(report);
    this.#restartsInARow = 0;
    this.#followed = report[2];
    return report[1].map((wire, index) => decodeResult(operations[index] as Operation, wire));
  }

  onOthers(listener: (entries: readonly CommittedEntry[]) => void): void {
    this.#othersListener = listener;
  }

  follow(): void {
    this.#worker?.postMessage(["follow"] satisfies Command);
  }

  async setMaxPages(pages: number): Promise<void> {
    await this.#command(["maxPages", pages]);
  }

  async crash(): Promise<void> {
    await this.#worker?.terminate();
  }

  async close(): Promise<void> {
    await this.#turn;
    await this.#restart;
    this.#closed = true;
    const worker = this.#worker;
    if (worker === undefined) return;
    const ended = new Promise((fulfil) => worker.once("exit", fulfil));
    worker.ref();
    worker.postMessage(["close"] satisfies Command);
    await ended;
  }

  #command(command: Command): Promise<Report> {
    const send = async () => {
      await this.#restart;
      const worker = this.#worker;
      if (worker === undefined) throw this.#failure ?? unavailable("the store is closed", undefined);
      const report = new Promise<Report>((fulfil, reject) => {
        this.#pending = { fulfil, reject };
      });
      // An idle store does not keep a process alive; one at work does.
      worker.ref();
      worker.postMessage(command);
      return report.finally(() => worker.unref());
    };
    const result = this.#turn.then(send, send);
    this.#turn = result.catch(() => {});
    return result;
  }

  #take(report: Report): void {
    if (report[0] !== "others") return this.#settle((pending) => pending.fulfil(report));
    this.#followed = report[2];
    this.#othersListener(report[1]);
  }

  #settle(settle: (pending: Pending) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending !== undefined) settle(pending);
  }

  #died(worker: Worker, cause: Error): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    if (this.#closed) return;
    this.#settle((pending) => pending.reject(unavailable(`the SQLite worker died: ${cause.message}`, cause)));
    if (!this.#opened || this.#restart !== undefined) return;
    this.#restart = this.#reopen(cause).finally(() => {
      this.#restart = undefined;
    });
  }

  /**
   * A worker that opens and then dies with each batch counts as failing too, hence the counter on the object.
   */
  async #reopen(cause: unknown): Promise<void> {
    let last = cause;
    while (this.#restartsInARow < restartsMax) {
      const pauseMs = this.#restartPauseMs * 2 ** this.#restartsInARow;
      this.#restartsInARow += 1;
      await new Promise((fulfil) => setTimeout(fulfil, pauseMs));
      try {
        return await this.open();
      } catch (error) {
        last = error;
      }
    }
    const detail = `the worker failed ${restartsMax} times in a row; remove the cause, restart the process`;
    this.#failure = unavailable(detail, last);
  }
}

function errorOf(report: Report): DeliveryError {
  if (report[0] !== "failed" && report[0] !== "refused") {
    throw new TypeError(`the SQLite worker reported "${report[0]}" out of turn`);
  }
  const [, code, detail] = report;
  // The error itself stays on its thread; its text is the cause.
  return new DeliveryError(code satisfies ErrorCode, { detail, cause: new Error(detail) });
}

function unavailable(detail: string, cause: unknown): DeliveryError {
  return new DeliveryError("store_unavailable", { detail, ...(cause !== undefined && { cause }) });
}

/** For the tests' two functions: the port itself has no place for the ways of one engine. */
const engines = new WeakMap<Store, SqliteEngine>();

/** The sources are TypeScript, the published package is JavaScript. */
const workerUrl = new URL(
  `./sqlite-worker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`,
  import.meta.url,
);

/** Another process holds the write lock for one batch or one sweep step: far less than this. */
const busyTimeoutMsDefault = 5_000;

/** A look costs some microseconds; with hints from those who commit it is only the second line. */
const followIntervalMsDefault = 10;

/** 50 ms, 100 ms, ... 3.2 s: some six seconds in all. */
const restartsMax = 7;
const restartPauseMsDefault = 50;

// --- types ---

type Pending = { readonly fulfil: (report: Report) => void; readonly reject: (error: unknown) => void };
