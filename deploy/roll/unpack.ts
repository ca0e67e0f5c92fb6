/** Brings a release, packed or as a folder, to its place in `releases/`, whole or not at all. */

import { execFileSync } from "node:child_process";
import { createHash, type Hash } from "node:crypto";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Releases } from "./releases.ts";
import { StepFailed, type Steps } from "./steps.ts";

/** Looks at the package without unpacking it. Throws `StepFailed` when it is not a release. */
export function inspectPackage(source: string, name: string | undefined): Package {
  const path = resolve(source);
  if (!existsSync(path)) throw new StepFailed(`${source} does not exist`);
  const isFolder = statSync(path).isDirectory();
  const { text, depth } = isFolder ? manifestOfFolder(path) : manifestOfArchive(path);
  const version = name ?? versionOf(text, source);
  if (!/^[A-Za-z0-9][\w.+-]*$/.test(version)) {
    throw new StepFailed(`"${version}" cannot be the name of a folder: take letters, digits, . _ + and -`);
  }
  return { path, isFolder, version, depth };
}

/** Unpacks and prepares it; resolves when `releases/<version>` is there, also when it was there before. */
export async function unpack(
  pack: Package,
  to: {
    readonly releases: Releases;
    readonly steps: Steps;
    readonly prepare: readonly string[] | undefined;
  },
): Promise<void> {
  const { releases, steps, prepare } = to;
  const { version } = pack;
  const place = releases.pathOf(version);
  const folder = join(releases.folder, "releases", `.${version}.${process.pid}`);
  if (!steps.isDry) removeHalves(releases.folder);
  try {
    if (pack.isFolder) {
      await steps.act(`cp -a ${pack.path}/. ${folder} (without .git)`, () => {
        const isWanted = (path: string) => basename(path) !== ".git" && basename(path) !== markName;
        cpSync(pack.path, folder, { recursive: true, verbatimSymlinks: true, filter: isWanted });
      });
    } else {
      await steps.act(`mkdir -p ${folder}`, () => void mkdirSync(folder, { recursive: true }));
      const strip = pack.depth === 0 ? [] : [`--strip-components=${pack.depth}`];
      const tar = ["tar", "-xf", pack.path, "-C", folder, "--no-same-owner", ...strip];
      await steps.command(tar, { timeoutMs: unpackWithinMs });
    }
    const digest = steps.isDry ? "" : digestOf(folder);
    if (releases.has(version)) {
      if (!steps.isDry && digestAt(place) !== digest) throw new StepFailed(differs(version, place));
      steps.say(
        steps.isDry
          ? `releases/${version} is there already; would go on only if it was unpacked from the same files`
          : `releases/${version} is there already, unpacked from the same files`,
      );
      return;
    }
    if (prepare !== undefined) await steps.command(prepare, { folder, timeoutMs: prepareWithinMs });
    await steps.act(`mv -T ${folder} ${place}`, () => {
      writeFileSync(join(folder, markName), `${JSON.stringify({ digest, from: basename(pack.path) })}\n`);
      renameSync(folder, place);
    });
  } finally {
    if (!steps.isDry) rmSync(folder, { recursive: true, force: true });
  }
}

function differs(version: string, place: string): string {
  return (
    `releases/${version} is there already, from other files. A release that may run is not changed: ` +
    `give the new one another version in its package.json or by --as NAME, or remove ${place}`
  );
}

/** What rolls that were killed while they unpacked have left. */
function removeHalves(folder: string): void {
  const releases = join(folder, "releases");
  for (const name of readdirSync(releases)) {
    if (name.startsWith(".")) rmSync(join(releases, name), { recursive: true, force: true });
  }
}

function digestAt(place: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(join(place, markName), "utf8")) as { digest?: string }).digest;
  } catch {
    return undefined;
  }
}

/** Of names, contents, links and what may be run. */
function digestOf(folder: string): string {
  const hash = createHash("sha256");
  addFolder(hash, folder, "");
  return hash.digest("hex");
}

function addFolder(hash: Hash, folder: string, name: string): void {
  for (const entry of readdirSync(join(folder, name)).toSorted()) {
    const inner = join(name, entry);
    const path = join(folder, inner);
    const status = lstatSync(path);
    if (status.isDirectory()) {
      hash.update(JSON.stringify(["folder", inner]));
      addFolder(hash, folder, inner);
    } else if (status.isSymbolicLink()) {
      hash.update(JSON.stringify(["link", inner, readlinkSync(path)]));
    } else {
      hash.update(JSON.stringify(["file", inner, status.size, (status.mode & 0o100) !== 0]));
      hash.update(readFileSync(path));
    }
  }
}

function manifestOfFolder(path: string): Manifest {
  const file = join(path, "package.json");
  if (!existsSync(file)) throw new StepFailed(`${path} is no release: it has no package.json`);
  return { text: readFileSync(file, "utf8"), depth: 0 };
}

/** `npm pack` and `git archive --prefix` put everything into one folder, others put it at the top. */
function manifestOfArchive(path: string): Manifest {
  const tar = (...args: string[]) =>
    execFileSync("tar", args, { encoding: "utf8", maxBuffer: 256 * 1024 * 1024, stdio: "pipe" });
  let names: readonly string[];
  try {
    names = tar("-tf", path).split("\n");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StepFailed(`${path} cannot be read by tar: ${why}`);
  }
  const depthOf = (name: string) => name.replace(/^\.\//, "").split("/").length - 1;
  const [found] = names
    .filter((name) => basename(name) === "package.json" && depthOf(name) <= 1)
    .toSorted((left, right) => depthOf(left) - depthOf(right));
  if (found === undefined)
    throw new StepFailed(`${path} is no release: package.json is neither at its top nor in its one folder`);
  // A leading ./ counts as a part for tar, but only where something is to be taken away.
  const depth = depthOf(found) === 0 ? 0 : found.split("/").length - 1;
  return { text: tar("-xOf", path, found), depth };
}

function versionOf(manifest: string, source: string): string {
  try {
    const { version } = JSON.parse(manifest) as { version?: unknown };
    if (typeof version === "string") return version;
  } catch {
    // Told below, as for a version that is not there.
  }
  throw new StepFailed(`the package.json of ${source} names no version; --as NAME gives one`);
}

/** Tells what a release was unpacked from. */
const markName = ".release.json";
const unpackWithinMs = 300_000;
const prepareWithinMs = 1_800_000;

// --- types ---

/** A release that waits to be unpacked. */
export type Package = {
  readonly path: string;
  readonly isFolder: boolean;
  readonly version: string;
  /** Folders around it in the archive. */
  readonly depth: number;
};

type Manifest = { readonly text: string; readonly depth: number };
