/**
 * What `deploy/roll` needs of a machine: a folder, a configuration, releases; and the tool, run as it is
 * shipped.
 */

import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RollConfiguration } from "../../deploy/roll/configuration.ts";
import { type Child, programPath, startChild } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";
import type { NodeName, Site } from "./site.ts";

export const repository = programPath("../..", import.meta.url);

/** Everything in it, processes too, ends with its owner. */
export class RollMachine {
  readonly #owner: Owner;
  readonly #prefix: readonly string[];
  /** Of the test: logs, pids, settings of instances. */
  readonly folder: string;

  constructor(owner: Owner, prefix: readonly string[] = []) {
    this.#owner = owner;
    this.#prefix = prefix;
    this.folder = mkdtempSync(join(tmpdir(), "holdfast-roll-"));
    mkdirSync(this.place);
    owner.onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
    owner.onTestFailed(() => console.error(this.logs()));
    guardPids(owner, this.folder);
  }

  /** Where the releases go. */
  get place(): string {
    return join(this.folder, "opt");
  }

  get configurationFile(): string {
    return join(this.folder, "roll.json");
  }

  /** Of `plain-starter.sh`. */
  get plainCommands(): Pick<RollConfiguration["commands"], "start" | "stop"> {
    const starter = programPath("./plain-starter.sh", import.meta.url);
    const command = (action: string) => [starter, action, "{name}", this.folder];
    return { start: command("start"), stop: command("stop") };
  }

  configure(configuration: object): void {
    writeFileSync(this.configurationFile, JSON.stringify({ folder: this.place, ...configuration }));
  }

  /** How `plain-starter.sh` starts an instance, and ends it. */
  setInstance(name: string, environment: Readonly<Record<string, string>>, run: Partial<Run> = {}): void {
    const variables = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
    const words = ["env", ...(run.isClean === true ? ["-i"] : []), ...variables];
    const lines = {
      command: [...words, ...(run.command ?? [process.execPath, "src/main.ts"])].map(quoted).join(" "),
      directory: run.directory ?? join(this.place, "current"),
      signal: run.signal ?? "TERM",
      seconds: String(run.seconds ?? 60),
    };
    const text = Object.entries(lines).map(([key, value]) => `${key}=${quoted(value)}\n`);
    writeFileSync(join(this.folder, `${name}.run`), text.join(""));
  }

  /** A packed release of the files that `write` puts into its folder. */
  pack(version: string, write: (folder: string) => void): string {
    const source = join(this.folder, `source-${version}`);
    mkdirSync(join(source, "holdfast/src"), { recursive: true });
    const manifest = readFileSync(join(repository, "package.json"), "utf8");
    const text = manifest.replace(/"version": "[^"]*"/, `"version": "${version}"`);
    writeFileSync(join(source, "holdfast/package.json"), text);
    write(join(source, "holdfast"));
    const archive = join(this.folder, `${version}.tgz`);
    execFileSync("tar", ["-czf", archive, "-C", source, "holdfast"]);
    return archive;
  }

  /** Rolls the shipped nodes of a site, under their names, behind its HAProxy. */
  configureOn(
    site: Site,
    slots: Readonly<Record<string, readonly NodeName[]>>,
    commands: Pick<RollConfiguration["commands"], "start" | "stop">,
    timeouts: { readonly readyTimeoutMs: number; readonly stopTimeoutMs: number } = {
      readyTimeoutMs: 20_000,
      stopTimeoutMs: 40_000,
    },
  ): void {
    const instance = (name: NodeName) => {
      const environment = site.nodeEnvironment(name);
      return { name, readyUrl: `http://127.0.0.1:${environment["HOLDFAST_INTERNAL_PORT"]}/readyz` };
    };
    this.configure({
      slots: Object.fromEntries(Object.entries(slots).map(([slot, names]) => [slot, names.map(instance)])),
      commands,
      haproxy: { socket: site.haproxySocket, backend: "socketio" },
      ...timeouts,
    });
  }

  /**
   * This repository's sources as a release, with the packages that are installed here; `change` may spoil it.
   */
  packHoldfast(version: string, change: (folder: string) => void = () => undefined): string {
    return this.pack(version, (folder) => {
      for (const part of ["src", "deploy"]) {
        cpSync(join(repository, part), join(folder, part), {
          recursive: true,
          filter: (path) => !path.endsWith("node_modules"),
        });
      }
      symlinkSync(join(repository, "node_modules"), join(folder, "node_modules"));
      change(folder);
    });
  }

  /** Starts the tool. */
  start(...args: readonly string[]): Child {
    return startChild(this.#owner, {
      program: join(repository, "deploy/roll/roll"),
      native: true,
      name: `roll ${args.join(" ")}`,
      args: [...args, "--config", this.configurationFile],
      prefix: this.#prefix,
      environment: this.environment,
      deadlineMs: 120_000,
    });
  }

  /** For the tool, and so for the commands that it runs. */
  environment: Readonly<Record<string, string>> = {};

  /** Runs the tool to its end. */
  async roll(...args: readonly string[]): Promise<Outcome> {
    const child = this.start(...args);
    const { code } = await child.exited(110_000);
    return { code, stdout: child.stdout, stderr: child.stderr };
  }

  log(name: string): string {
    const path = join(this.folder, `${name}.log`);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  logs(): string {
    const names = ["a00", "a01", "a02", "b00", "b01", "b02"];
    return names.map((name) => `--- ${name}\n${this.log(name).slice(-2_000)}`).join("\n");
  }
}

/** Kills what the pid files of the folder name when the owner is over, or its process was killed. */
function guardPids(owner: Owner, folder: string): void {
  const command = 'read -r line; for file in "$0"/*.pid; do kill -KILL "$(cat "$file")"; done';
  const watch = spawn("/bin/sh", ["-c", command, folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watch.unref();
  const gone = new Promise((resolve) => watch.once("exit", resolve));
  owner.onTestFinished(async () => {
    watch.stdin.end();
    await gone;
  });
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

// --- types ---

type Run = {
  readonly command: readonly string[];
  readonly directory: string;
  readonly signal: string;
  /** After which it is killed. */
  readonly seconds: number;
  /** It gets no other environment than its own. */
  readonly isClean: boolean;
};

export type Outcome = { readonly code: number | null; readonly stdout: string; readonly stderr: string };
