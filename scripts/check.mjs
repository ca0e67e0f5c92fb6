/**
 * `npm run check`: types, lint, format and tidy, one after another; all of them run, then it fails if one
 * did.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const steps = [
  { name: "types", command: "tsc", parameters: ["--noEmit", "--project", "."] },
  { name: "page types", command: "tsc", parameters: ["--noEmit", "--project", "src/app/tsconfig.page.json"] },
  { name: "lint", command: "oxlint", parameters: ["--type-aware", "--deny-warnings"] },
  { name: "format", command: "biome", parameters: ["format"] },
  { name: "tidy", command: "vitest", parameters: ["run", "--project", "unit", "test/tidy"] },
];

const failed = steps.filter(({ name, command, parameters }) => {
  console.log(`\n== ${name}: ${command} ${parameters.join(" ")}`);
  const result = spawnSync(command, parameters, {
    cwd: fileURLToPath(new URL("..", import.meta.url)),
    stdio: "inherit",
  });
  return result.status !== 0;
});

const verdict = failed.length === 0 ? "all hold" : `failed: ${failed.map(({ name }) => name).join(", ")}`;
console.log(`\ncheck: ${verdict}`);
process.exitCode = failed.length === 0 ? 0 : 1;
