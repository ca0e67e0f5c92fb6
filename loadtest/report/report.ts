/** What a report consists of: the JSON beside the page, and all that the page is made of. */

import type { Kind } from "../contract.ts";
import type { RunResult } from "../run.ts";
import type { Outcome } from "./outcome.ts";

export type Report = {
  readonly outcome: Outcome;
  readonly scenario: string;
  readonly title: string;
  readonly command: string;
  readonly seed: number;
  readonly clients: number;
  readonly rate: number;
  readonly store: string;
  /** What the servers were, and what stood in front of them. */
  readonly topology: string;
  /** Clients were written by hand. */
  readonly raw: boolean;
  readonly startedAt: string;
  readonly commit: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: string;
  readonly lateAfterMs: number;
  /** Holdfast first, then the controls. */
  readonly results: readonly RunResult[];
  /** Servers that were there already, and what a reader has to know beside the verdict. */
  readonly target?: { readonly url: string; readonly remarks: readonly string[] };
};

export const kindTitles: Readonly<Record<Kind, string>> = {
  holdfast: "Holdfast",
  stock: "Socket.IO",
  retries: "Socket.IO, retries",
  csr: "Socket.IO, recovery in memory",
  "csr-redis": "Socket.IO, recovery over Redis Streams",
};
