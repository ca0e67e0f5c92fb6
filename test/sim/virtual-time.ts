/**
 * Virtual time for a whole Node process: timers, immediates, clocks and randomness of the platform are
 * replaced, and stay so. Has to be imported before everything that takes them (socket.io-client keeps
 * `setTimeout` at its import).
 *
 * Promises and `process.nextTick` stay real: between two virtual events Node itself runs them until none is
 * left.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { Seeded } from "./seeded.ts";
import { EventHeap, type TimedEvent } from "./event-heap.ts";

const real = { setImmediate };

/** A simulated process. What it has scheduled does not happen when it is dead, and late when it is frozen. */
export class Process {
  readonly name: string;
  alive = true;
  frozenUntil = 0;
  /** Its wall clock is off by this; the monotonic one is not. */
  skewMs = 0;
  /** It dies after so many more outputs (packets and commits), in the middle of whatever it is doing. */
  outputsLeft = Number.POSITIVE_INFINITY;
  /** What its code draws by `Math.random`; made when it first does. */
  random: Seeded | undefined;
  /** Called when it dies of `outputsLeft`. */
  died: () => void = () => {};

  constructor(name: string) {
    this.name = name;
  }

  /** Counts an output; false when the process did not live to make it. */
  output(): boolean {
    if (!this.alive) return false;
    this.outputsLeft -= 1;
    if (this.outputsLeft >= 0) return true;
    this.alive = false;
    this.died();
    return false;
  }
}

export class Timeline {
  now = 0;
  /** Events that have happened. */
  steps = 0;
  /** Whose code is running; promises that follow an event belong to the event's process. */
  current: Process;
  readonly random: Seeded;
  /** For identities, so that they are the same in every run of a seed. */
  readonly identities: Seeded;
  onUncaught: (error: unknown) => void = () => {};
  readonly #heap = new EventHeap();
  readonly #world = new Process("world");
  #sequence = 0;

  constructor(seed: number) {
    this.random = new Seeded(seed);
    this.identities = this.random.fork();
    this.current = this.#world;
  }

  /** Something outside of all processes. */
  later(delayMs: number, run: () => void): TimedEvent {
    return this.for(this.#world, delayMs, run);
  }

  /** Something that happens to a process, if it is still alive then. */
  for(owner: Process, delayMs: number, run: () => void): TimedEvent {
    this.#sequence += 1;
    const at = this.now + delayMs;
    const event = { at, dueAt: at, order: this.#sequence, owner, run };
    this.#heap.push(event);
    return event;
  }

  cancel(event: TimedEvent): void {
    event.run = undefined;
  }

  /** Runs events until `done` says so or nothing is left to happen. */
  drive(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      let finished = false;
      let left = 0;
      const step = () => {
        if (finished) return;
        if (done() || !this.#next()) {
          finished = true;
          resolve();
          return;
        }
        left -= 1;
        if (left === 0) refill();
      };
      // Node empties its queues of ticks and promises after every immediate; a turn of the loop costs more
      // than one.
      const refill = () => {
        left = stepsPerTurn;
        for (let index = 0; index < stepsPerTurn; index++) real.setImmediate(step);
      };
      refill();
    });
  }

  #next(): boolean {
    for (;;) {
      const event = this.#heap.pop();
      if (event === undefined) return false;
      const { run, owner } = event;
      if (run === undefined || !owner.alive) continue;
      if (owner.frozenUntil > event.at) {
        event.at = owner.frozenUntil;
        this.#heap.push(event);
        continue;
      }
      this.now = Math.max(this.now, event.at);
      this.steps += 1;
      this.current = owner;
      event.run = undefined;
      try {
        run();
      } catch (error) {
        this.onUncaught(error);
      }
      return true;
    }
  }
}

/** The run that is going on; platform functions work on its time. */
export const running: { timeline: Timeline } = { timeline: new Timeline(0) };

/** What `setTimeout` and its kin return; the platform's is an object with these methods as well. */
class VirtualTimer {
  readonly #run: () => void;
  readonly #delayMs: number;
  readonly #repeats: boolean;
  readonly #timeline = running.timeline;
  readonly #owner = running.timeline.current;
  readonly #inContext = AsyncLocalStorage.snapshot();
  #event: TimedEvent | undefined;

  constructor(run: () => void, delayMs: number, repeats: boolean) {
    this.#run = run;
    this.#delayMs = delayMs;
    this.#repeats = repeats;
    this.refresh();
  }

  refresh(): this {
    this.close();
    this.#event = this.#timeline.for(this.#owner, this.#delayMs, () => {
      this.#event = undefined;
      if (this.#repeats) this.refresh();
      this.#inContext(this.#run);
    });
    return this;
  }

  close(): this {
    if (this.#event !== undefined) this.#timeline.cancel(this.#event);
    this.#event = undefined;
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

type Anything = (...args: unknown[]) => unknown;

function startTimer(repeats: boolean) {
  return (run: Anything, delayMs?: number, ...args: unknown[]) =>
    new VirtualTimer(() => void run(...args), Math.max(1, Number(delayMs) || 1), repeats);
}

function stopTimer(timer: unknown): void {
  if (timer instanceof VirtualTimer) timer.close();
}

const timers = {
  setTimeout: startTimer(false),
  setInterval: startTimer(true),
  setImmediate: (run: Anything, ...args: unknown[]) => new VirtualTimer(() => void run(...args), 0, false),
  clearTimeout: stopTimer,
  clearInterval: stopTimer,
  clearImmediate: stopTimer,
};

function install(): void {
  Object.assign(globalThis, timers);
  const require = createRequire(import.meta.url);
  Object.assign(require("node:timers") as object, timers);
  Date.now = () => Math.floor(epochMs + running.timeline.now + running.timeline.current.skewMs);
  performance.now = () => running.timeline.now;
  Math.random = () => {
    const { current, random } = running.timeline;
    current.random ??= random.named(`process ${current.name}`);
    return current.random.next();
  };
  Object.assign(require("node:crypto") as object, {
    randomBytes: (size: number, done?: (error: null, bytes: Buffer) => void) => {
      const bytes = identity(size);
      done?.(null, bytes);
      return bytes;
    },
  });
  syncBuiltinESMExports();
}

/**
 * Socket.IO keeps a pool over all runs of a process, so that draws for it would differ from run to run; what
 * it makes of it is replaced by the session's id.
 */
function identity(size: number): Buffer {
  const bytes = Buffer.alloc(size, 1);
  if (size > poolBytesMin) return bytes;
  for (let index = 0; index < size; index++) bytes[index] = running.timeline.identities.whole(0, 255);
  return bytes;
}

/** Any time will do that is no round number of days. */
const epochMs = 1_800_000_012_345;
const poolBytesMin = 1_024;

/** More would save little, and a failed run goes on for as many empty steps. */
const stepsPerTurn = 64;

install();
