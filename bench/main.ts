/**
 * `npm run bench -- [NAME] [--rounds N] [--tiny]`: Holdfast against its controls, in turns, in one run.
 * The row called NAME is measured, or else those whose name contains it; results go to standard output as
 * JSON lines, progress to standard error.
 */

import { parseArgs } from "node:util";
import { Scope } from "../test/harness/owner.ts";
import { redisPath, redisWanted } from "../test/harness/redis-program.ts";
import { type Comparison, compare } from "./comparison.ts";
import type { Figures, Row, Side, Size } from "./row.ts";
import { fullSize, rows, tinySize } from "./rows.ts";
import { onCore, runTrial } from "./trial.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: "string", default: "5" }, tiny: { type: "boolean", default: false } },
});
const rounds = Number(values.rounds);
const [name = ""] = positionals;
const named = rows.filter((row) => row.name === name);
const chosen = named.length > 0 ? named : rows.filter((row) => row.name.includes(name));
if (!Number.isInteger(rounds) || rounds < 1)
  fail(`--rounds takes a whole number from 1, not ${values.rounds}`);
if (chosen.length === 0)
  fail(`no row is called ${name}; there are: ${rows.map((row) => row.name).join("; ")}`);

const scope = new Scope();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => void scope.end().finally(() => process.exit(130)));
}
try {
  if (onCore(0).length === 0) progress("not pinned to cores: taskset, or a second core, is missing");
  for (const row of chosen) {
    if (row.setups?.ours.redis !== undefined && redisPath === undefined) {
      progress(`skipped: ${row.name}: needs ${redisWanted}`);
      continue;
    }
    for (const comparison of await measure(row, values.tiny ? tinySize : fullSize)) {
      process.stdout.write(`${JSON.stringify(comparison)}\n`);
    }
  }
} finally {
  await scope.end();
}

/**
 * Both sides take turns, and who goes first changes, so that a slow minute of the machine hits both.
 */
async function measure(row: Row, size: Size): Promise<readonly Comparison[]> {
  const { name: rowName, setups = { ours: { kind: "holdfast" }, control: { kind: "stock" } } } = row;
  const measured: Record<Side, Figures[]> = { ours: [], control: [] };
  for (let round = 0; round < rounds; round += 1) {
    const order: Side[] = round % 2 === 0 ? ["control", "ours"] : ["ours", "control"];
    for (const side of order) {
      const figures = await runTrial(scope, setups[side], async (trial) => {
        const result = await row.run(trial, size);
        await trial.end();
        return result;
      });
      measured[side].push(figures);
      progress(`${rowName}, round ${round + 1} of ${rounds}, ${side}: ${textOf(figures)}`);
    }
  }
  const durability = setups.ours.redis ?? "fsynced";
  return compare({ name: rowName, durability }, measured.ours, measured.control);
}

function textOf(figures: Figures): string {
  const texts = Object.entries(figures).map(
    ([what, { value, unit }]) => `${what} ${value.toPrecision(4)} ${unit}`,
  );
  return texts.join(", ");
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function fail(reason: string): never {
  progress(reason);
  process.exit(2);
}
