/** The lifeline of programs that are not Node's: what `lifeline.ts` is to the others. */

import { type ChildProcess, spawn } from "node:child_process";

/**
 * Has `child` killed when this process ends, however it ends. A shell holds the other end of a pipe that the
 * kernel closes then; it is in a session of its own, so that a Ctrl-C does not take it before its work is
 * done.
 */
export function guard(child: ChildProcess): void {
  if (child.pid === undefined) return;
  const watch = spawn("/bin/sh", ["-c", 'read -r line; kill -KILL "$0"', String(child.pid)], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  // A shell that could not be started guards nothing; the child still ends with its owner.
  watch.on("error", () => undefined);
  child.once("exit", () => watch.kill("SIGKILL"));
  watch.unref();
}
