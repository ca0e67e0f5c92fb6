/** Travellers in a process of their own, so that neither the nodes nor the test wait for them. */

import { Chance } from "../guarantees/seed.ts";
import { Scope } from "../harness/owner.ts";
import { answerParent, tellParent } from "../harness/parent.ts";
import type { TravellersOptions } from "./contract.ts";
import { Traveller } from "./traveller.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as TravellersOptions;
const scope = new Scope();
const chance = new Chance(scope);
const travellers = await Promise.all(
  options.travellers.map((introduction) => Traveller.open(scope, introduction, options, chance)),
);

answerParent({
  setOut: () => travellers.forEach((traveller) => traveller.setOut()),
  stopEmitting: () => travellers.forEach((traveller) => traveller.stopEmitting()),
  stopDropping: () => travellers.forEach((traveller) => traveller.stopDropping()),
  state: (): TravellersState => ({
    connected: travellers.filter(({ socket }) => socket.connected).length,
    pending: travellers.reduce((sum, { pending }) => sum + pending, 0),
  }),
  /** How many members of the rooms have not seen these entries. */
  missing: ({ entries }: { entries: readonly (readonly [room: string, id: string])[] }): number =>
    travellers
      .flatMap((traveller) =>
        entries
          .filter(([room]) => traveller.report().rooms.includes(room))
          .map((entry) => ({ traveller, entry })),
      )
      .filter(({ traveller, entry }) => !traveller.has(...entry)).length,
  /** What has not come before the answer to this is not under way. */
  roundTrip: async (): Promise<void> => {
    await Promise.all(travellers.map(({ socket }) => socket.timeout(20_000).emitWithAck("arrive")));
  },
  whispered: ({ text }: { text: string }): number =>
    travellers.filter(({ whispers }) => whispers.includes(text)).length,
  reports: () => travellers.map((traveller) => traveller.report()),
});
await tellParent("ready", {});

export type TravellersState = { readonly connected: number; readonly pending: number };
