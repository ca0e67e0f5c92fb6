/**
 * A node name beside a SQLite store: an empty file next to the store's own, with a lock on it. The lock is
 * SQLite's, because Node has none of its own; the system lets it go when the process ends, also by SIGKILL,
 * and it holds between containers that share the folder, as the store itself does.
 */

import { mkdirSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { DeliveryError } from "../protocol/errors.ts";
import { type Database, isBusy, openLocked } from "./sqlite-database.ts";

/**
 * Locks the name next to `storeFile`, whichever way leads to it; the folder is made if it is missing.
 *
 * @throws {DeliveryError} `node_in_use` when another process, or this one, has had it for `waitMs`;
 *   `store_unavailable` when the folder cannot be written.
 */
export function claimInFolder(storeFile: string, name: string, waitMs: number): () => Promise<void> {
  const lock = lockedOrThrow(claimFile(storeFile, name), waitMs);
  held.add(lock);
  return async () => {
    if (held.delete(lock)) lock.close();
  };
}

/**
 * Names that have been claimed beside this store, whether somebody has them now or not.
 *
 * @throws {DeliveryError} `store_unavailable` when the folder cannot be read.
 */
export function namesInFolder(storeFile: string): readonly string[] {
  const { prefix, files } = placeOf(storeFile);
  return files
    .filter((file) => file.startsWith(prefix))
    .map((file) => file.slice(prefix.length).replaceAll(capitalMark, ""))
    .filter((name) => /^\w{3}$/.test(name));
}

function lockedOrThrow(file: string, waitMs: number): Database {
  try {
    return openLocked(file, { busyTimeoutMs: waitMs });
  } catch (cause) {
    if (isBusy(cause)) throw new DeliveryError("node_in_use", { cause });
    throw new DeliveryError("store_unavailable", { detail: `cannot lock ${file}`, cause });
  }
}

/** The file is never removed: whoever has opened it meanwhile would hold a lock that nobody else sees. */
function claimFile(storeFile: string, name: string): string {
  const { folder, prefix } = placeOf(storeFile);
  // Where file names do not tell capitals apart, node names still do.
  return join(folder, prefix + name.replace(/[A-Z]/g, `${capitalMark}$&`));
}

function placeOf(storeFile: string): {
  readonly folder: string;
  readonly prefix: string;
  readonly files: readonly string[];
} {
  const path = resolve(storeFile);
  try {
    mkdirSync(dirname(path), { recursive: true });
    const real = realPath(path) ?? join(realpathSync(dirname(path)), basename(path));
    const folder = dirname(real);
    return { folder, prefix: `${basename(real)}-node-`, files: readdirSync(folder) };
  } catch (cause) {
    throw new DeliveryError("store_unavailable", { detail: `cannot create or read ${dirname(path)}`, cause });
  }
}

/** Undefined before the store has been opened for the first time. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

/** Without a reference a lock would be closed by the garbage collector, and the name be free. */
const held = new Set<Database>();

/** No node name has it. */
const capitalMark = "+";
