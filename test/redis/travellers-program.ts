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
  options.travellers.map((plan) => Traveller.open(scope, plan, options, chance)),
);

answerParent({
  setOut: () => travellers.forEach((traveller) => traveller.setOut()),
  rest: () => travellers.forEach((traveller) => traveller.rest()),
  state: (): TravellersState => ({
    connected: travellers.filter(({ socket }) => socket.connected).length,
    pending: travellers.reduce((sum, { pending }) => sum + pending, 0),
  }),
  /** How many arrivals of these entries at members of their rooms are still to come. */
  missing: ({ entries }: { entries: readonly Seen[] }): number =>
    travellers.reduce((sum, traveller) => {
      const { rooms } = traveller.report();
      return sum + entries.filter(([room, id]) => rooms.includes(room) && !traveller.has(room, id)).length;
    }, 0),
  /** What has not come before the answer to this is not under way. */
  roundTrip: async (): Promise<void> => {
    await Promise.all(travellers.map((traveller) => traveller.roundTrip()));
  },
  /** How many residents have been told this. */
  whispered: ({ text }: { text: string }): number =>
    travellers.filter((traveller) => traveller.isResident && traveller.whispers.includes(text)).length,
  reports: () => travellers.map((traveller) => traveller.report()),
});
await tellParent("ready", {});

export type TravellersState = { readonly connected: number; readonly pending: number };
export type Seen = readonly [room: string, id: string];
