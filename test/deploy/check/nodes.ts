/** Holdfast nodes as they are shipped, each a process: with one store, or each with its own. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { programPath, startChild } from "../../harness/child.ts";
import type { Owner } from "../../harness/owner.ts";

/** Starts a node for each name, and returns their ports by name. */
export async function startNodes(
  owner: Owner,
  names: readonly string[],
  options: { readonly separateStores?: boolean } = {},
): Promise<Readonly<Record<string, number>>> {
  const data = mkdtempSync(join(tmpdir(), "holdfast-nodes-"));
  owner.onTestFinished(() => rmSync(data, { recursive: true, force: true }));
  const ports = names.map(async (name) => {
    const store = options.separateStores === true ? `store-${name}.db` : "store.db";
    const child = startChild(owner, {
      program: programPath("../../../src/main.ts", import.meta.url),
      name,
      environment: {
        PORT: "0",
        HOST: "127.0.0.1",
        HOLDFAST_NODE: name,
        HOLDFAST_WORKERS: "",
        HOLDFAST_STORE: `sqlite:${join(data, store)}`,
        HOLDFAST_CHAT_DATABASE: join(data, "chat.db"),
      },
      deadlineMs: 110_000,
    });
    const [, port] = await child.line(/Holdfast is at http:\/\/localhost:(\d+)/, 60_000);
    return [name, Number(port)] as const;
  });
  return Object.fromEntries(await Promise.all(ports));
}

/** A plain Socket.IO server; `options` are its own. */
export async function startPlain(owner: Owner, options: object): Promise<number> {
  const child = startChild(owner, {
    program: programPath("./plain-program.ts", import.meta.url),
    args: [JSON.stringify(options)],
    deadlineMs: 110_000,
  });
  const [, port] = await child.line(/port (\d+)/, 30_000);
  return Number(port);
}
