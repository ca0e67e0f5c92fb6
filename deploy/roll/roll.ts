/** What the commands do, and what they need for it. */

import { accessSync, constants, existsSync, mkdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { ConfigurationError, type RollConfiguration } from "./configuration.ts";
import { Fleet, messageOf, namesOf } from "./fleet.ts";
import { rollInPlace } from "./in-place.ts";
import type { Interruption } from "./interruption.ts";
import { lockHolder, takeLock } from "./lock.ts";
import { Releases } from "./releases.ts";
import { StepFailed, type Steps } from "./steps.ts";
import { rollSlots } from "./two-slots.ts";
import { inspectPackage, unpack } from "./unpack.ts";

export class Roll {
  readonly fleet: Fleet;
  readonly releases: Releases;
  readonly steps: Steps;
  readonly interruption: Interruption;
  readonly #configuration: RollConfiguration;

  constructor(configuration: RollConfiguration, steps: Steps, interruption: Interruption) {
    this.#configuration = configuration;
    this.steps = steps;
    this.interruption = interruption;
    this.releases = new Releases(configuration.folder, steps);
    this.fleet = new Fleet(configuration, steps, this.releases);
  }

  async deploy(source: string, name: string | undefined): Promise<number> {
    const pack = inspectPackage(source, name);
    return await this.#locked(async () => {
      const { releases, steps } = this;
      await unpack(pack, { releases, steps, prepare: this.#configuration.commands.prepare });
      return await this.#bring(pack.version, { always: false });
    });
  }

  async back(): Promise<number> {
    return await this.#locked(async () => {
      const { current, previous } = this.releases;
      if (previous === undefined || !this.releases.has(previous)) {
        throw new StepFailed(
          `there is no release to go back to: ${this.releases.folder}/previous leads nowhere`,
        );
      }
      this.steps.say(`back from ${current ?? "nothing"} to ${previous}`);
      return await this.#bring(previous, { always: false });
    });
  }

  async restart(): Promise<number> {
    return await this.#locked(async () => {
      const { current } = this.releases;
      if (current === undefined) throw new StepFailed("nothing was deployed yet: roll deploy RELEASE");
      return await this.#bring(current, { always: true });
    });
  }

  /** 0 when all of a slot are ready. */
  async status(print: (line: string) => void): Promise<number> {
    const { fleet, releases } = this;
    const holder = lockHolder(releases.folder);
    print(`current   ${releases.current ?? "nothing"}`);
    print(`previous  ${releases.previous ?? "nothing"}`);
    print(`releases  ${releases.versions.join(" ") || "none"}`);
    if (holder !== undefined) print(`process ${holder} rolls now`);
    const asked = await fleet.ask(fleet.instances);
    const seen = await fleet.seenByHaproxy();
    for (const { instance, state, said } of asked) {
      const release = releases.runBy(instance.name) ?? "-";
      const row = [instance.name, `slot ${instance.slot}`, state, release, seen.get(instance.name) ?? ""];
      print(
        `${row.map((cell) => cell.padEnd(10)).join("")}${state === "not ready" ? ` (${said})` : ""}`.trimEnd(),
      );
    }
    const isWhole = (slot: "a" | "b") =>
      fleet.slot(slot).length > 0 &&
      asked.every(({ instance, state }) => instance.slot !== slot || state === "ready");
    return isWhole("a") || isWhole("b") ? 0 : 1;
  }

  /**
   * Looks at the machine before anything is changed. Throws a `ConfigurationError` with all settings that do
   * not fit it.
   */
  async check(): Promise<void> {
    const { folder, commands } = this.#configuration;
    const problems: string[] = [];
    const folderProblem = problemOfFolder(folder);
    if (folderProblem !== undefined) problems.push(`folder: ${folder} ${folderProblem}.`);
    for (const name of ["start", "stop", "prepare"] as const) {
      const program = commands[name]?.[0];
      if (program === undefined || program.includes("{") || isProgram(program, folder)) continue;
      // A program may come with the release that is about to be the first.
      if (program.startsWith(`${folder}/current/`) && this.releases.current === undefined) continue;
      problems.push(`commands.${name}: ${program} is not a program on this machine.`);
    }
    try {
      const unknown = await this.fleet.unknownToHaproxy();
      for (const name of unknown) problems.push(`haproxy.backend: HAProxy has no server ${name} there.`);
    } catch (error) {
      problems.push(`haproxy: ${messageOf(error)}.`);
    }
    if (problems.length > 0) throw new ConfigurationError(problems);
  }

  async #bring(release: string, how: { readonly always: boolean }): Promise<number> {
    const { releases, fleet } = this;
    const before = releases.current;
    releases.noteBegin({ before, release });
    const code =
      fleet.slot("b").length > 0 ? await rollSlots(this, release) : await rollInPlace(this, release, how);
    // Also where old ones did not stop: the new release serves, and this is the way back.
    const isNew = releases.current === release && before !== release;
    if (isNew && before !== undefined) await releases.switch("previous", before);
    releases.noteEnd();
    if (code === 0) await releases.prune(this.#configuration.keep);
    return code;
  }

  /**
   * After a roll that was killed the link may lead to a release that nobody has seen ready: it goes back,
   * unless that release is the only one that serves.
   */
  async #settleUnfinished(): Promise<void> {
    const { releases, steps, fleet } = this;
    const { unfinished } = releases;
    if (unfinished === undefined) return;
    const { before, release } = unfinished;
    const ready = (await fleet.ask(fleet.instances)).filter(({ state }) => state === "ready");
    const runs = ready.map(({ instance }) => releases.runBy(instance.name));
    const isIn = runs.length > 0 && runs.every((version) => version === release);
    steps.say(
      `the roll to ${release} was cut short; ${isIn ? "it serves" : `current is ${before ?? "nothing"} again`}`,
    );
    await releases.switch("current", isIn ? release : before);
    if (isIn && before !== undefined && before !== release) await releases.switch("previous", before);
    releases.noteEnd();
  }

  async #locked(action: () => Promise<number>): Promise<number> {
    const { releases, steps, fleet } = this;
    if (steps.isDry) {
      const holder = lockHolder(releases.folder);
      if (holder !== undefined) steps.say(`process ${holder} rolls now; this would be refused`);
      return await action();
    }
    mkdirSync(join(releases.folder, "releases"), { recursive: true });
    const unlock = takeLock(releases.folder, (line) => steps.say(line));
    try {
      await this.#settleUnfinished();
      return await action();
    } catch (error) {
      steps.say(`STOPPED: ${messageOf(error)}`);
      const asked = await fleet.ask(fleet.instances);
      const ready = asked.filter(({ state }) => state === "ready").map(({ instance }) => instance);
      steps.say(`current is ${releases.current ?? "nothing"}; ready are ${namesOf(ready) || "none"}`);
      return 1;
    } finally {
      unlock();
    }
  }
}

function problemOfFolder(folder: string): string | undefined {
  if (!existsSync(folder)) return "does not exist; make it, owned by whoever rolls";
  if (!statSync(folder).isDirectory()) return "is not a folder";
  try {
    accessSync(folder, constants.W_OK);
    return undefined;
  } catch {
    return "cannot be written by this user";
  }
}

function isProgram(program: string, folder: string): boolean {
  const candidates = program.includes("/")
    ? [join(program.startsWith("/") ? "" : folder, program)]
    : (process.env["PATH"] ?? "").split(delimiter).map((place) => join(place, program));
  return candidates.some((candidate) => {
    try {
      accessSync(candidate, constants.X_OK);
      return statSync(candidate).isFile();
    } catch {
      return false;
    }
  });
}
