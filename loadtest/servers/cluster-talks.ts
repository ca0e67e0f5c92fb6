/**
 * What a primary under load says to its workers: what to publish, and other things on the conductor's behalf.
 */

import type { Worker } from "node:cluster";
import type { Answer } from "../../test/harness/parent.ts";
import type { Talk } from "../contract.ts";
import type { Talking } from "./speaker.ts";

/** Who publishes what share. A worker that leaves hands its share over to one that has none. */
export class Talks {
  readonly #talks = new Map<number, Mutable<Talk>>();
  #talking: Talking | undefined;
  #share = 0;

  get list(): readonly Talk[] {
    return [...this.#talks.values()];
  }

  async begin(talking: Talking, workers: readonly Worker[]): Promise<void> {
    this.#talking = talking;
    this.#share = talking.rate / workers.length;
    await Promise.all(workers.map((worker) => this.#have(worker, talking.from)));
  }

  async handOver({ pid, at }: Hushed, workers: readonly Worker[]): Promise<void> {
    const ended = this.#talks.get(pid);
    if (ended === undefined || ended.until < at) return;
    ended.until = at;
    const heir = workers.find((worker) => !this.#talks.has(pidOf(worker)));
    if (heir !== undefined) await this.#have(heir, Date.now());
  }

  async #have(worker: Worker, from: number): Promise<void> {
    if (this.#talking === undefined) return;
    const { rooms, until } = this.#talking;
    const place = this.#talks.size % rooms.length;
    const share: Talk = { publisher: "", rate: this.#share, from, until };
    this.#talks.set(pidOf(worker), share);
    const inTurn = [...rooms.slice(place), ...rooms.slice(0, place)];
    const publisher = await ask<string>(worker, "talk", { rooms: inTurn, rate: this.#share, from, until });
    // Its end may have been told meanwhile.
    this.#talks.set(pidOf(worker), { ...(this.#talks.get(pidOf(worker)) ?? share), publisher });
  }
}

let questions = 0;

/** Has a worker carry out one of its commands. */
export function ask<T>(worker: Worker, command: string, input: unknown): Promise<T> {
  const question = (questions += 1);
  return new Promise((resolve, reject) => {
    const take = (answer: Answer) => {
      if (answer.question !== question) return;
      worker.off("message", take);
      if ("error" in answer) reject(new Error(answer.error));
      else resolve(answer.value as T);
    };
    worker.on("message", take);
    worker.once("exit", () => reject(new Error(`a worker ended before it answered "${command}"`)));
    worker.send({ question, command, input });
  });
}

function pidOf({ process: { pid = 0 } }: Worker): number {
  return pid;
}

// --- types ---

/** Of a worker that leaves: it has published its last. */
export type Hushed = { readonly pid: number; readonly at: number };

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
