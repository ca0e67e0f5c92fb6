/**
 * Writes that nobody repeats when the store is away for a moment, and that must not be lost because of it.
 */

import { DeliveryError } from "../protocol/errors.ts";

/**
 * Tries again, with growing delays, what fails in a way that may pass; for some 30 s, or until `isOver`.
 * Rejects with the last failure.
 */
export async function persistently<T>(
  attempt: () => Promise<T>,
  options: { readonly report: (error: unknown) => void; readonly isOver?: () => boolean },
): Promise<T> {
  for (let delayMs = firstDelayMs; ; delayMs *= 2) {
    try {
      return await attempt();
    } catch (error) {
      const mayPass = error instanceof DeliveryError && error.retryable;
      if (!mayPass || delayMs > lastDelayMs || options.isOver?.() === true) throw error;
      options.report(error);
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (options.isOver?.() === true) throw error;
    }
  }
}

const firstDelayMs = 250;
const lastDelayMs = 16_000;
