/** Edges limit new connections; whoever is turned away by that comes again a little later, as clients do. */

import { setTimeout as pause } from "node:timers/promises";
import { LinkFault } from "./fault.ts";
import type { Inquiry } from "./inquiry.ts";

export async function patiently<T>(inquiry: Inquiry, attempt: () => Promise<T>): Promise<T> {
  for (let count = 1; ; count += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof LinkFault && error.isRateLimit) || count === attemptsAtMost) throw error;
      const waitSeconds = Math.min(error.retryAfterSeconds, waitSecondsMax) * (1 + Math.random() / 2);
      await pause(waitSeconds * 1_000, undefined, { signal: inquiry.signal });
    }
  }
}

const attemptsAtMost = 3;
const waitSecondsMax = 3;
