/**
 * Deliberate faults and the checkers: every patch fits the sources, is documented, and some are caught here;
 * `npm run sim -- --mutants` catches them all.
 */

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fileOf, mutate, readMutant, readMutants, sourceOf } from "./mutant.ts";
import { runMutants } from "./mutant-runs.ts";
import { runSeeds, type SeedReport } from "./seed-runs.ts";

const mutants = readMutants();

test("every patch changes the sources of the cores, and says what it breaks", () => {
  expect(mutants.length).toBeGreaterThanOrEqual(28);
  for (const { name, what, pitfall, patches } of mutants) {
    expect(what, name).toMatch(/^[A-Z][^\n]+\.$/);
    expect(pitfall, name).toMatch(/^[A-Z].+\.$/);
    for (const patch of patches) {
      expect(fileOf(patch), name).toMatch(/^src\/(protocol|server|client|store)\/[\w-]+\.ts$/);
      const source = sourceOf(patch);
      expect(mutate(source, patch, name)).not.toBe(source);
    }
  }
});

test("numbers and names are those of one mutant each", () => {
  const numbers = mutants.map(({ name }) => /^\d\d(?=-[a-z0-9-]+$)/.exec(name)?.[0]);
  const words = mutants.map(({ name }) => name.slice("00-".length));
  expect(numbers).not.toContain(undefined);
  expect(new Set(numbers).size).toBe(mutants.length);
  expect(new Set(words).size).toBe(mutants.length);
});

test("docs/TESTING.md lists the mutants that there are, each with its pitfall", () => {
  const page = readFileSync(new URL("../../docs/TESTING.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `(\d\d-[\w-]+)` \| ([^|]+) \| ([^|]+) \|$/gm)];
  expect(rows.map(([, name, pitfall]) => `${name}: ${pitfall}`)).toEqual(
    mutants.map(({ name, pitfall }) => `${name}: ${pitfall}`),
  );
});

test("a patch that no longer fits is an error, and not a mutant that is never noticed", () => {
  const { name, patches } = readMutant("12-acked-before-durable");
  const [patch] = patches;
  expect(patch).toBeDefined();
  if (patch !== undefined) expect(() => mutate("nothing of it\n", patch, name)).toThrow(/does not apply/);
  expect(() => readMutant("nowhere")).toThrow();
});

test("a worker runs the source as patched, and the file stays as it is", async () => {
  const [mutated, whole] = [await firstReport("22-poison-event"), await firstReport(undefined)];
  expect(mutated.violations).not.toEqual([]);
  expect(whole.violations).toEqual([]);
});

test.each(["12-acked", "15-outcomes-by-time", "20-sequence-per-connection"])(
  "%s is caught within a few seeds",
  async (part) => {
    const [verdict] = await runMutants(part, { jobs: 1, seedsMax: 60 });
    expect(verdict?.violation?.guarantee, JSON.stringify(verdict?.remarks)).toMatch(/^(G\d|liveness|store)$/);
  },
);

async function firstReport(mutant: string | undefined): Promise<SeedReport> {
  const reports: SeedReport[] = [];
  const named = mutant === undefined ? {} : { mutant };
  await runSeeds({ first: 1, count: 1, jobs: 1, ...named, take: (report) => reports.push(report) });
  return reports[0] as SeedReport;
}
