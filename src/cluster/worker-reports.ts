/**
 * What the workers have counted, at the primary. A scrape asks all of them and waits for a moment only: what
 * a worker said last stands in for one that does not answer, and what one that has ended had counted stays in
 * the sums, which would go back otherwise. The client library's own collection does neither: one worker that
 * is killed during a scrape makes it fail after five seconds.
 */

import cluster, { type Worker } from "node:cluster";
import { remains, type Snapshot } from "../metrics/registry.ts";
import { isNotice, type Order } from "./messages.ts";

type Asking = {
  readonly question: number;
  readonly pending: Set<number>;
  readonly done: () => void;
};

export class WorkerReports {
  readonly #workers: () => readonly Worker[];
  /** By worker id. */
  readonly #last = new Map<number, Snapshot>();
  /** Counters of workers that have ended; those of the latest not yet added up. */
  readonly #ended: Snapshot[] = [];
  #question = 0;
  #asking: Asking | undefined;
  #collecting: Promise<readonly Snapshot[]> | undefined;
  #silent = 0;

  /** `workers` returns those that are able to answer. */
  constructor(workers: () => readonly Worker[]) {
    this.#workers = workers;
    cluster.on("message", (worker, message: unknown) => {
      if (!isNotice(message) || message.holdfast !== "measured") return;
      this.#last.set(worker.id, message.snapshot);
      if (message.question === this.#asking?.question) this.#answered(worker.id);
    });
    cluster.on("exit", (worker) => {
      const last = this.#last.get(worker.id);
      this.#last.delete(worker.id);
      if (last !== undefined) this.#ended.push(last);
      this.#answered(worker.id);
    });
    // What a worker that is killed has counted since it was asked last is lost.
    setInterval(() => void this.collect(), regularMs).unref();
  }

  /** How many did not answer in time when they were asked last. */
  get silent(): number {
    return this.#silent;
  }

  /** Asks all workers. Takes half a second at most; who asks meanwhile gets the same answer. */
  collect(): Promise<readonly Snapshot[]> {
    this.#collecting ??= this.#collect().finally(() => {
      this.#collecting = undefined;
    });
    return this.#collecting;
  }

  async #collect(): Promise<readonly Snapshot[]> {
    await this.#ask(this.#workers());
    if (this.#ended.length > 1) this.#ended.unshift(await remains(this.#ended.splice(0)));
    return [...this.#ended.map(withoutGauges), ...this.#last.values()];
  }

  async #ask(workers: readonly Worker[]): Promise<void> {
    this.#question += 1;
    const question = this.#question;
    const pending = new Set(workers.map(({ id }) => id));
    const answers = new Promise<void>((done) => {
      this.#asking = { question, pending, done };
    });
    const order: Order = { holdfast: "measure", question };
    for (const worker of workers) {
      // One that has just died hears nothing any more, and is not waited for.
      if (worker.isConnected()) worker.send(order, undefined, (error) => error && this.#answered(worker.id));
      else pending.delete(worker.id);
    }
    if (pending.size > 0) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, answerWithinMs);
      });
      await Promise.race([answers, late]);
      clearTimeout(timer);
    }
    this.#silent = pending.size;
    this.#asking = undefined;
  }

  #answered(id: number): void {
    const { pending, done } = this.#asking ?? {};
    pending?.delete(id);
    if (pending?.size === 0) done?.();
  }
}

/** What a worker held when it ended, it does not hold any more. */
function withoutGauges(snapshot: Snapshot): Snapshot {
  return snapshot.filter(({ type }) => type !== "gauge");
}

const answerWithinMs = 500;
const regularMs = 5_000;
