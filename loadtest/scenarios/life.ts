/** Scenarios of everyday life: tabs that are reloaded, and a system that runs on and on. */

import type { Memory, Scenario, Stage } from "./scenario.ts";

/**
 * The shipped client finds its session, its positions and what it had not got rid of in the tab's storage, so
 * nothing may be missing or come twice. Replies go with the page that waited for them.
 */
export const pageReload: Scenario = {
  name: "page-reload",
  title: "each client's page is loaded anew every 8 s",
  clients: 200,
  rate: 100,
  talkMs: 40_000,
  lateAfterMs: 20_000,
  testedShareMin: 1,
  reloadEveryMs: 8_000,
  act: async () => undefined,
};

export const soak: Scenario = {
  name: "soak",
  title: "it runs for a long time, and a fifth of all links breaks now and then",
  clients: 50,
  rate: 20,
  talkMs: 3_600_000,
  lateAfterMs: 20_000,
  testedShareMin: 0.5,
  links: true,
  act: async (stage) => {
    const { links, talkMs, at, note, chance, memory } = stage;
    await at(talkMs * 0.1);
    const before = await memory();
    await noteMemory(stage, before);
    for (let drop = 1; drop <= drops; drop += 1) {
      await at(talkMs * (0.1 + (0.8 * drop) / (drops + 1)));
      await note(`${links.reset(() => chance() < 0.2)} links break`);
    }
    await at(talkMs * 0.95);
    const after = await memory();
    await noteMemory(stage, after);
    for (const text of growthOf(before, after)) await note(text);
  },
};

async function noteMemory({ note }: Stage, memory: readonly Memory[]): Promise<void> {
  const each = memory.map(({ server, mebibytes }) => `${server} ${mebibytes}`);
  await note(
    each.length === 0 ? "memory of the servers: not seen from here" : `memory, MiB: ${each.join(", ")}`,
  );
}

/** What has grown by more than half, and by more than a garbage collector puts off. */
export function growthOf(before: readonly Memory[], after: readonly Memory[]): readonly string[] {
  return after.flatMap(({ server, mebibytes }) => {
    const first = before.find((one) => one.server === server)?.mebibytes ?? mebibytes;
    return mebibytes > first * 1.5 && mebibytes > first + 50
      ? [`WARNING: the memory of ${server} grew from ${first} to ${mebibytes} MiB`]
      : [];
  });
}

const drops = 10;
