/**
 * Loaded in front of an example: the process dies by SIGKILL right after the first COMMIT of the
 * application's own database, once. That is the moment between an effect and its recorded outcome.
 */

import { existsSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { isMainThread } from "node:worker_threads";

const marker = process.env.CRASH_MARKER ?? "";

if (isMainThread && marker !== "") {
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    exec.call(this, sql);
    if (sql !== "COMMIT" || existsSync(marker)) return;
    writeFileSync(marker, "");
    process.kill(process.pid, "SIGKILL");
  };
}
