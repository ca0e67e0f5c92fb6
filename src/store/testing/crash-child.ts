/**
 * A process for `../sqlite.test.ts` to kill: publishes and records as a handler does, eight at a time, and
 * prints each sequence once its outcome is recorded. Arguments: the store's address, the session, the
 * generation, the first sequence.
 */

import { roomKey } from "../../protocol/stream-key.ts";
import { openStore } from "../open.ts";

const [address = "", session = "", generation = "", firstSequence = ""] = process.argv.slice(2);
const store = await openStore(address);
let next = Number(firstSequence);

async function handleEvents(): Promise<never> {
  for (;;) {
    const sequence = next;
    next += 1;
    const idempotency = { scope: session, sequence, position: 0 };
    const appended = await store.append({
      keys: [roomKey("/", "room")],
      payload: `${sequence}`,
      at: 1,
      idempotency,
    });
    const body = JSON.stringify(appended.ok && appended.receipts[0]);
    const outcome = { sequence, status: "ok", body } as const;
    await store.record({ session, generation: Number(generation), node: "aaa", outcome, inboxLow: 0 });
    process.stdout.write(`${sequence} ${body}\n`);
  }
}

await Promise.all(Array.from({ length: 8 }, handleEvents));
