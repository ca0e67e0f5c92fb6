/**
 * A roll where both slots have ports of their own: all of the other slot is started and ready before anything
 * of the old one is let go, and then all of the old one at once. So each client moves once, to where it
 * stays.
 */

import type { Instance, SlotName } from "./configuration.ts";
import { type Asked, messageOf, namesOf } from "./fleet.ts";
import type { Roll } from "./roll.ts";

export async function rollSlots(roll: Roll, release: string): Promise<number> {
  const { fleet, releases, steps, interruption } = roll;
  const before = releases.current;
  const { from, to } = await chooseSlots(roll);
  const [old, next] = [from === undefined ? [] : fleet.slot(from), fleet.slot(to)];
  if (!(await clear(roll, to))) return 1;
  let isDraining = false;
  let failure: string | undefined;
  try {
    await releases.switch("current", release);
    // An earlier roll that was cut short may have left them drained.
    await fleet.undrain(next);
    failure = await fleet.start(next, release);
    failure ??= await fleet.ready(next, () => interruption.isRequested);
    if (failure === undefined && interruption.isRequested) failure = "interrupted";
    if (failure === undefined) {
      isDraining = true;
      await fleet.drain(old);
    }
  } catch (error) {
    failure = messageOf(error);
  }
  if (failure !== undefined) {
    // Those that were left alone stay as they are, also where somebody has drained one by hand.
    return await undo(roll, { failure, before, release, old, next, drained: isDraining ? old : [] });
  }

  interruption.passPointOfReturn(
    `finishing: ${namesOf(next)} took over, the clients of ${namesOf(old)} move`,
  );
  const left = await fleet.stop(old);
  if (left !== undefined) {
    steps.say(
      `NOT FINISHED: ${namesOf(next)} run ${release} and serve; of the old ones there still is ${left}`,
    );
    steps.say(`they are drained, and get nobody new. Stop them by hand, or run "roll restart"`);
    return 1;
  }
  await fleet.undrainStopped(old);
  steps.say(`done: slot ${to} (${namesOf(next)}) runs ${release}`);
  return 0;
}

/** The slot that serves now, and the one that takes over. */
async function chooseSlots(roll: Roll): Promise<{ from: SlotName | undefined; to: SlotName }> {
  const { fleet, releases, steps } = roll;
  const asked = await fleet.ask(fleet.instances);
  const ready = (slot: SlotName) =>
    asked.filter(({ instance, state }) => instance.slot === slot && state === "ready");
  const down = asked.filter(({ state }) => state !== "ready");
  const [a, b] = [ready("a"), ready("b")];
  if (a.length === 0 && b.length === 0) {
    steps.say("no instance is ready now: slot a will be started");
    return { from: undefined, to: "a" };
  }
  // Both, after a roll that was cut short: the one of the current release, else the fuller one.
  const ofCurrent = ({ instance }: Asked) => releases.runBy(instance.name) === releases.current;
  const [aCurrent, bCurrent] = [a.filter(ofCurrent).length, b.filter(ofCurrent).length];
  const isA =
    a.length > 0 &&
    (b.length === 0 || aCurrent > bCurrent || (aCurrent === bCurrent && a.length >= b.length));
  const [from, to]: [SlotName, SlotName] = isA ? ["a", "b"] : ["b", "a"];
  steps.say(
    `slot ${from} serves (${namesOf((isA ? a : b).map(({ instance }) => instance))}); slot ${to} takes over`,
  );
  for (const { instance, said } of down) {
    if (instance.slot === from) steps.say(`${instance.name} of slot ${from} is not ready: ${said}`);
  }
  return { from, to };
}

/** Stops what an earlier roll has left in the slot that is to be started. */
async function clear(roll: Roll, slot: SlotName): Promise<boolean> {
  const { fleet, steps } = roll;
  const leftovers = (await fleet.ask(fleet.slot(slot))).filter(({ state }) => state !== "refused");
  if (leftovers.length === 0) return true;
  const instances = leftovers.map(({ instance }) => instance);
  steps.say(`slot ${slot} is not empty, an earlier roll may have been cut short: ${namesOf(instances)} live`);
  await fleet.drain(instances);
  const left = await fleet.stop(instances);
  if (left === undefined) return true;
  steps.say(`NOT ROLLED, nothing was changed: ${left}. Stop them by hand, then roll again`);
  return false;
}

async function undo(
  roll: Roll,
  what: {
    readonly failure: string;
    readonly before: string | undefined;
    readonly release: string;
    readonly old: readonly Instance[];
    readonly next: readonly Instance[];
    readonly drained: readonly Instance[];
  },
): Promise<number> {
  const { fleet, releases, steps, interruption } = roll;
  const { failure, before, release, old, next, drained } = what;
  steps.say(`FAILED: ${failure}`);
  interruption.passPointOfReturn("already taking back what was done");
  await releases.switch("current", before);
  // Before the new ones go: nobody may be left without a server.
  await fleet.undrain(drained);
  const left = await fleet.stop(next);
  if (left !== undefined) steps.say(`could not be stopped, do it by hand: ${left}`);
  const serving = old.length === 0 ? "nothing serves" : `${namesOf(old)} go on as they were`;
  steps.say(`NOT ROLLED to ${release}: ${serving}, current is ${before ?? "nothing"}`);
  return 1;
}
