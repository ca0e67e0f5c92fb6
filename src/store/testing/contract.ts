/** The store contract as a vitest suite: every engine runs it. */

import { describe } from "vitest";
import { claimContract } from "./contract-claims.ts";
import { inboxContract } from "./contract-inbox.ts";
import { membershipContract } from "./contract-memberships.ts";
import { orderContract } from "./contract-order.ts";
import { retentionContract } from "./contract-retention.ts";
import { sessionContract } from "./contract-sessions.ts";
import { streamContract } from "./contract-streams.ts";
import type { MakeStore } from "./contract-setup.ts";

export type { MakeStore } from "./contract-setup.ts";

/** Runs the whole contract against fresh stores of one engine. `make` closes nothing; the suite does. */
export function storeContract(name: string, make: MakeStore): void {
  describe(`${name} store`, () => {
    orderContract(make);
    streamContract(make);
    sessionContract(make);
    claimContract(make);
    membershipContract(make);
    inboxContract(make);
    retentionContract(make);
  });
}
