/**
 * The releases on this machine: `releases/<version>`, the links `current` and `previous`, and the note of
 * which instance was started from which of them.
 */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import type { Steps } from "./steps.ts";

export class Releases {
  readonly folder: string;
  readonly #steps: Steps;
  #runs: Record<string, string> | undefined;

  constructor(folder: string, steps: Steps) {
    this.folder = folder;
    this.#steps = steps;
  }

  pathOf(version: string): string {
    return join(this.folder, "releases", version);
  }

  has(version: string): boolean {
    return existsSync(this.pathOf(version));
  }

  get current(): string | undefined {
    return this.#linked("current");
  }

  get previous(): string | undefined {
    return this.#linked("previous");
  }

  /** The oldest first, by when they were unpacked. */
  get versions(): readonly string[] {
    const folder = join(this.folder, "releases");
    if (!existsSync(folder)) return [];
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .map((name) => ({ name, at: lstatSync(join(folder, name)).ctimeMs }))
      .toSorted((left, right) => left.at - right.at)
      .map(({ name }) => name);
  }

  /** Switches a link in one step: whoever follows it finds the old release or the new one, never none. */
  async switch(link: "current" | "previous", version: string | undefined): Promise<void> {
    if (this.#linked(link) === version) return;
    const path = join(this.folder, link);
    if (version === undefined) {
      await this.#steps.act(`rm ${path}`, () => rmSync(path, { force: true }));
      return;
    }
    const next = `${path}.next`;
    await this.#steps.act(`ln -sfn releases/${version} ${next} && mv -T ${next} ${path}`, () => {
      rmSync(next, { force: true });
      symlinkSync(join("releases", version), next);
      renameSync(next, path);
    });
  }

  /** The release that an instance was last started from, by this tool. */
  runBy(instance: string): string | undefined {
    return this.#read()[instance];
  }

  /** Notes it; undefined: it was stopped. */
  note(instance: string, version: string | undefined): void {
    if (this.#steps.isDry) return;
    const runs = { ...this.#read() };
    if (version === undefined) delete runs[instance];
    else runs[instance] = version;
    const path = join(this.folder, noteName);
    writeFileSync(`${path}.next`, `${JSON.stringify({ runs }, undefined, 2)}\n`);
    renameSync(`${path}.next`, path);
    this.#runs = runs;
  }

  /** Removes the oldest, and keeps what is linked or was started. */
  async prune(keep: number): Promise<void> {
    const used = new Set([this.current, this.previous, ...Object.values(this.#read())]);
    const { versions } = this;
    let surplus = versions.length - keep;
    for (const version of versions) {
      if (surplus <= 0) return;
      if (used.has(version)) continue;
      surplus -= 1;
      const path = this.pathOf(version);
      await this.#steps.act(`rm -r ${path}`, () => rmSync(path, { recursive: true, force: true }));
    }
  }

  makeFolders(): void {
    mkdirSync(join(this.folder, "releases"), { recursive: true });
  }

  #linked(link: string): string | undefined {
    try {
      return basename(readlinkSync(join(this.folder, link)));
    } catch {
      return undefined;
    }
  }

  #read(): Readonly<Record<string, string>> {
    this.#runs ??= readNote(join(this.folder, noteName));
    return this.#runs;
  }
}

function readNote(path: string): Record<string, string> {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { runs?: Record<string, string> }).runs ?? {};
  } catch {
    // None yet, or spoilt: nothing is known of who runs what, and nothing is decided by it alone.
    return {};
  }
}

const noteName = "runs.json";
