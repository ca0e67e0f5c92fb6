/** The worker thread that owns the SQLite connection. */

import { parentPort, workerData } from "node:worker_threads";
import type { ErrorCode } from "../protocol/errors.ts";
import type { Operation, Result } from "./operation.ts";
import { errorCodeOf } from "./sqlite-database.ts";
import { SqliteFile } from "./sqlite-file.ts";
import { SchemaNewer } from "./sqlite-schema.ts";
import { decodeOperation, encodeResult } from "./sqlite-wire.ts";
import type { Command, Report, WireOperation, WorkerOptions } from "./sqlite-wire.ts";

function main(): void {
  const port = parentPort;
  if (port === null) throw new Error("sqlite-worker runs on a worker thread only");
  const report = (message: Report) => port.postMessage(message);
  let file: SqliteFile;
  try {
    file = new SqliteFile(workerData as WorkerOptions);
  } catch (error) {
    const [code, detail] = reasonOf(error);
    report(["refused", code, `${(workerData as WorkerOptions).file}: ${detail}`]);
    return;
  }
  port.on("message", (command: Command) => {
    switch (command[0]) {
      case "batch":
        return commit(command[1]);
      case "maxPages":
        file.setMaxPages(command[1]);
        return report(["done"]);
      case "close":
        file.close();
        report(["done"]);
        return port.close();
    }
  });
  report(["ready"]);

  function commit(batch: readonly WireOperation[]): void {
    const operations = batch.map(decodeOperation);
    let results: readonly Result[];
    try {
      results = file.commit(operations);
    } catch (error) {
      return report(["failed", ...reasonOf(error)]);
    }
    const wired = results.map((result, index) => encodeResult(operations[index] as Operation, result));
    report(["committed", wired]);
    file.afterCommit();
  }
}

function reasonOf(error: unknown): [code: ErrorCode, detail: string] {
  if (error instanceof SchemaNewer) return ["store_newer", error.message];
  return [errorCodeOf(error), error instanceof Error ? error.message : String(error)];
}

main();
