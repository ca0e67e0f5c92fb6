/**
 * The load of these tests: nodes that publish on their own account, and clients that lose their links and
 * come back to any of them, emitting and listening all the while. What happens meanwhile is the test's to
 * say.
 */

import type { Owner } from "../harness/owner.ts";
import type { Kind } from "../harness/server.ts";
import type { TravellerPlan, TravellerReport } from "./contract.ts";
import { type Fleet, startFleet } from "./fleet.ts";
import { recoveryVerdictOf, type RecoveryVerdict } from "./recovery-verdict.ts";
import { startTravellers, type Travellers } from "./travellers.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

/** Starts nodes and clients, and the talk; resolves when the first entries have been published. */
export async function beginJourney(owner: Owner, options: JourneyOptions): Promise<Journey> {
  const {
    kind = "Holdfast",
    stores,
    clients = 100,
    residents = 0,
    rate = 120,
    dropEveryMs = 700,
    delivery = {},
  } = options;
  const fleet = await startFleet(owner, { kind, stores, delivery });
  const travellers = await startTravellers(owner, {
    kind,
    ports: fleet.ports,
    travellers: [...plans("client", clients), ...plans("resident", residents)],
    dropEveryMs,
    // A stock client is told nothing of what becomes of its events.
    emitEveryMs: kind === "Holdfast" ? 1_000 : 0,
  });
  const journey = new Journey(fleet, travellers, rate);
  owner.onTestFailed(() => console.error(`--- ${journey.examples.slice(0, 12).join("\n--- ")}`));
  await journey.talk();
  await travellers.setOut();
  await fleet.goesOn(rate);
  return journey;
}

export class Journey {
  readonly fleet: Fleet;
  readonly travellers: Travellers;
  /** What the verdict has to show for itself; printed when the test fails. */
  examples: readonly string[] = ["no verdict was reached"];
  /** What the clients saw; there once the journey has ended. */
  reports: readonly TravellerReport[] = [];
  readonly #rate: number;

  constructor(fleet: Fleet, travellers: Travellers, rate: number) {
    this.fleet = fleet;
    this.travellers = travellers;
    this.#rate = rate;
  }

  /** Has the nodes publish: half of it to everybody, the other half to the smaller rooms. */
  async talk(): Promise<void> {
    await this.fleet.talk(
      smallRooms.flatMap((room) => [everybody, room]),
      this.#rate,
    );
  }

  /** Has a node that was started again publish as the others do. */
  async talkAgain(index: number): Promise<void> {
    const rooms = smallRooms.flatMap((room) => [everybody, room]);
    await this.fleet.nodes[index]?.talk(rooms, this.#rate / this.fleet.nodes.length);
  }

  /** Waits for about so many seconds' worth of publishing; `tried` when receipts are not to be had. */
  async goesOn(seconds: number, what: "published" | "tried" = "published"): Promise<void> {
    await this.fleet.goesOn(Math.round(seconds * this.#rate), what === "tried" ? "attempts" : "receipts");
  }

  /** Has every node say something that is stored nowhere, and waits until the residents have heard it. */
  async whisper(flag: "local" | "volatile"): Promise<void> {
    await Promise.all(this.fleet.nodes.map((node) => node.whisper(flag, flag)));
    await this.travellers.hear(flag);
  }

  /** Ends the load in order, waits for all that has to come, and judges. */
  async end(): Promise<Verdict> {
    await this.#arrive();
    this.reports = await this.travellers.reports();
    const verdict = verdictOf(this.fleet.ledger(), this.reports);
    const seen = { gaps: verdict.gaps.slice(0, 5), reruns: verdict.reruns.slice(0, 5) };
    this.examples = [JSON.stringify(seen), ...verdict.examples];
    return verdict;
  }

  /** The same for stock Socket.IO, which has promised less. */
  async endOfStock(): Promise<RecoveryVerdict> {
    await this.fleet.hush();
    await this.travellers.gather("connected");
    await this.travellers.roundTrip();
    return recoveryVerdictOf(this.fleet.ledger(), await this.travellers.reports());
  }

  /** First the events of the clients, because their handlers publish; then the last entry of each room. */
  async #arrive(): Promise<void> {
    await this.travellers.gather("settled");
    await this.fleet.hush();
    const rooms = [everybody, ...smallRooms];
    const node = this.fleet.nodes.find(({ child }) => child.running);
    const ids = (await node?.say(rooms)) ?? [];
    await this.travellers.see(rooms.map((room, index) => [room, ids[index] ?? ""] as const));
    await this.travellers.roundTrip();
  }
}

function plans(name: "client" | "resident", count: number): TravellerPlan[] {
  return Array.from({ length: count }, (_none, index) => ({
    name: `${name} ${index}`,
    rooms: [everybody, smallRooms[index % smallRooms.length] ?? ""],
    resident: name === "resident",
  }));
}

export const everybody = "everybody";
export const smallRooms = ["north", "east", "south", "west"] as const;

// --- types ---

export type JourneyOptions = {
  readonly kind?: Kind;
  /** One address for each node. */
  readonly stores: readonly string[];
  readonly clients?: number;
  /** Clients beside them whose links hold. */
  readonly residents?: number;
  /** Entries a second, of all nodes together. */
  readonly rate?: number;
  /** How long a connection lasts on average. */
  readonly dropEveryMs?: number;
  readonly delivery?: Readonly<Record<string, unknown>>;
};
