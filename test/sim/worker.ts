/** Runs seeds one after another and prints one line of JSON for each; started by `seed-runs.ts`. */

import "./virtual-time.ts";
import type { EngineName } from "./engines.ts";
import { Less } from "./less.ts";
import { tellStory } from "./narration.ts";
import { runSeed } from "./run.ts";
import { shrink } from "./shrink.ts";
import { running } from "./virtual-time.ts";

const [first = "1", count = "1", stride = "1", task = "", also = "", store = "memory", reduction = ""] =
  process.argv.slice(2);

/** On a machine that is busy with other things it may take longer than on one that is not. */
const shrinkSeconds = 60;
const shrinkProcessorSeconds = 20;
const shrinkRunsMax = 2_000;

process.on("uncaughtException", (error) => running.timeline.onUncaught(error));
process.on("unhandledRejection", (error) => running.timeline.onUncaught(error));

for (let index = 0; index < Number(count); index++) {
  const seed = Number(first) + index * Number(stride);
  const less = task === "shrink" ? await shrunk(seed) : reduction;
  const result = await run(seed, Less.parse(less));
  const { violations, events, steps, virtualMs } = result;
  const line = { seed, violations, events, steps, virtualMs };
  const more =
    task === "" ? {} : { plan: result.plan, history: result.history.text(), story: tellStory(result), less };
  process.stdout.write(`${JSON.stringify({ ...line, ...more })}\n`);
}
// Nothing of the simulation holds the process: its timers are virtual.
process.exitCode = 0;

function run(seed: number, less: Less) {
  return runSeed(seed, also.split(","), store as EngineName, less).catch((error: unknown) => {
    // Otherwise taken for something that the code under test has thrown.
    console.error(error);
    process.exit(1);
  });
}

/** What is left of a seed that fails, as the text of it; all of one that holds. */
async function shrunk(seed: number): Promise<string> {
  const startedAt = process.hrtime.bigint();
  const seconds = () => Number(process.hrtime.bigint() - startedAt) / 1e9;
  const whole = await run(seed, Less.parse(reduction));
  if (whole.violations.length === 0) return reduction;
  let runsDone = 0;
  let told = 0;
  const { less, runs } = await shrink(Less.parse(reduction), {
    run: (candidate) => {
      runsDone += 1;
      return run(seed, candidate);
    },
    isOver: () => {
      const { user, system } = process.cpuUsage();
      const isLong = seconds() > shrinkSeconds || (user + system) / 1e6 > shrinkProcessorSeconds;
      return isLong || runsDone > shrinkRunsMax;
    },
    tell: (smaller, tried) => {
      if (seconds() - told < 2) return;
      told = seconds();
      process.stderr.write(`shrinking seed ${seed}: ${tried} runs, ${smaller.text().slice(0, 100)}\n`);
    },
  });
  process.stderr.write(`shrunk seed ${seed} in ${runs} runs, ${seconds().toFixed(1)} s\n`);
  return less.text();
}
