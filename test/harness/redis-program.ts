/** Where Redis' program is; for tests, and for whoever else starts one. */

import { installCommand, systemProgram } from "../../scripts/system-packages.mjs";

const packageName = "redis-server";

/** Undefined where it is missing. */
export const redisPath = systemProgram(packageName);

/** What is wanted then, and how it is brought. */
export const redisWanted = `${packageName}; as root: ${installCommand([packageName])}`;

/** @throws where it is missing. */
export function redisProgram(): string {
  if (redisPath === undefined) throw new Error(`There is no ${redisWanted}`);
  return redisPath;
}
