/**
 * The workers of a primary: started, replaced when they die, and exchanged for new ones. A worker is
 * starting, ready or leaving; new clients go to those that are ready.
 */

import type { Worker } from "node:cluster";
import { EventEmitter } from "node:events";
import { LastWords } from "./last-words.ts";
import { isNotice, type Order } from "./messages.ts";

export type PoolLog = {
  info(detail: object, message: string): void;
  warn(detail: object, message: string): void;
  error(detail: object, message: string): void;
};

export type PoolOptions = {
  /** Workers that take clients. */
  readonly size: number;
  readonly fork: () => Worker;
  readonly routing: {
    open(worker: Worker): void;
    close(worker: Worker): void;
    forget(worker: Worker): void;
  };
  readonly log: PoolLog;
  /** A worker that is not ready after so long is given up. */
  readonly readyTimeoutMs: number;
  /** A worker that has not ended so long after it was asked to is killed. */
  readonly drainTimeoutMs: number;
};

type Member = {
  readonly worker: Worker;
  readonly startedAt: number;
  state: "starting" | "ready" | "leaving";
  /** Versions of the protocol that it has said to serve. */
  protocols: readonly number[];
  readonly ready: Promise<void>;
  readonly ended: Promise<string>;
};

/** A worker that did not get ready, or may not take clients; the message says what is known. */
export class WorkerFailed extends Error {
  override readonly name = "WorkerFailed";
  /** With which it ended by itself; undefined when it was killed or timed out. */
  readonly exitCode: number | undefined;
  /** What it wrote to standard error last. */
  readonly lastWords: readonly string[];

  constructor(message: string, known: { exitCode?: number | null; lastWords?: readonly string[] } = {}) {
    super(message);
    this.exitCode = known.exitCode ?? undefined;
    this.lastWords = known.lastWords ?? [];
  }
}

/** Nobody has to listen. */
export type PoolEvents = {
  /** A worker ended without having been asked to. */
  died: [];
  rolled: [];
  /** A roll that left the old workers running. */
  refused: [];
};

export class WorkerPool extends EventEmitter<PoolEvents> {
  readonly #options: PoolOptions;
  readonly #members = new Set<Member>();
  #ending = false;
  #rolling = false;
  /** Deaths one after the other of workers that did not live long. */
  #earlyDeaths = 0;
  #filling: ReturnType<typeof setTimeout> | undefined;
  /** Who has committed in this turn. */
  readonly #committed = new Set<Worker>();

  constructor(options: PoolOptions) {
    super();
    this.#options = options;
  }

  get ready(): number {
    return [...this.#members].filter(({ state }) => state === "ready").length;
  }

  get rolling(): boolean {
    return this.#rolling;
  }

  /** Workers by state, for reports. */
  get states(): readonly { readonly pid: number; readonly state: Member["state"] }[] {
    return [...this.#members].map(({ worker, state }) => ({ pid: worker.process.pid ?? 0, state }));
  }

  /** Workers that have been ready and have not ended. */
  get answering(): readonly Worker[] {
    return [...this.#members].filter(({ state }) => state !== "starting").map(({ worker }) => worker);
  }

  /**
   * Starts the workers: the first one alone, so that what is wrong is said once, and a store is migrated
   * once.
   *
   * @throws {WorkerFailed} none is left running then.
   */
  async start(): Promise<void> {
    try {
      await this.#enlist(1);
      await this.#enlist(this.#options.size - 1);
    } catch (error) {
      this.#ending = true;
      for (const member of this.#members) member.worker.process.kill("SIGKILL");
      throw error;
    }
  }

  /**
   * Exchanges all workers: the new ones are all ready before the first old one is asked to leave, and the old
   * ones leave one after the other, so that their clients do not come back all at once.
   *
   * @throws {WorkerFailed} the old ones go on then, as if nothing had been.
   */
  async roll(tell: (line: string) => void): Promise<void> {
    try {
      await this.#roll(tell);
      this.emit("rolled");
    } catch (error) {
      this.emit("refused");
      throw error;
    }
  }

  async #roll(tell: (line: string) => void): Promise<void> {
    if (this.#rolling) throw new WorkerFailed("a roll is under way already");
    if (this.#ending) throw new WorkerFailed("the workers are being ended");
    this.#rolling = true;
    try {
      const old = [...this.#members].filter(({ state }) => state !== "leaving");
      tell(`starting ${this.#options.size} new workers`);
      await this.#enlist(this.#options.size, old);
      for (const [index, member] of old.entries()) {
        tell(`letting go the clients of worker ${member.worker.process.pid} (${index + 1} of ${old.length})`);
        await this.#dismiss(member);
      }
      tell(`rolled: ${this.ready} workers`);
    } finally {
      this.#rolling = false;
      this.#fillSoon();
    }
  }

  /** Ends all workers, all at the same time. */
  async end(): Promise<void> {
    this.#ending = true;
    clearTimeout(this.#filling);
    await Promise.all([...this.#members].map((member) => this.#dismiss(member)));
  }

  /** Ends all workers at once. */
  kill(): void {
    this.#ending = true;
    clearTimeout(this.#filling);
    for (const { worker } of this.#members) worker.process.kill("SIGKILL");
  }

  /** Starts workers; when all are ready they take the new clients, and `instead` takes none any more. */
  async #enlist(count: number, instead: readonly Member[] = []): Promise<void> {
    const { routing } = this.#options;
    const members = Array.from({ length: count }, () => this.#launch());
    const results = await Promise.allSettled(members.map(({ ready }) => ready));
    const failure = results.find((result) => result.status === "rejected");
    if (failure !== undefined) {
      await this.#abandon(members);
      throw failure.reason;
    }
    const unserved = unservedProtocols(instead, members);
    if (unserved.length > 0) {
      await this.#abandon(members);
      throw new WorkerFailed(
        `the new version does not serve protocol version ${unserved.join(", ")}, which clients speak now: ` +
          "end the primary and start it again instead of rolling",
      );
    }
    for (const { worker } of instead) routing.close(worker);
    for (const member of members) {
      if (member.state !== "starting") continue;
      member.state = "ready";
      routing.open(member.worker);
    }
  }

  #launch(): Member {
    const { fork, routing, log, readyTimeoutMs } = this.#options;
    const worker = fork();
    routing.close(worker);
    const words = new LastWords(worker.process.stderr);
    const ended = new Promise<string>((resolve) => {
      worker.once("exit", (code: number | null, signal: string | null) => resolve(signal ?? `code ${code}`));
    });
    const ready = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new WorkerFailed(`a new worker was not ready after ${readyTimeoutMs} ms`)),
        readyTimeoutMs,
      );
      worker.once("exit", (code: number | null, signal: string | null) => {
        clearTimeout(timer);
        const how = signal === null ? `exit code ${code}` : signal;
        const message = `a new worker ended with ${how} before it was ready`;
        void words
          .lines()
          .then((lastWords) => reject(new WorkerFailed(message, { exitCode: code, lastWords })));
      });
      worker.on("message", (message: unknown) => {
        if (!isNotice(message)) return;
        if (message.holdfast === "ready") {
          clearTimeout(timer);
          words.forget();
          member.protocols = message.protocols ?? [];
          resolve();
        } else if (message.holdfast === "committed") this.#hint(worker);
      });
    });
    // Whoever waits for it hears of the failure; of a worker that is ready nobody may wait any more.
    ready.catch(() => undefined);
    const member: Member = { worker, startedAt: Date.now(), state: "starting", protocols: [], ready, ended };
    this.#members.add(member);
    void ended.then((how) => this.#left(member, how));
    worker.on("error", (error) => log.warn({ error, worker: worker.process.pid }, "worker"));
    return member;
  }

  /** The other workers look at once for what this one has committed. Hints of one turn become one. */
  #hint(from: Worker): void {
    this.#committed.add(from);
    if (this.#committed.size > 1) return;
    setImmediate(() => {
      for (const { worker } of this.#members) {
        if (this.#committed.size > 1 || !this.#committed.has(worker)) tell(worker, { holdfast: "follow" });
      }
      this.#committed.clear();
    });
  }

  /** Whoever is told that a roll has failed finds the workers as they were before. */
  async #abandon(members: readonly Member[]): Promise<void> {
    for (const member of members) {
      member.state = "leaving";
      member.worker.process.kill("SIGKILL");
    }
    await Promise.all(members.map(({ ended }) => ended));
  }

  async #dismiss(member: Member): Promise<void> {
    const { routing, drainTimeoutMs, log } = this.#options;
    const { worker } = member;
    member.state = "leaving";
    // While all of them leave, somebody has to say so to whoever asks.
    if (!this.#ending) routing.close(worker);
    tell(worker, { holdfast: "drain", lead: this.#ending });
    const timer = setTimeout(() => {
      log.error({ worker: worker.process.pid, drainTimeoutMs }, "a worker did not end in time and is killed");
      worker.process.kill("SIGKILL");
    }, drainTimeoutMs);
    await member.ended;
    clearTimeout(timer);
  }

  #left(member: Member, how: string): void {
    const { routing, log } = this.#options;
    this.#members.delete(member);
    routing.forget(member.worker);
    if (this.#ending || member.state === "leaving") {
      log.info({ worker: member.worker.process.pid, how }, "worker ended");
      return;
    }
    if (this.#rolling && member.state === "starting") {
      // It took no client; whoever rolls says what becomes of it.
      log.warn({ worker: member.worker.process.pid, how }, "new worker ended before it was ready");
      return;
    }
    const livedMs = Date.now() - member.startedAt;
    this.emit("died");
    this.#earlyDeaths = livedMs < longLifeMs ? this.#earlyDeaths + 1 : 0;
    log.error({ worker: member.worker.process.pid, how, livedMs }, "worker died");
    if (this.#earlyDeaths === loopDeaths) {
      log.error(
        { deaths: loopDeaths, how },
        "crash loop: workers die within seconds of their start. Look at what they logged last; " +
          `a new one is tried every ${pauseMsMax / 1000} s`,
      );
    }
    this.#fillSoon();
  }

  #fillSoon(): void {
    // Before the first workers are ready whoever starts them decides; while new ones start, they are enough.
    if (this.#ending || this.#rolling || this.#filling !== undefined) return;
    const pauseMs =
      this.#earlyDeaths === 0 ? 0 : Math.min(pauseMsMax, firstPauseMs * 2 ** (this.#earlyDeaths - 1));
    this.#filling = setTimeout(() => {
      this.#filling = undefined;
      void this.#fill();
    }, pauseMs);
  }

  async #fill(): Promise<void> {
    const present = [...this.#members].filter(({ state }) => state !== "leaving").length;
    const missing = this.#options.size - present;
    if (missing <= 0 || this.#ending || this.#rolling) return;
    const members = Array.from({ length: missing }, () => this.#launch());
    await Promise.all(
      members.map(async (member) => {
        try {
          await member.ready;
          if (member.state !== "starting") return;
          member.state = "ready";
          this.#options.routing.open(member.worker);
        } catch {
          // One that ended by itself has been noted; one that hangs is ended, and then noted.
          member.worker.process.kill("SIGKILL");
        }
      }),
    );
  }
}

/** What clients of the old workers speak and the new ones do not. */
function unservedProtocols(old: readonly Member[], members: readonly Member[]): number[] {
  const spoken = new Set(old.flatMap(({ protocols }) => protocols));
  return [...spoken].filter((version) => members.some(({ protocols }) => !protocols.includes(version)));
}

function tell(worker: Worker, order: Order): void {
  // A worker that has just died hears nothing any more.
  if (worker.isConnected()) worker.send(order, undefined, () => undefined);
}

/** A worker that lived longer died of something else than of its start. */
const longLifeMs = 10_000;
const firstPauseMs = 200;
const pauseMsMax = 30_000;
/** 200 ms, 400 ms ... 3.2 s: some six seconds of it are not called a loop. */
const loopDeaths = 5;
