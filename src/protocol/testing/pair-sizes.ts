/** Sizes at which a few small events already meet every limit. */

import type { ClientSessionOptions } from "../client-session.ts";
import type { Limits } from "../frames.ts";

export const smallLimits: Limits = {
  windowEvents: 4,
  windowCharacters: 10_000,
  chunkCharacters: 40,
  windowChunks: 2,
  eventCharacters: 1_000,
};

export const smallClient: ClientSessionOptions = {
  outboxLimit: 100,
  outboxCharactersLimit: 100_000,
  acknowledgeDelayMs: 20,
  acknowledgeEntries: 8,
  elsewhereLimit: 8,
};
