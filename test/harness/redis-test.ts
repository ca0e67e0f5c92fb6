/** Tests that need a real Redis, and how its absence is told. */

import { test } from "vitest";
import { installCommand, systemProgram } from "../../scripts/system-packages.mjs";

const packageName = "redis-server";
const program = systemProgram(packageName);

/** A test that needs Redis. Without one it is skipped, and says so; with `CI=true` it fails. */
export const redisTest = test.runIf(program !== undefined || process.env["CI"] === "true");

/** The same for a whole `describe`. */
export const redisIsThere = program !== undefined || process.env["CI"] === "true";

if (program === undefined) {
  console.log(`skipped: tests with Redis need ${packageName}; as root: ${installCommand([packageName])}`);
}

/** The path of the server's program. */
export function redisProgram(): string {
  if (program === undefined)
    throw new Error(`No ${packageName} here; as root: ${installCommand([packageName])}`);
  return program;
}
