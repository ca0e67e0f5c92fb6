/**
 * `deploy/systemd`: the units are read by systemd's own program, and what they say is done to real processes
 * by the test, which is not systemd: nothing of the sandbox is tried here.
 */

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfiguration } from "../../deploy/roll/configuration.ts";
import { systemProgram } from "../../scripts/system-packages.mjs";
import { until } from "../harness/until.ts";
import { RollMachine, repository } from "./roll-machine.ts";
import { beginLoad } from "./roll-under-load.ts";
import { openSite, type Site, whyNoSite } from "./site.ts";
import { readUnit, type Unit } from "./unit-file.ts";

const folder = join(repository, "deploy/systemd");
const slotA = ["a00", "a01", "a02"] as const;
const slotB = ["b00", "b01", "b02"] as const;
const units = ["holdfast@.service", "holdfast-cluster.service", "holdfast.target"] as const;

const verifier = systemProgram("systemd") ?? "systemd-analyze";
const isVerified = systemProgram("systemd") !== undefined || process.env["CI"] === "true";
if (!isVerified) console.log("skipped: verifying the units needs systemd-analyze, of the package systemd");
if (!existsSync("/run/systemd/system")) {
  console.log(
    "not run by systemd, which is not this machine's: the sandbox of the units, and enable and disable",
  );
}

test.runIf(isVerified)("systemd finds nothing wrong in the units", (context) => {
  const place = mkdtempSync(join(tmpdir(), "holdfast-units-"));
  context.onTestFinished(() => rmSync(place, { recursive: true, force: true }));
  const complaints = (spoil: (text: string) => string) => {
    const files = units.map((name) => {
      const file = join(place, name.replace("@.", "@a00."));
      writeFileSync(file, spoil(readFileSync(join(folder, name), "utf8")));
      return file;
    });
    const sh = `"$0" verify --man=no "$@" 2>&1 || echo "ended with $?"`;
    return execFileSync("sh", ["-c", sh, verifier, ...files], { encoding: "utf8", cwd: place });
  };
  expect(complaints((text) => text)).toBe("");
  // It would say so if there was something.
  expect(complaints((text) => text.replace("KillMode=mixed", "KillMode=gentle"))).toContain("gentle");
});

test("systemd waits longer than a drain takes, and roll longer than systemd", () => {
  const environment = { "/etc/holdfast/common.env": join(folder, "env/all-instances.env") };
  const files = { ...environment, "/etc/holdfast/a00.env": join(folder, "env/a00.env") };
  const instance = readUnit(join(folder, "holdfast@.service"), "a00", files);
  const cluster = readUnit(join(folder, "holdfast-cluster.service"), "", {
    ...environment,
    "/etc/holdfast/cluster.env": join(folder, "env/cluster.env"),
  });
  const drainSeconds = (unit: Unit) =>
    (Number(unit.environment["HOLDFAST_DRAIN_LEAD_MS"]) +
      Number(unit.environment["HOLDFAST_SHUTDOWN_TIMEOUT_MS"])) /
    1000;
  expect(instance.stopSeconds).toBeGreaterThanOrEqual(drainSeconds(instance) + 5);
  expect(cluster.stopSeconds).toBeGreaterThanOrEqual(drainSeconds(cluster) + 5 + 5);
  const example = readFileSync(join(repository, "deploy/roll/roll.example.json"), "utf8");
  const { stopTimeoutMs, slots } = readConfiguration(JSON.parse(example));
  expect(stopTimeoutMs / 1000).toBeGreaterThan(instance.stopSeconds);
  // The ports are those of the example files.
  for (const { name, readyUrl } of [...slots.a, ...slots.b]) {
    const settings = readFileSync(join(folder, `env/${name}.env`), "utf8");
    expect(settings).toContain(`HOLDFAST_INTERNAL_PORT=${new URL(readyUrl).port}\n`);
  }
});

describe.skipIf(whyNoSite !== undefined)("the units' commands", () => {
  test("G1 G2 instances are rolled from slot to slot and back while 150 clients talk", async (context) => {
    const site = await openSite(context);
    const machine = new RollMachine(context, site.prefix);
    const places = layOut(machine, site);
    for (const name of [...slotA, ...slotB]) {
      const unit = readUnit(join(folder, "holdfast@.service"), name, places);
      machine.setInstance(name, unit.environment, {
        isClean: true,
        command: unit.one("ExecStart").split(" "),
        directory: unit.one("WorkingDirectory"),
        signal: unit.one("KillSignal").replace("SIG", ""),
        seconds: unit.stopSeconds,
      });
    }
    machine.configureOn(site, { a: slotA, b: slotB }, machine.plainCommands);
    await site.startHaproxy(["base", "edge-http", "nodes", "website-from-nodes"]);
    const rolled = async (...args: string[]) =>
      expect(await machine.roll(...args)).toMatchObject({ code: 0, stderr: "" });
    await rolled("deploy", machine.packHoldfast("1.0.0"));
    const load = await beginLoad(context, site.url());
    expect(await load.over(() => rolled("deploy", machine.packHoldfast("2.0.0")), 1)).toBe(150);
    // The link was followed when it started: where it leads later moves nothing that runs.
    const pid = readFileSync(join(machine.folder, "b00.pid"), "utf8").trim();
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(join(machine.place, "releases/2.0.0"));
    expect(await load.over(() => rolled("back"), 1)).toBe(150);
    await load.end();
  });

  test("a reload of the cluster unit exchanges the workers for those of the new release", async (context) => {
    const site = await openSite(context);
    const machine = new RollMachine(context, site.prefix);
    const unit = readUnit(join(folder, "holdfast-cluster.service"), "", layOut(machine, site));
    machine.setInstance("a00", unit.environment, {
      isClean: true,
      command: unit.one("ExecStart").split(" "),
      directory: unit.one("WorkingDirectory"),
    });
    const ready = { name: "a00", readyUrl: "http://127.0.0.1:9000/readyz" };
    machine.configure({ slots: { a: [ready] }, commands: machine.plainCommands });
    expect((await machine.roll("deploy", machine.packHoldfast("1.0.0"))).code).toBe(0);
    const primary = readFileSync(join(machine.folder, "a00.pid"), "utf8").trim();
    const workers = () => readFileSync(`/proc/${primary}/task/${primary}/children`, "utf8").trim().split(" ");
    const before = workers();
    const served = () => site.run("curl", "-sf", "http://127.0.0.1:8000/");
    expect(await served()).toContain("<title>Holdfast</title>");
    // Another release at the link, as if it had been unpacked and linked by hand.
    const next = join(machine.place, "releases/2.0.0");
    execFileSync("cp", ["-a", join(machine.place, "releases/1.0.0"), next]);
    const page = join(next, "src/app/page/index.html");
    writeFileSync(page, readFileSync(page, "utf8").replace("<title>Holdfast", "<title>The next one"));
    execFileSync("ln", ["-sfn", "releases/2.0.0", join(machine.place, "current")]);
    const [kill = "", ...args] = unit.one("ExecReload").replace("$MAINPID", primary).split(" ");
    execFileSync(kill, args);
    await until(() => before.every((pid) => !existsSync(`/proc/${pid}`)), {
      what: "the old workers to be gone",
      deadlineMs: 60_000,
    });
    expect(await served()).toContain("<title>The next one</title>");
    expect(workers()).toHaveLength(before.length);
  });
});

/** Puts the example files where the units look for them; returns where that is, by its name in the units. */
function layOut(machine: RollMachine, site: Site): Readonly<Record<string, string>> {
  const places = {
    "/etc/holdfast": join(machine.folder, "etc"),
    "/var/lib/holdfast": site.folder,
    "/opt/holdfast": machine.place,
  };
  mkdirSync(places["/etc/holdfast"]);
  for (const name of [...slotA, ...slotB, "cluster"]) {
    copyFileSync(join(folder, `env/${name}.env`), join(places["/etc/holdfast"], `${name}.env`));
  }
  copyFileSync(join(folder, "env/all-instances.env"), join(places["/etc/holdfast"], "common.env"));
  return places;
}
