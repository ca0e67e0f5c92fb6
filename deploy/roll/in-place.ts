/**
 * A roll without a second slot: each instance is drained, stopped and started again before the next one is
 * touched. A client may move more than once, to an instance whose turn is still to come.
 */

import type { Instance } from "./configuration.ts";
import { messageOf, namesOf } from "./fleet.ts";
import type { Roll } from "./roll.ts";

export async function rollInPlace(
  roll: Roll,
  release: string,
  options: { readonly always: boolean },
): Promise<number> {
  const { fleet, releases, steps, interruption } = roll;
  const before = releases.current;
  const all = fleet.slot("a");
  const asked = await fleet.ask(all);
  const isDone = (instance: Instance) =>
    !options.always &&
    releases.runBy(instance.name) === release &&
    asked.some((answer) => answer.instance === instance && answer.state === "ready");
  for (const instance of all.filter(isDone)) steps.say(`${instance.name} runs ${release} already`);
  const due = all.filter((instance) => !isDone(instance));
  if (all.length === 1) steps.say("there is one instance and no second slot: clients wait while it restarts");
  await releases.switch("current", release);
  for (const [index, instance] of due.entries()) {
    if (interruption.isRequested)
      return await stopMidway(roll, { why: "interrupted", release, before, index });
    steps.say(`${instance.name} (${index + 1} of ${due.length})`);
    const failure = await replace(roll, instance, { release, before });
    if (failure !== undefined) return await stopMidway(roll, { why: failure, release, before, index });
  }
  steps.say(`done: ${release} runs as ${namesOf(all)}`);
  return 0;
}

/** Returns why it did not go; the instance then runs what it ran before, if that still starts. */
async function replace(
  roll: Roll,
  instance: Instance,
  { release, before }: { readonly release: string; readonly before: string | undefined },
): Promise<string | undefined> {
  const { fleet, releases, steps } = roll;
  const ran = releases.runBy(instance.name) ?? before;
  try {
    await fleet.drain([instance]);
  } catch (error) {
    return messageOf(error);
  }
  const left = await fleet.stop([instance]);
  if (left !== undefined) {
    await fleet.undrain([instance]);
    return `${instance.name} does not stop: ${left}`;
  }
  const failure = await start(roll, instance, release);
  if (failure === undefined) return undefined;
  steps.say(`FAILED: ${failure}`);
  const stuck = await fleet.stop([instance]);
  if (stuck !== undefined || ran === undefined || ran === release) return failure;
  steps.say(`${instance.name} goes back to ${ran}`);
  await releases.switch("current", ran);
  const again = await start(roll, instance, ran);
  return again === undefined ? failure : `${failure}; and ${ran} does not start any more either: ${again}`;
}

async function start(roll: Roll, instance: Instance, release: string): Promise<string | undefined> {
  const { fleet } = roll;
  const failure = await fleet.start([instance], release);
  // Before it is ready: its health check keeps clients away until it is.
  await fleet.undrain([instance]);
  return failure ?? (await fleet.ready([instance]));
}

/** Says where things are, and how to go on from there. */
async function stopMidway(
  roll: Roll,
  how: {
    readonly why: string;
    readonly release: string;
    readonly before: string | undefined;
    readonly index: number;
  },
): Promise<number> {
  const { fleet, releases, steps } = roll;
  const { why, release, before, index } = how;
  await releases.switch("current", before);
  steps.say(`NOT ROLLED to ${release}${index === 0 ? "" : ", stopped midway"}: ${why}`);
  for (const { instance, state, said } of await fleet.ask(fleet.slot("a"))) {
    const runs = releases.runBy(instance.name) ?? (state === "refused" ? "nothing" : before);
    steps.say(
      `  ${instance.name} runs ${runs ?? "an unknown release"}: ${state === "ready" ? "ready" : said}`,
    );
  }
  steps.say(`  current is ${before ?? "nothing"}`);
  const back = before === undefined ? "" : `; to have all on ${before}: "roll restart"`;
  steps.say(`to go on: the same command again${back}`);
  return 1;
}
