/** HAProxy's own word on its servers, over its runtime socket. */

import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { until } from "../harness/until.ts";

/** Sends one command; resolves with the whole answer. */
export async function askHaproxy(socketPath: string, command: string): Promise<string> {
  const socket = connect(socketPath);
  socket.setTimeout(5_000, () => socket.destroy(new Error(`no answer to ${command}`)));
  socket.end(`${command}\n`);
  return await text(socket);
}

/** The state of each server of a backend, such as `UP`, `DOWN`, `NOLB`, by name. */
async function statesOf(socketPath: string, backend = "socketio"): Promise<ReadonlyMap<string, string>> {
  const [head = "", ...rows] = (await askHaproxy(socketPath, "show stat")).trim().split("\n");
  const columns = head.replace(/^# /, "").split(",");
  const cells = rows.map((row) => row.split(","));
  const of = (row: readonly string[], name: string) => row[columns.indexOf(name)] ?? "";
  return new Map(
    cells.filter((row) => of(row, "pxname") === backend).map((row) => [of(row, "svname"), of(row, "status")]),
  );
}

/** Waits until HAProxy says so of each of these servers; `UP` also of one that gets its share by and by. */
export async function haproxySees(
  socketPath: string,
  names: readonly string[],
  state: "UP" | "DOWN" | "NOLB",
  backend = "socketio",
): Promise<void> {
  let states: ReadonlyMap<string, string> = new Map();
  await until(
    async () => {
      states = await statesOf(socketPath, backend);
      return names.every((name) => states.get(name)?.startsWith(state));
    },
    {
      what: `HAProxy to see ${names.join(", ")} ${state}`,
      deadlineMs: 20_000,
      state: () => JSON.stringify([...states]),
    },
  );
}
