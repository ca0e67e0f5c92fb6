/**
 * Events by time, and where that is the same in the order in which they were to happen and were scheduled.
 */

import type { Process } from "./virtual-time.ts";

export type TimedEvent = {
  at: number;
  /** When it was to happen; what a frozen process wakes up to happens in this order. */
  readonly dueAt: number;
  readonly order: number;
  readonly owner: Process;
  /** Undefined once it has happened or was cancelled. */
  run: (() => void) | undefined;
};

export class EventHeap {
  readonly #events: TimedEvent[] = [];

  push(event: TimedEvent): void {
    const events = this.#events;
    let index = events.length;
    events.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = events[parent] as TimedEvent;
      if (!isBefore(event, above)) break;
      events[index] = above;
      index = parent;
    }
    events[index] = event;
  }

  pop(): TimedEvent | undefined {
    const events = this.#events;
    const [first] = events;
    const last = events.pop();
    if (first === undefined || last === undefined || events.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= events.length) break;
      const right = events[child + 1];
      if (right !== undefined && isBefore(right, events[child] as TimedEvent)) child += 1;
      const below = events[child] as TimedEvent;
      if (!isBefore(below, last)) break;
      events[index] = below;
      index = child;
    }
    events[index] = last;
    return first;
  }
}

function isBefore(left: TimedEvent, right: TimedEvent): boolean {
  if (left.at !== right.at) return left.at < right.at;
  return left.dueAt === right.dueAt ? left.order < right.order : left.dueAt < right.dueAt;
}
