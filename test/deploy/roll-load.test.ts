/** Releases rolled by `deploy/roll` behind the shipped HAProxy, while 150 clients talk. */

import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { statesOf } from "./haproxy-runtime.ts";
import { RollMachine, repository } from "./roll-machine.ts";
import { beginLoad } from "./roll-under-load.ts";
import { type NodeName, openSite, type Site, whyNoSite } from "./site.ts";

const slotA = ["a00", "a01", "a02"] as const;
const slotB = ["b00", "b01", "b02"] as const;

describe.skipIf(whyNoSite !== undefined)("roll", () => {
  test("G1 G2 a release goes to the other slot and back; one that does not get ready is not noticed", async (context) => {
    const site = await openSite(context);
    const machine = machineOn(site, new RollMachine(context, site.prefix), { a: slotA, b: slotB });
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    expect(await machine.roll("deploy", packed(machine, "1.0.0"))).toMatchObject({ code: 0, stderr: "" });
    const load = await beginLoad(context, site.url());

    const forth = await load.over(async () => {
      expect(await machine.roll("deploy", packed(machine, "2.0.0"))).toMatchObject({ code: 0, stderr: "" });
    }, 1);
    expect(forth).toBe(150);
    // For the next roll HAProxy has nobody drained.
    expect(
      [...(await statesOf(site.haproxySocket)).values()].filter((state) => /DRAIN|MAINT/.test(state)),
    ).toEqual([]);

    const bad = packed(machine, "3.0.0", (folder) => {
      writeFileSync(join(folder, "src/main.ts"), "process.exit(2);\n");
    });
    const noticed = await load.over(async () => {
      const { code, stdout } = await machine.roll("deploy", bad);
      expect(code).toBe(1);
      expect(stdout).toContain("NOT ROLLED to 3.0.0: b00, b01, b02 go on as they were, current is 2.0.0");
    }, 0);
    expect(noticed).toBe(0);

    const back = await load.over(async () => {
      expect(await machine.roll("back")).toMatchObject({ code: 0, stderr: "" });
    }, 1);
    expect(back).toBe(150);
    await load.end();
  });

  test("G1 G2 without a second slot instances are replaced one after the other", async (context) => {
    const site = await openSite(context);
    const machine = machineOn(site, new RollMachine(context, site.prefix), { a: slotA });
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    expect(await machine.roll("deploy", packed(machine, "1.0.0"))).toMatchObject({ code: 0, stderr: "" });
    const load = await beginLoad(context, site.url());
    // Who moves to an instance whose turn is still to come moves again: never more often than there are
    // instances.
    await load.over(async () => {
      expect(await machine.roll("restart")).toMatchObject({ code: 0, stderr: "" });
    }, 3);
    await load.end();
  });
});

/** Says how the instances of these slots are started, and that HAProxy knows them. */
function machineOn(
  site: Site,
  machine: RollMachine,
  slots: Readonly<Record<string, readonly NodeName[]>>,
): RollMachine {
  const instance = (name: NodeName) => {
    const environment = site.nodeEnvironment(name);
    machine.setInstance(name, environment);
    return { name, readyUrl: `http://127.0.0.1:${environment["HOLDFAST_INTERNAL_PORT"]}/readyz` };
  };
  machine.configure({
    slots: Object.fromEntries(Object.entries(slots).map(([slot, names]) => [slot, names.map(instance)])),
    commands: machine.plainCommands,
    haproxy: { socket: site.haproxySocket, backend: "socketio" },
    readyTimeoutMs: 15_000,
    stopTimeoutMs: 30_000,
  });
  return machine;
}

/** With the packages of this repository, which a release would install when it is prepared. */
function packed(machine: RollMachine, version: string, change?: (folder: string) => void): string {
  return machine.packHoldfast(version, (folder) => {
    symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
    change?.(folder);
  });
}
