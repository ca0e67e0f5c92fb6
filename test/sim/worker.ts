/** Runs seeds one after another and prints one line of JSON for each; started by `main.ts`. */

import "./virtual-time.ts";
import { runSeed } from "./run.ts";
import { running } from "./virtual-time.ts";

const [first = "1", count = "1", stride = "1"] = process.argv.slice(2);

process.on("uncaughtException", (error) => running.timeline.onUncaught(error));
process.on("unhandledRejection", (error) => running.timeline.onUncaught(error));

for (let index = 0; index < Number(count); index++) {
  const seed = Number(first) + index * Number(stride);
  const { violations, events, steps, virtualMs, history, plan } = await runSeed(seed);
  const failed = violations.length > 0;
  const line = { seed, violations, events, steps, virtualMs, ...(failed || count === "1" ? { plan } : {}) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (count === "1") process.stdout.write(`${history.text()}\n`);
}
process.exit(0);
