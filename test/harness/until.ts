/**
 * Waiting on conditions. A test never sleeps: it names what it waits for, and fails with that name and the
 * last seen state when the deadline passes.
 */

import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";

/**
 * Polls `condition` until it returns something truthy, and returns that.
 *
 * The first polls run on consecutive turns of the event loop, later ones every 5 ms, so that a condition that
 * is nearly true costs nothing and a long wait does not burn the core that the server under test needs.
 *
 * @throws DeadlineError when `deadlineMs` (default 5000) has passed; an error thrown by `condition` passes
 *   through.
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions): Promise<Truthy<T>> {
  const deadlineMs = options.deadlineMs ?? 5_000;
  const startedAt = performance.now();
  for (let turn = 0; ; turn += 1) {
    const value = await condition();
    if (value) return value as Truthy<T>;
    const waitedMs = performance.now() - startedAt;
    if (waitedMs >= deadlineMs) throw new DeadlineError(describe(options), deadlineMs);
    if (turn < eagerTurns) await nextTurn();
    else await pause(Math.min(pollMs, deadlineMs - waitedMs));
  }
}

/**
 * Waits until the collection that `read` returns has at least `count` elements, and returns a copy of it.
 * The error of a passed deadline shows how many there were and the last few of them.
 */
export async function eventually<T>(read: () => Iterable<T>, options: EventuallyOptions): Promise<T[]> {
  let elements: T[] = [];
  const enough = (): boolean => {
    elements = [...read()];
    return elements.length >= options.count;
  };
  await until(enough, {
    deadlineMs: options.deadlineMs ?? 5_000,
    what: options.what,
    state: () =>
      `${elements.length} of ${options.count}, the last ones: ${JSON.stringify(elements.slice(-5))}`,
  });
  return elements;
}

/**
 * Bounds a promise. The deadline's timer does not outlive the promise.
 *
 * @throws DeadlineError when `promise` has not settled after `deadlineMs`.
 */
export async function within<T>(promise: Promise<T>, options: UntilOptions): Promise<T> {
  const deadlineMs = options.deadlineMs ?? 5_000;
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new DeadlineError(describe(options), deadlineMs)), deadlineMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

/** What was waited for did not happen in time. */
export class DeadlineError extends Error {
  override readonly name = "DeadlineError";

  constructor(what: string, deadlineMs: number) {
    super(`Not within ${deadlineMs} ms: ${what}`);
  }
}

function describe(options: UntilOptions): string {
  return options.state === undefined ? options.what : `${options.what} (${options.state()})`;
}

const eagerTurns = 20;
const pollMs = 5;

// --- types ---

export type UntilOptions = {
  readonly deadlineMs?: number;
  /** What is waited for, as the end of "Not within 5000 ms: …". */
  readonly what: string;
  /** Read when the deadline has passed, to show how things stood. */
  readonly state?: () => string;
};

export type EventuallyOptions = {
  readonly count: number;
  readonly deadlineMs?: number;
  readonly what: string;
};

type Truthy<T> = Exclude<T, false | 0 | "" | null | undefined>;
