/** Releases rolled by `deploy/roll` behind the shipped HAProxy, while 150 clients talk. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { askHaproxy } from "./haproxy-runtime.ts";
import { RollMachine } from "./roll-machine.ts";
import { beginLoad } from "./roll-under-load.ts";
import { openSite, whyNoSite } from "./site.ts";

const slotA = ["a00", "a01", "a02"] as const;
const slotB = ["b00", "b01", "b02"] as const;

describe.skipIf(whyNoSite !== undefined)("roll", () => {
  test("G1 G2 a release goes forth and back; one that does not get ready is not noticed", async (context) => {
    const site = await openSite(context);
    const machine = new RollMachine(context, site.prefix);
    for (const name of [...slotA, ...slotB]) machine.setInstance(name, site.nodeEnvironment(name));
    machine.configureOn(site, { a: slotA, b: slotB }, machine.plainCommands);
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    expect(await machine.roll("deploy", machine.packHoldfast("1.0.0"))).toMatchObject({
      code: 0,
      stderr: "",
    });
    const load = await beginLoad(context, site.url());

    const forth = await load.over(async () => {
      expect(await machine.roll("deploy", machine.packHoldfast("2.0.0"))).toMatchObject({
        code: 0,
        stderr: "",
      });
    }, 1);
    expect(forth).toBe(150);
    // For the next roll HAProxy has nobody drained; `show stat` would not tell it of one that is down.
    const states = (await askHaproxy(site.haproxySocket, "show servers state socketio")).split("\n").slice(2);
    const taken = states.map((line) => line.split(" ")).map(([, , , name, , , out]) => [name, out]);
    expect(taken.filter(([name]) => name !== undefined)).toEqual(
      [...slotA, ...slotB].map((name) => [name, "0"]),
    );

    const bad = machine.packHoldfast("3.0.0", (folder) => {
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
    const machine = new RollMachine(context, site.prefix);
    for (const name of slotA) machine.setInstance(name, site.nodeEnvironment(name));
    machine.configureOn(site, { a: slotA }, machine.plainCommands);
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    expect(await machine.roll("deploy", machine.packHoldfast("1.0.0"))).toMatchObject({
      code: 0,
      stderr: "",
    });
    const load = await beginLoad(context, site.url());
    // Who moves to an instance whose turn is still to come moves again: never more often than there are
    // instances.
    await load.over(async () => {
      expect(await machine.roll("restart")).toMatchObject({ code: 0, stderr: "" });
    }, 3);
    await load.end();
  });
});
