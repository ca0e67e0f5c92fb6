/** One roll at a time: a file with the process that rolls. */

import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Thrown when another process rolls. */
export class LockedError extends Error {
  override readonly name = "LockedError";
}

/** Takes the lock. Returns what lets it go. What a dead process has left is taken over, and said. */
export function takeLock(folder: string, say: (line: string) => void): () => void {
  const path = join(folder, lockName);
  const own = `${path}.${process.pid}`;
  writeFileSync(own, JSON.stringify({ pid: process.pid, startedAt: startOf(process.pid) }));
  try {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      if (tryLink(own, path)) return () => rmSync(path, { force: true });
      const holder = readHolder(path);
      if (holder !== undefined && isAlive(holder)) {
        throw new LockedError(`Process ${holder.pid} rolls already (${path}). Wait for its end.`);
      }
      // Renamed first: of two that take over at once, only one finds it.
      const stale = `${own}.stale`;
      if (tryRename(path, stale)) {
        rmSync(stale, { force: true });
        say(`taking over the lock of process ${holder?.pid ?? "unknown"}, which is gone`);
      }
    }
    throw new LockedError(`Others rolled at the same moment (${path}). Try again.`);
  } finally {
    rmSync(own, { force: true });
  }
}

/** The process that rolls now, if one does. */
export function lockHolder(folder: string): number | undefined {
  const holder = readHolder(join(folder, lockName));
  return holder !== undefined && isAlive(holder) ? holder.pid : undefined;
}

function readHolder(path: string): Holder | undefined {
  try {
    const { pid, startedAt } = JSON.parse(readFileSync(path, "utf8")) as Partial<Holder>;
    return typeof pid === "number" && typeof startedAt === "string" ? { pid, startedAt } : undefined;
  } catch {
    return undefined;
  }
}

/** Pids are used again, so the moment of the start has to be the same as well. */
function isAlive({ pid, startedAt }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return startOf(pid) === startedAt;
}

/** In clock ticks since the machine's start; empty where there is no /proc. */
function startOf(pid: number): string {
  try {
    // The name of the program stands in parentheses, and may hold any of the separators.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return fields[19] ?? "";
  } catch {
    return "";
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function tryRename(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch {
    return false;
  }
}

const lockName = "roll.lock";

// --- types ---

type Holder = { readonly pid: number; readonly startedAt: string };
