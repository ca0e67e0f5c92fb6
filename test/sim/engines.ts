/** The two shipped engines as the simulation runs them: in its own process, with epochs that repeat. */

import { copyFileSync, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MemoryEngine } from "../../src/store/memory.ts";
import type { Operation, Result } from "../../src/store/operation.ts";
import { SqliteFile } from "../../src/store/sqlite-file.ts";
import { decodeOperation, decodeResult, encodeOperation, encodeResult } from "../../src/store/sqlite-wire.ts";

export type EngineName = "memory" | "sqlite";

export type SimulatedEngine = {
  commit(operations: readonly Operation[]): Promise<readonly Result[]>;
  /** The machine loses power and comes back: what was committed is there. */
  powerCut(): void;
  close(): void;
};

export function openEngine(name: EngineName, newEpoch: () => string): SimulatedEngine {
  return name === "sqlite" ? new SqliteOnDisk(newEpoch) : new MemoryOutside(newEpoch);
}

/** Stands for a store that nodes reach over a network, and that does not lose power with them. */
class MemoryOutside implements SimulatedEngine {
  readonly #engine: MemoryEngine;

  constructor(newEpoch: () => string) {
    this.#engine = new MemoryEngine({ newEpoch });
  }

  commit(operations: readonly Operation[]): Promise<readonly Result[]> {
    return this.#engine.commit(operations);
  }

  powerCut(): void {}

  close(): void {}
}

/** The shipped SQLite store without its thread and its checkpoints by time. */
class SqliteOnDisk implements SimulatedEngine {
  readonly #folder = mkdtempSync(join(temporaryFolder(), "holdfast-sim-"));
  readonly #newEpoch: () => string;
  #generation = 0;
  #file: SqliteFile;

  constructor(newEpoch: () => string) {
    this.#newEpoch = newEpoch;
    this.#file = this.#open();
  }

  commit(operations: readonly Operation[]): Promise<readonly Result[]> {
    // Through the same encoding as between the threads.
    const received = structuredClone(operations.map(encodeOperation)).map(decodeOperation);
    try {
      const results = this.#file.commit(received);
      const wired = results.map((result, index) => encodeResult(received[index] as Operation, result));
      return Promise.resolve(
        structuredClone(wired).map((wire, index) => decodeResult(operations[index] as Operation, wire)),
      );
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Goes on with what is on the disk at this moment: the log of SQLite is not copied back, nor closed. */
  powerCut(): void {
    const from = this.#path;
    this.#generation += 1;
    for (const part of ["", "-wal"]) {
      if (existsSync(from + part)) copyFileSync(from + part, this.#path + part);
    }
    this.#file.close();
    this.#file = this.#open();
  }

  close(): void {
    this.#file.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #path(): string {
    return join(this.#folder, `${this.#generation}.db`);
  }

  #open(): SqliteFile {
    const options = { file: this.#path, busyTimeoutMs: 1_000, maxPages: undefined };
    return new SqliteFile(options, this.#newEpoch);
  }
}

/**
 * What survives here only has to survive the simulated power, so no disk is waited for where memory will do.
 */
function temporaryFolder(): string {
  return existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
}
