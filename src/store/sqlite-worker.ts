/** The worker thread that owns the SQLite connection. */

import { parentPort, workerData } from "node:worker_threads";
import type { ErrorCode } from "../protocol/errors.ts";
import type { Operation, Result } from "./operation.ts";
import { errorCodeOf } from "./sqlite-database.ts";
import { SqliteFile } from "./sqlite-file.ts";
import { SchemaNewer } from "./sqlite-schema.ts";
import { SchemaInUse } from "./sqlite-upgrade.ts";
import { decodeOperation, encodeResult } from "./sqlite-wire.ts";
import type { Command, Report, WireOperation, WorkerOptions } from "./sqlite-wire.ts";

function main(): void {
  const port = parentPort;
  if (port === null) throw new Error("sqlite-worker runs on a worker thread only");
  const report = (message: Report) => port.postMessage(message);
  const options = workerData as WorkerOptions;
  let file: SqliteFile;
  try {
    file = new SqliteFile(options);
  } catch (error) {
    const [code, detail] = reasonOf(error);
    report(["refused", code, `${options.file}: ${detail}`]);
    return;
  }
  const timer = setInterval(follow, options.followIntervalMs);
  port.on("message", (command: Command) => {
    switch (command[0]) {
      case "batch":
        return commit(command[1]);
      case "follow":
        return follow();
      case "maxPages":
        file.setMaxPages(command[1]);
        return report(["done"]);
      case "close":
        clearInterval(timer);
        file.close();
        report(["done"]);
        return port.close();
    }
  });
  report(["ready", file.followed]);

  function commit(batch: readonly WireOperation[]): void {
    const operations = batch.map(decodeOperation);
    let results: readonly Result[];
    try {
      results = file.commit(operations);
    } catch (error) {
      return report(["failed", ...reasonOf(error)]);
    }
    // What others have committed before goes first, so that entries are announced in the order of commits.
    readOthers();
    const wired = results.map((result, index) => encodeResult(operations[index] as Operation, result));
    report(["committed", wired, file.followed]);
    file.afterCommit();
    if (file.behind) setImmediate(follow);
  }

  function follow(): void {
    if (readOthers() && file.behind) setImmediate(follow);
  }

  /**
   * Returns false when the file cannot be read, because it is locked or broken: the next look tries again.
   */
  function readOthers(): boolean {
    try {
      const entries = file.follow();
      if (entries.length > 0) report(["others", entries, file.followed]);
      return true;
    } catch {
      return false;
    }
  }
}

function reasonOf(error: unknown): [code: ErrorCode, detail: string] {
  if (error instanceof SchemaNewer) return ["store_newer", error.message];
  if (error instanceof SchemaInUse) return ["store_in_use", error.message];
  return [errorCodeOf(error), error instanceof Error ? error.message : String(error)];
}

main();
