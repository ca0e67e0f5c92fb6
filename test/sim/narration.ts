/**
 * A failed run told short enough to read: what was violated, and the lines of the history that are about it.
 */

import type { SeedReport } from "./seed-runs.ts";

export function narrateFailure({ violations, history = "", plan }: SeedReport): string {
  const told = violations
    .slice(0, violationsMax)
    .map(({ guarantee, what }) => `BROKEN ${guarantee}: ${what}`);
  const [first] = violations;
  const words = first === undefined ? [] : namesIn(first.what);
  const about = history
    .split("\n")
    .filter((line) => isFrame(line) || words.some((word) => line.includes(word)));
  const left = about.length - linesMax;
  const lines = left > 0 ? [`  (${left} earlier lines)`, ...about.slice(-linesMax)] : about;
  return [...told, `plan ${JSON.stringify(plan)}`, ...lines].join("\n");
}

/** Ids of events, sessions and pages, which stand in quotes in the history. */
function namesIn(text: string): string[] {
  return text
    .split(/[\s,:()]+/)
    .filter((word) => /^(e\d+(#\d)?|n[0-9a-z]{2}\.\d+q?|c\d+p\d+|[\w-]{20})$/.test(word))
    .map((word) => `"${word}"`);
}

/** What happens to everyone: faults, and nodes that come and go. */
function isFrame(line: string): boolean {
  return / (fault|node|wrong) /.test(line);
}

const violationsMax = 10;
const linesMax = 70;
