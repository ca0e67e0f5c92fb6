/** The metrics of a primary: those of all its workers together, and its own of the workers. */

import { expose, MetricRegistry } from "../metrics/registry.ts";
import type { WorkerPool } from "./worker-pool.ts";
import { WorkerReports } from "./worker-reports.ts";

export class PrimaryMetrics {
  readonly #registry = new MetricRegistry("primary");
  readonly #pool: WorkerPool;
  readonly #reports: WorkerReports;

  constructor(pool: WorkerPool) {
    this.#pool = pool;
    this.#reports = new WorkerReports(() => pool.answering);
    pool.on("died", () => this.#registry.count("holdfast_worker_deaths_total"));
    pool.on("rolled", () => this.#registry.count("holdfast_rolls_total", "rolled"));
    pool.on("refused", () => this.#registry.count("holdfast_rolls_total", "refused"));
  }

  /** In Prometheus' format. Answers in time whatever the workers do. */
  async scrape(): Promise<string> {
    const reports = await this.#reports.collect();
    const states = this.#pool.states.map(({ state }) => state);
    for (const state of ["starting", "ready", "leaving"] as const) {
      this.#registry.set("holdfast_workers", states.filter((other) => other === state).length, state);
    }
    this.#registry.set("holdfast_workers_silent", this.#reports.silent);
    return await expose([...reports, await this.#registry.snapshot()]);
  }
}
