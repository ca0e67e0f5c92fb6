/** The primary: owns the port, hands connections to its workers, and keeps as many of them as wanted. */

import cluster from "node:cluster";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setupPrimary as setupAdapter } from "@socket.io/cluster-adapter";
import { Routing } from "./routing.ts";
import { type PoolLog, WorkerFailed, WorkerPool } from "./worker-pool.ts";

export type PrimaryOptions = {
  readonly workers: number;
  readonly host: string;
  readonly port: number;
  /** What the workers' environment has beside this process's own. */
  readonly environment: Readonly<Record<string, string>>;
  readonly log: PoolLog;
  readonly readyTimeoutMs: number;
  readonly drainTimeoutMs: number;
};

export class Primary {
  readonly pool: WorkerPool;
  readonly #http: HttpServer;
  readonly #options: PrimaryOptions;
  #ending = false;

  constructor(options: PrimaryOptions) {
    this.#options = options;
    // Requests pass through as bytes, so that binary bodies stay what they are.
    // Standard error passes through here, so that the reason why a worker did not start can be told.
    cluster.setupPrimary({ serialization: "advanced", stdio: ["inherit", "inherit", "pipe", "ipc"] });
    setupAdapter();
    this.#http = createServer();
    const routing = new Routing(this.#http);
    const { workers: size, log, readyTimeoutMs, drainTimeoutMs } = options;
    const fork = () => cluster.fork(options.environment);
    this.pool = new WorkerPool({ size, fork, routing, log, readyTimeoutMs, drainTimeoutMs });
  }

  /**
   * Takes the port, then starts the workers; whoever connects meanwhile is told to come back. Returns the
   * port.
   *
   * @throws Node's error when the port cannot be had, `WorkerFailed` when a worker does not get ready.
   */
  async start(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(port, host, () => {
        this.#http.off("error", reject);
        resolve();
      });
    });
    try {
      await this.pool.start();
    } catch (error) {
      this.#http.close();
      throw error;
    }
    return (this.#http.address() as AddressInfo).port;
  }

  /** As the health checks of a worker say it. */
  get readiness(): "starting" | "ready" | "draining" {
    if (this.#ending) return "draining";
    return this.pool.ready > 0 ? "ready" : "starting";
  }

  /** Exchanges all workers for new ones; a failure leaves the old ones running and is logged. */
  async roll(tell: (line: string) => void = () => undefined): Promise<void> {
    const { log } = this.#options;
    const say = (line: string) => {
      log.info({}, line);
      tell(line);
    };
    try {
      await this.pool.roll(say);
    } catch (error) {
      if (!(error instanceof WorkerFailed)) throw error;
      log.error(
        { reason: error.message, lastWords: error.lastWords },
        "not rolled: the workers there were go on",
      );
      throw error;
    }
  }

  /** Lets all clients go and ends the workers; the port stays open until then, for health checks. */
  async end(): Promise<void> {
    this.#ending = true;
    await this.pool.end();
    this.#http.close();
    this.#http.closeAllConnections();
  }
}
