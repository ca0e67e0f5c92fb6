/**
 * A client in a process of its own: for a network namespace, for SIGSTOP, and to keep the test's own loop out
 * of it.
 */

import { setTimeout as pause } from "node:timers/promises";
import { type ClientOptions, openClient } from "./client.ts";
import type { Outcome } from "./ledger.ts";
import { Scope } from "./owner.ts";
import { answerParent, tellParent } from "./parent.ts";
import type { Kind } from "./server.ts";

const { kind, url, options } = JSON.parse(process.argv[2] ?? "{}") as ClientProgramOptions;
const outcomes: ClientReport["outcomes"] = [];
const client = await openClient(new Scope(), kind, url, options);

answerParent({
  /** Emits the events `from` … `from + count - 1`, and answers when they are emitted, settled or not. */
  emit: async ({ from, count, intervalMs }: EmitInput): Promise<void> => {
    for (let id = from; id < from + count; id += 1) {
      client.work({ id }).then(
        () => outcomes.push({ id, outcome: "acknowledged" }),
        (error: Error) => outcomes.push({ id, outcome: "rejected", error: error.message }),
      );
      if (intervalMs !== undefined) await pause(intervalMs);
    }
  },
  report: (): ClientReport => ({
    received: client.entries.map(({ room, id }) => ({ room, id })),
    outcomes,
    connects: client.connects.length,
    disconnects: client.disconnects,
    gaps: client.gaps,
  }),
});
await tellParent("ready", {});

// --- types ---

export type ClientProgramOptions = {
  readonly kind: Kind;
  readonly url: string;
  readonly options: ClientOptions;
};
export type EmitInput = { readonly from: number; readonly count: number; readonly intervalMs?: number };
export type ClientReport = {
  readonly received: readonly { readonly room: string; readonly id: number }[];
  readonly outcomes: { readonly id: number; readonly outcome: Outcome; readonly error?: string }[];
  readonly connects: number;
  readonly disconnects: readonly string[];
  readonly gaps: readonly unknown[];
};
