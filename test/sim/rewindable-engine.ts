/**
 * The engine behind a simulated installation, which can be set back to an earlier time, as by a failover or a
 * restored backup.
 */

import { isRead, type Operation, type Result } from "../../src/store/operation.ts";
import { openEngine, type EngineName, type SimulatedEngine } from "./engines.ts";

export class RewindableEngine {
  readonly #name: EngineName;
  readonly #now: () => number;
  readonly #epochs = new EpochNames();
  #engine: SimulatedEngine;
  /** What was committed, so that it can be done again up to an earlier time. */
  #batches: { readonly at: number; readonly operations: readonly Operation[] }[] = [];

  /** `now`: virtual milliseconds. */
  constructor(name: EngineName, now: () => number) {
    this.#name = name;
    this.#now = now;
    this.#engine = openEngine(name, () => this.#epochs.next());
  }

  commit(operations: readonly Operation[]): Promise<readonly Result[]> {
    const committed = this.#engine.commit(operations);
    // A batch that the engine refuses has changed nothing, and is refused again.
    if (operations.some(({ kind }) => !isRead(kind))) this.#batches.push({ at: this.#now(), operations });
    return committed;
  }

  powerCut(): void {
    this.#engine.powerCut();
  }

  /** What was committed after `time` never was. Returns the operations that are lost. */
  rewind(time: number): readonly Operation[] {
    const lost = this.#batches.filter(({ at }) => at > time).flatMap(({ operations }) => operations);
    this.#batches = this.#batches.filter(({ at }) => at <= time);
    this.#engine.close();
    this.#epochs.replay();
    this.#engine = openEngine(this.#name, () => this.#epochs.next());
    // Both engines have done their work when `commit` returns; only a failure would be told later.
    for (const { operations } of this.#batches) void this.#engine.commit(operations).catch(() => undefined);
    this.#epochs.beginHistory();
    return lost;
  }

  close(): void {
    this.#engine.close();
  }
}

/** Names of epochs, as random as they have to be: none comes twice, except when its history is done again. */
class EpochNames {
  readonly #given: string[] = [];
  #replayed = 0;
  #replaying = false;
  #history = 0;

  next(): string {
    if (this.#replaying) {
      const name = this.#given[this.#replayed];
      this.#replayed += 1;
      if (name === undefined) throw new Error("a history has more epochs when it is done again");
      return name;
    }
    const name = `epoch${this.#history}.${this.#given.length + 1}`;
    this.#given.push(name);
    return name;
  }

  replay(): void {
    this.#replayed = 0;
    this.#replaying = true;
  }

  /** From here on something else may happen than before. */
  beginHistory(): void {
    this.#given.splice(this.#replayed);
    this.#replaying = false;
    this.#history += 1;
  }
}
