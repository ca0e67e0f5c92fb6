/** Runs seeds one after another and prints one line of JSON for each; started by `main.ts`. */

import "./virtual-time.ts";
import type { EngineName } from "./engines.ts";
import { runSeed } from "./run.ts";
import { running } from "./virtual-time.ts";

const [first = "1", count = "1", stride = "1", trace = "", also = "", store = "memory"] =
  process.argv.slice(2);

process.on("uncaughtException", (error) => running.timeline.onUncaught(error));
process.on("unhandledRejection", (error) => running.timeline.onUncaught(error));

for (let index = 0; index < Number(count); index++) {
  const seed = Number(first) + index * Number(stride);
  const { violations, events, steps, virtualMs, history, plan } = await runSeed(
    seed,
    also.split(","),
    store as EngineName,
  );
  const line = { seed, violations, events, steps, virtualMs };
  const more = trace === "trace" ? { plan, history: history.text() } : {};
  process.stdout.write(`${JSON.stringify({ ...line, ...more })}\n`);
}
// Nothing of the simulation holds the process: its timers are virtual.
process.exitCode = 0;
