/**
 * Sessions under anything at any time: cuts on top of cuts, crashes, moves, reloads, retries, failing writes.
 */

import fc from "fast-check";
import { expect, test } from "vitest";
import { Pair } from "./testing/pair.ts";

const action = fc.record({
  kind: fc.constantFrom(
    "emit",
    "emit",
    "emit",
    "large",
    "cancel",
    "publish",
    "publish",
    "quiet",
    "page",
    "cut",
    "halfOpen",
    "crash",
    "move",
    "reload",
    "fail",
    "head",
  ),
  /** How many things happen before the next action. */
  steps: fc.nat({ max: 12 }),
  pick: fc.nat({ max: 9 }),
});

test("G1 G2 whatever happens: one end for each emit, in order, and a room without holes", () => {
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 40, size: "max" }),
      fc.constantFrom(0, 2, 9),
      (actions, commitMs) => {
        const pair = new Pair({
          commitMs,
          handle: (run, attempt) =>
            run.sequence % 5 === 0 && attempt < 3
              ? { kind: "retry", delayMs: 7 }
              : { kind: "ok", afterMs: run.sequence % 3 },
        });
        pair.connect();
        pair.drive();
        const published: string[] = [];
        let emits = 0;
        for (const { kind, steps, pick } of actions) {
          if (kind === "emit") pair.emit(`e${emits++}`);
          else if (kind === "large") pair.emit(`e${emits++}`, { args: ["x".repeat(30 + 40 * pick)] });
          else if (kind === "cancel") pair.cancel(pick % Math.max(1, emits));
          else if (kind === "publish" || kind === "quiet" || kind === "page") {
            const args = kind === "page" ? ["y".repeat(30 * pick)] : [];
            published.push(`p${published.length}`);
            pair.publish(`p${published.length - 1}`, { announce: kind !== "quiet", args });
          } else if (kind === "cut") pair.cut();
          else if (kind === "halfOpen") pair.cutHalfOpen();
          else if (kind === "crash") pair.crashServer();
          else if (kind === "move") pair.moveServer();
          else if (kind === "reload") pair.reloadPage();
          else if (kind === "fail") pair.store.failures += 1;
          else pair.server?.handleHead();
          let left = steps;
          pair.drive(() => left-- <= 0);
        }
        pair.drive();
        pair.server?.handleHead();
        pair.drive();
        expect(pair.shownNames).toEqual(published);
        for (const [name, outcome] of Object.entries(pair.outcomes))
          expect(["ok", "expired"], name).toContain(outcome);
        const first = [...new Set(pair.handledNames)].map((name) => Number(String(name).slice(1)));
        expect(first).toEqual(first.toSorted((a, b) => a - b));
        expect([pair.violations, pair.refused, pair.client.pending]).toEqual([[], [], 0]);
      },
    ),
    { numRuns: 1000 },
  );
});
