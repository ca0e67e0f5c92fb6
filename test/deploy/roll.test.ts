/** `deploy/roll` on its own: what it refuses, what it would do, and what it does when something is wrong. */

import { existsSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../harness/free-port.ts";
import type { Owner } from "../harness/owner.ts";
import { until } from "../harness/until.ts";
import { type Behaviour, writeInstance } from "./roll-instance.ts";
import { RollMachine } from "./roll-machine.ts";

test("wrong and missing settings are named, all at once, and nothing is changed", async (context) => {
  const machine = new RollMachine(context);
  const archive = machine.pack("1.0.0", writeInstance);
  const refusal = async () => {
    const { code, stdout, stderr } = await machine.roll("deploy", archive);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(readdirSync(machine.place)).toEqual([]);
    return stderr.trim().split("\n").slice(1);
  };
  machine.configure({
    folder: "relative",
    keep: 1,
    kept: 3,
    slots: { a: [{ name: "a 0", readyUrl: "https://x" }, { name: "a01" }], c: [] },
    commands: { start: ["sh"], stop: [] },
    readyTimeoutMs: "soon",
    haproxy: { socket: "nowhere" },
  });
  expect((await refusal()).map((line) => line.trim().split(" ")[0])).toEqual([
    "kept",
    "slots.c",
    "slots.a[0].name",
    "slots.a[0].readyUrl",
    "slots.a[1].readyUrl",
    "folder",
    "keep",
    "commands.start",
    "commands.stop",
    "readyTimeoutMs",
    "haproxy.socket",
    "haproxy.backend",
  ]);
  // What fits no machine is found after what fits no roll.
  const one = [{ name: "a00", readyUrl: "http://127.0.0.1:1/readyz" }];
  machine.configure({
    folder: "/nonexistent/holdfast",
    slots: { a: one },
    commands: { start: ["no-such-program"], stop: ["true"] },
    haproxy: { socket: join(machine.folder, "no.sock"), backend: "socketio" },
  });
  expect((await refusal()).map((line) => line.trim().split(":")[0])).toEqual([
    "folder",
    "commands.start",
    "haproxy",
  ]);
  writeFileSync(machine.configurationFile, "{");
  expect(await refusal()).toEqual([expect.stringContaining("roll.json cannot be read")]);
  expect((await machine.roll("deplyo")).code).toBe(2);
});

test("a dry run tells every step with its command, and changes nothing", async (context) => {
  const machine = await machineOf(context, { slots: "ab", extra: { prepare: ["touch", "prepared"] } });
  const archive = machine.pack("1.0.0", writeInstance);
  const { code, stdout } = await machine.roll("deploy", archive, "--dry-run");
  expect(code).toBe(0);
  for (const step of [
    `tar -xf ${archive} -C`,
    "touch prepared)",
    `ln -sfn releases/1.0.0 ${machine.place}/current.next && mv -T ${machine.place}/current.next`,
    "plain-starter.sh start a00",
    "plain-starter.sh start a01",
    "would wait until a00, a01 are ready",
  ]) {
    expect(stdout).toContain(step);
  }
  expect(readdirSync(machine.place)).toEqual([]);
  expect(existsSync(join(machine.folder, "a00.pid"))).toBe(false);
});

test("slots take turns; back returns; restart changes slots; old releases go", async (context) => {
  const machine = await machineOf(context, { slots: "ab", extra: {}, settings: { keep: 2 } });
  const deployed = async (version: string) => {
    const archive = machine.pack(version, writeInstance);
    expect(await machine.roll("deploy", archive)).toMatchObject({ code: 0, stderr: "" });
  };
  await deployed("1.0.0");
  expect(await machine.serving()).toEqual(["a00 1.0.0", "a01 1.0.0"]);
  await deployed("2.0.0");
  expect(await machine.serving()).toEqual(["b00 2.0.0", "b01 2.0.0"]);
  expect((await machine.roll("back")).code).toBe(0);
  expect(await machine.serving()).toEqual(["a00 1.0.0", "a01 1.0.0"]);
  expect((await machine.roll("restart")).code).toBe(0);
  expect(await machine.serving()).toEqual(["b00 1.0.0", "b01 1.0.0"]);
  await deployed("3.0.0");
  expect(readdirSync(join(machine.place, "releases"))).toEqual(["1.0.0", "3.0.0"]);
  expect(readlinkSync(join(machine.place, "previous"))).toBe("releases/1.0.0");
  const { code, stdout } = await machine.roll("status");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^a00 +slot a +ready +3\.0\.0$/m);
  expect(stdout).toMatch(/^b00 +slot b +refused +-$/m);
});

test("a version from other files is refused; from the same files it is rolled again", async (context) => {
  const machine = await machineOf(context, { slots: "a" });
  const archive = machine.pack("1.0.0", writeInstance);
  expect((await machine.roll("deploy", archive)).code).toBe(0);
  const again = await machine.roll("deploy", archive);
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining("there already")]);
  const changed = machine.pack("1.0.0", (folder) => writeInstance(folder, "never ready"));
  const refused = await machine.roll("deploy", changed);
  expect([refused.code, refused.stdout]).toEqual([1, expect.stringContaining("from other files")]);
  expect((await machine.roll("deploy", changed, "--as", "1.0.0-b", "--dry-run")).code).toBe(0);
  expect(readdirSync(join(machine.place, "releases"))).toEqual(["1.0.0"]);
  expect(await machine.serving()).toEqual(["a00 1.0.0", "a01 1.0.0"]);
});

test.for<[Behaviour, string]>([
  ["never ready", "a00 at"],
  ["dead at once", "nobody listens"],
  ["ready once", "500 of 2.0.0"],
])("a release that is %s leaves the old slot as it was", async ([behaviour, reason], context) => {
  const machine = await machineOf(context, { slots: "ab", settings: { readyTimeoutMs: 1_500 } });
  const good = machine.pack("1.0.0", writeInstance);
  expect((await machine.roll("deploy", good)).code).toBe(0);
  expect((await machine.roll("restart")).code).toBe(0);
  const pids = machine.pids();
  const { code, stdout } = await machine.roll(
    "deploy",
    machine.pack("2.0.0", (to) => writeInstance(to, behaviour)),
  );
  expect(code).toBe(1);
  expect(stdout).toContain("FAILED: ");
  expect(stdout).toContain(reason);
  expect(stdout).toContain("NOT ROLLED to 2.0.0: b00, b01 go on as they were, current is 1.0.0");
  expect(await machine.serving()).toEqual(["b00 1.0.0", "b01 1.0.0"]);
  expect(machine.pids()).toEqual(pids);
  expect(readlinkSync(join(machine.place, "current"))).toBe("releases/1.0.0");
});

test("in place, what fails midway goes back, says who runs what, and goes on later", async (context) => {
  const machine = await machineOf(context, { slots: "a", settings: { readyTimeoutMs: 1_500 } });
  expect((await machine.roll("deploy", machine.pack("1.0.0", writeInstance))).code).toBe(0);
  const bad = machine.pack("2.0.0", (folder) => writeInstance(folder, "second one never ready"));
  const failed = await machine.roll("deploy", bad);
  expect(failed.code).toBe(1);
  expect(failed.stdout).toContain("stopped midway: not within 1500 ms; the last answer was: a01 at");
  expect(failed.stdout).toMatch(/a00 runs 2\.0\.0: ready\n.*a01 runs 1\.0\.0: ready\n.*current is 1\.0\.0/);
  expect(await machine.serving()).toEqual(["a00 2.0.0", "a01 1.0.0"]);
  expect((await machine.roll("restart")).code).toBe(0);
  expect(await machine.serving()).toEqual(["a00 1.0.0", "a01 1.0.0"]);
});

test("one roll at a time; a dead one is cleared away; Ctrl-C takes the step back", async (context) => {
  const machine = await machineOf(context, { slots: "ab", settings: { readyTimeoutMs: 30_000 } });
  expect((await machine.roll("deploy", machine.pack("1.0.0", writeInstance))).code).toBe(0);
  const slow = machine.pack("2.0.0", (folder) => writeInstance(folder, "never ready"));
  const rolling = machine.start("deploy", slow);
  await rolling.line(/waiting until b00, b01 are ready/);
  const second = await machine.roll("restart");
  expect([second.code, second.stderr]).toEqual([1, expect.stringContaining("rolls already")]);
  rolling.signal("SIGINT");
  expect((await rolling.exited(20_000)).code).toBe(1);
  expect(rolling.stdout).toContain("NOT ROLLED to 2.0.0: a00, a01 go on as they were");
  expect(await machine.serving()).toEqual(["a00 1.0.0", "a01 1.0.0"]);

  const killed = machine.start("deploy", slow);
  await killed.line(/waiting until b00, b01 are ready/);
  await killed.kill();
  const after = await machine.roll("restart");
  expect(after.code).toBe(0);
  expect(after.stdout).toContain("taking over the lock of process");
  expect(after.stdout).toContain("the roll to 2.0.0 was cut short; current is 1.0.0 again");
  expect(after.stdout).toContain("slot b is not empty");
  expect(await machine.serving()).toEqual(["b00 1.0.0", "b01 1.0.0"]);
});

test("an old slot of which some are down already is rolled", async (context) => {
  const machine = await machineOf(context, { slots: "ab" });
  expect((await machine.roll("deploy", machine.pack("1.0.0", writeInstance))).code).toBe(0);
  process.kill(Number(readFileSync(join(machine.folder, "a01.pid"), "utf8")), "SIGKILL");
  await until(async () => (await machine.serving()).length === 1, { what: "a01 to be gone" });
  const { code, stdout } = await machine.roll("deploy", machine.pack("2.0.0", writeInstance));
  expect(code).toBe(0);
  expect(stdout).toContain("a01 of slot a is not ready: nobody listens");
  expect(await machine.serving()).toEqual(["b00 2.0.0", "b01 2.0.0"]);
});

/** A machine with small instances in one slot or two, two in each. */
async function machineOf(
  owner: Owner,
  options: { readonly slots: "a" | "ab"; readonly settings?: object; readonly extra?: object },
): Promise<SmallMachine> {
  const machine = new SmallMachine(owner);
  const slots: Record<string, { name: string; readyUrl: string }[]> = {};
  for (const slot of options.slots) {
    slots[slot] = [];
    for (const place of [0, 1]) {
      const port = await freePort();
      const name = `${slot}0${place}`;
      machine.ports.set(name, port);
      machine.setInstance(name, { PORT: String(port), NAME: name });
      slots[slot].push({ name, readyUrl: `http://127.0.0.1:${port}/readyz` });
    }
  }
  const commands = { ...machine.plainCommands, ...options.extra };
  machine.configure({ slots, commands, readyTimeoutMs: 10_000, stopTimeoutMs: 10_000, ...options.settings });
  return machine;
}

class SmallMachine extends RollMachine {
  readonly ports = new Map<string, number>();

  /** Who answers now, and from which release. */
  async serving(): Promise<readonly string[]> {
    const answers = [...this.ports.values()].map((port) =>
      fetch(`http://127.0.0.1:${port}/`, { headers: { connection: "close" } }).then(
        async (response) => [await response.text()],
        () => [],
      ),
    );
    return (await Promise.all(answers)).flat();
  }

  /** Pids of those that run, by name. */
  pids(): Readonly<Record<string, string>> {
    const files = readdirSync(this.folder).filter((file) => file.endsWith(".pid"));
    return Object.fromEntries(files.map((file) => [file, readFileSync(join(this.folder, file), "utf8")]));
  }
}
