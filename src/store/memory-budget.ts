/** What the memory engine may hold. Estimates, in bytes, so that "bounded" is one number. */

import type { Operation } from "./operation.ts";

export class MemoryBudget {
  readonly bytesMax: number;
  #used = 0;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get used(): number {
    return this.#used;
  }

  /** Whether the operations fit, at the worst: a duplicate takes nothing, but that is not known before. */
  hasRoomFor(operations: readonly Operation[]): boolean {
    let needed = 0;
    for (const operation of operations) needed += growthOf(operation);
    return needed === 0 || this.#used + needed <= this.bytesMax;
  }

  take(bytes: number): void {
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}

/** What one of each kind takes besides its texts: the heap's growth over 100,000 of them, rounded up. */
export const memoryCost = {
  stream: 896,
  entry: 192,
  session: 1152,
  membership: 256,
  cursor: 128,
  outcome: 128,
  chunk: 128,
  key: 384,
} as const;

function growthOf(operation: Operation): number {
  switch (operation.kind) {
    case "append": {
      const { keys, payload, idempotency } = operation.request;
      const entries = keys.length * (memoryCost.stream + memoryCost.entry + payload.length);
      return entries + (idempotency === undefined ? 0 : memoryCost.key);
    }
    case "openSession":
      return memoryCost.session + operation.request.data.length + memoryCost.stream + memoryCost.membership;
    case "saveData":
      return operation.request.data.length;
    case "join":
      return memoryCost.stream + memoryCost.membership + memoryCost.cursor;
    case "enroll":
      // Whom it chooses is not known before; what it takes is counted when it is taken.
      return operation.request.rooms.length * (memoryCost.stream + memoryCost.membership);
    case "record":
      return (
        memoryCost.outcome + operation.request.outcome.body.length + (operation.request.data?.length ?? 0)
      );
    case "putChunk":
      return memoryCost.chunk + operation.request.text.length;
    default:
      return 0;
  }
}
