/**
 * Performs the transcripts that are named and prints each anew, as a line of JSON with `text` or, where that
 * could not be done, `error`; started by the test.
 */

import "../sim/virtual-time.ts";
import { readFileSync } from "node:fs";
import { running } from "../sim/virtual-time.ts";
import { PairStage } from "./pair-stage.ts";
import { perform, type Stage } from "./script.ts";
import { WorldStage } from "./world-stage.ts";

const open = (command: string): Stage => {
  if (/^pair\b/.test(command)) return new PairStage(command);
  if (/^world\b/.test(command)) return new WorldStage(command);
  throw new Error("a transcript begins with `pair` or `world`");
};

let uncaught = "";
const note = (error: unknown) => {
  if (uncaught === "") uncaught = error instanceof Error ? String(error) : JSON.stringify(error);
  running.timeline.onUncaught(error);
};
process.on("uncaughtException", note);
process.on("unhandledRejection", note);

async function performed(path: string): Promise<{ text: string } | { error: string }> {
  uncaught = "";
  try {
    const text = await perform(readFileSync(path, "utf8"), open);
    return uncaught === "" ? { text } : { error: uncaught };
  } catch (error) {
    return { error: String(error) };
  }
}

for (const path of process.argv.slice(2)) {
  // oxlint-disable-next-line no-await-in-loop -- they share one virtual time.
  process.stdout.write(`${JSON.stringify({ path, ...(await performed(path)) })}\n`);
}
