/** What a check has found. */

import type { Cure, Proxy } from "./cures.ts";

export type Result = "ok" | "warning" | "problem" | "skipped";

export type Finding = {
  readonly result: Result;
  /** In a line or two, with figures. */
  readonly seen: string;
  /** The same for programs. */
  readonly figures?: Readonly<Record<string, unknown>>;
  /** What is wrong, each with what it means and how to change it. */
  readonly cures?: readonly Cure[];
};

/** A finding under the name of its check. */
export type Row = Finding & { readonly check: string; readonly tookMs: number };

/** All that is known in the end. */
export type Report = {
  readonly url: string;
  readonly path: string;
  readonly namespace: string;
  readonly rows: readonly Row[];
  readonly proxy: Proxy | undefined;
  readonly interrupted: boolean;
};

export function ok(seen: string, figures: Finding["figures"] = {}): Finding {
  return { result: "ok", seen, figures };
}

export function skipped(seen: string): Finding {
  return { result: "skipped", seen };
}

export function warning(seen: string, cures: readonly Cure[], figures: Finding["figures"] = {}): Finding {
  return { result: "warning", seen, figures, cures };
}

export function problem(seen: string, cures: readonly Cure[], figures: Finding["figures"] = {}): Finding {
  return { result: "problem", seen, figures, cures };
}
