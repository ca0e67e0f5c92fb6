/** The test's side of `travellers-program.ts`: a number of clients, dealt out to a few processes. */

import { Chance } from "../guarantees/seed.ts";
import { type Child, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import type { TravellerPlan, TravellerReport, TravellersOptions } from "./contract.ts";
import type { Seen, TravellersState } from "./travellers-program.ts";

/** Starts them, and resolves once all of them are connected and members of their rooms. */
export async function startTravellers(
  owner: Owner,
  options: TravellersOptions,
  processes = 2,
): Promise<Travellers> {
  const { seed } = new Chance(owner);
  const children = Array.from({ length: processes }, (_none, index) => {
    const travellers = options.travellers.filter((_traveller, place) => place % processes === index);
    return startChild(owner, {
      program: programPath("./travellers-program.ts", import.meta.url),
      name: `travellers ${index}`,
      args: [JSON.stringify({ ...options, travellers } satisfies TravellersOptions)],
      environment: { HOLDFAST_SEED: String(seed + index) },
      deadlineMs: 170_000,
    });
  });
  await Promise.all(children.map((child) => child.event("ready", 40_000)));
  return new Travellers(children, options.travellers);
}

export class Travellers {
  readonly #children: readonly Child[];
  readonly #plans: readonly TravellerPlan[];

  constructor(children: readonly Child[], plans: readonly TravellerPlan[]) {
    this.#children = children;
    this.#plans = plans;
  }

  get count(): number {
    return this.#plans.length;
  }

  async setOut(): Promise<void> {
    await this.#all("setOut");
  }

  /** Stops emitting and losing links, and waits until everybody is connected and, if so wanted, at rest. */
  async gather(wanted: "connected" | "settled", deadlineMs = 40_000): Promise<void> {
    await this.#all("rest");
    const isThere = ({ connected, pending }: TravellersState): boolean =>
      connected === this.count && (wanted === "connected" || pending === 0);
    await this.reaches(`everybody to be ${wanted}`, isThere, deadlineMs);
  }

  async reaches(what: string, test: (state: TravellersState) => boolean, deadlineMs: number): Promise<void> {
    let state: TravellersState | undefined;
    const reached = async (): Promise<boolean> => {
      const states = await this.#all<TravellersState>("state");
      const sum = (of: keyof TravellersState): number => states.reduce((total, one) => total + one[of], 0);
      state = { connected: sum("connected"), pending: sum("pending") };
      return test(state);
    };
    await until(reached, { what, deadlineMs, state: () => JSON.stringify(state) });
  }

  /** Waits until every member of a room has seen the entry of it. */
  async see(entries: readonly Seen[], deadlineMs = 30_000): Promise<void> {
    let missing = 0;
    const seen = async (): Promise<boolean> => {
      missing = (await this.#all<number>("missing", { entries })).reduce((sum, count) => sum + count, 0);
      return missing === 0;
    };
    const what = "every member to see the last entry of its rooms";
    await until(seen, { what, deadlineMs, state: () => `${missing} have not` });
  }

  async roundTrip(): Promise<void> {
    await this.#all("roundTrip", {}, 25_000);
  }

  /** Waits until all residents have been told this. */
  async hear(text: string, deadlineMs = 5_000): Promise<void> {
    const residents = this.#plans.filter(({ resident }) => resident === true).length;
    const heard = async (): Promise<boolean> =>
      (await this.#all<number>("whispered", { text })).reduce((sum, count) => sum + count, 0) === residents;
    await until(heard, { what: `${residents} residents to be told "${text}"`, deadlineMs });
  }

  async reports(): Promise<TravellerReport[]> {
    return (await this.#all<TravellerReport[]>("reports")).flat();
  }

  async #all<T>(command: string, input: unknown = {}, deadlineMs?: number): Promise<T[]> {
    return await Promise.all(this.#children.map((child) => child.ask<T>(command, input, deadlineMs)));
  }
}
