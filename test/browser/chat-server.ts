/** `src/main.ts` as a process of its own, on one port and one store through all its lives. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, programPath, startChild } from "../harness/child.ts";
import { freePort } from "../harness/free-port.ts";
import type { Owner } from "../harness/owner.ts";

export type ChatServer = { readonly child: Child; readonly url: string; ready(): Promise<void> };

/** Starts the chat server with an empty store, and waits until it listens. */
export async function startChatServer(owner: Owner): Promise<ChatServer> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-chat-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  // Known beforehand, because a restart must take the same one.
  const port = await freePort();
  const child = startChild(owner, {
    program: programPath("../../src/main.ts", import.meta.url),
    environment: {
      PORT: String(port),
      HOST: "127.0.0.1",
      HOLDFAST_STORE: `sqlite:${join(folder, "holdfast.db")}`,
      HOLDFAST_CHAT_DATABASE: join(folder, "chat.db"),
    },
    name: "chat server",
    deadlineMs: 110_000,
  });
  const ready = async (): Promise<void> => void (await child.line(/Holdfast is at (\S+)/, 15_000));
  await ready();
  return { child, url: `http://localhost:${port}`, ready };
}
