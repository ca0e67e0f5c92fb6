/** Tests that need a real Redis, and how its absence is told. */

import { test } from "vitest";
import { redisPath, redisWanted } from "./redis-program.ts";

/** For a whole `describe`: whether there is a Redis, or one has to be there, as with `CI=true`. */
export const redisIsThere = redisPath !== undefined || process.env["CI"] === "true";

/** A test that needs Redis. Without one it is skipped, and says so; with `CI=true` it fails. */
export const redisTest = test.runIf(redisIsThere);

if (redisPath === undefined) console.log(`skipped: tests with Redis need ${redisWanted}`);
