/** Performs the transcripts that are named and prints each anew, as a line of JSON; started by the test. */

import "../sim/virtual-time.ts";
import { readFileSync } from "node:fs";
import { PairStage } from "./pair-stage.ts";
import { perform, type Stage } from "./script.ts";
import { WorldStage } from "./world-stage.ts";

const open = (command: string): Stage => {
  if (/^pair\b/.test(command)) return new PairStage(command);
  if (/^world\b/.test(command)) return new WorldStage(command);
  throw new Error("a transcript begins with `pair` or `world`");
};

for (const path of process.argv.slice(2)) {
  // oxlint-disable-next-line no-await-in-loop -- they share one virtual time.
  const text = await perform(readFileSync(path, "utf8"), open);
  process.stdout.write(`${JSON.stringify({ path, text })}\n`);
}
