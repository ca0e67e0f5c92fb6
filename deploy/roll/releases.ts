/**
 * The releases on this machine: `releases/<version>`, the links `current` and `previous`, and the note of
 * which instance was started from which of them.
 */

import {
  existsSync,
  lstatSync,
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
  #notes: Notes | undefined;

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
    return this.#read().runs[instance];
  }

  /** Notes it; undefined: it was stopped. */
  note(instance: string, version: string | undefined): void {
    const { [instance]: _, ...others } = this.#read().runs;
    this.#write({
      ...this.#read(),
      runs: version === undefined ? others : { ...others, [instance]: version },
    });
  }

  /** The roll that has begun and not come to its end, if its process was killed. */
  get unfinished(): Unfinished | undefined {
    return this.#read().unfinished;
  }

  noteBegin(unfinished: Unfinished): void {
    this.#write({ ...this.#read(), unfinished });
  }

  noteEnd(): void {
    this.#write({ runs: this.#read().runs });
  }

  /** Removes the oldest, and keeps what is linked or was started. */
  async prune(keep: number): Promise<void> {
    const used = new Set([this.current, this.previous, ...Object.values(this.#read().runs)]);
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

  #linked(link: string): string | undefined {
    try {
      return basename(readlinkSync(join(this.folder, link)));
    } catch {
      return undefined;
    }
  }

  #read(): Notes {
    this.#notes ??= readNotes(join(this.folder, noteName));
    return this.#notes;
  }

  #write(notes: Notes): void {
    if (this.#steps.isDry) return;
    const path = join(this.folder, noteName);
    writeFileSync(`${path}.next`, `${JSON.stringify(notes, undefined, 2)}\n`);
    renameSync(`${path}.next`, path);
    this.#notes = notes;
  }
}

function readNotes(path: string): Notes {
  try {
    const { runs = {}, unfinished } = JSON.parse(readFileSync(path, "utf8")) as Partial<Notes>;
    return unfinished === undefined ? { runs } : { runs, unfinished };
  } catch {
    // None yet, or spoilt: nothing is known of who runs what, and nothing is decided by it alone.
    return { runs: {} };
  }
}

const noteName = "roll-notes.json";

// --- types ---

export type Unfinished = { readonly before: string | undefined; readonly release: string };

type Notes = { readonly runs: Readonly<Record<string, string>>; readonly unfinished?: Unfinished };
