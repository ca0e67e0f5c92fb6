/**
 * A second build of Holdfast: a copy of the sources, and of the programs that run them, for a test to change.
 */

import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type * as Client from "holdfast/client";
import { expect } from "vitest";
import { programPath } from "../harness/child.ts";
import type { Owner } from "../harness/owner.ts";

const root = programPath("../..", import.meta.url);

/** It may be changed under a running process. */
export class Build {
  readonly folder: string;

  constructor(owner: Owner) {
    this.folder = mkdtempSync(join(tmpdir(), "holdfast-build-"));
    owner.onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
    // The copies find "holdfast" in the folder that they are in, and so each other.
    for (const part of ["src", "test/cluster", "test/harness"]) {
      cpSync(join(root, part), join(this.folder, part), { recursive: true });
    }
    cpSync(join(root, "package.json"), join(this.folder, "package.json"));
    symlinkSync(join(root, "node_modules"), join(this.folder, "node_modules"));
  }

  /** Replaces a text that has to be there. Returns what takes the change back. */
  change(path: string, from: string, to: string): () => void {
    const file = join(this.folder, path);
    const text = readFileSync(file, "utf8");
    expect(text).toContain(from);
    writeFileSync(file, text.replace(from, to));
    return () => writeFileSync(file, text);
  }

  /** Its `holdfast/client`. */
  async client(): Promise<typeof Client> {
    return (await import(join(this.folder, "src/client/index.ts"))) as typeof Client;
  }
}
