/** A program for the tests of `child.ts`: does what it is told, and listens on a port while it lives. */

import { connect, createServer, type AddressInfo } from "node:net";
import { startChild, programPath } from "./child.ts";
import { Scope } from "./owner.ts";
import { answerParent, tellParent } from "./parent.ts";

const listener = createServer((socket) => socket.end());
listener.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  const { port } = listener.address() as AddressInfo;
  console.log(`listening on ${port}`);
  void tellParent("ready", { port });
});

answerParent({
  echo: (value: unknown) => value,
  fail: () => {
    throw new Error("told to fail");
  },
  exit: () => process.exit(3),
  hang: () => new Promise(() => {}),
  /** How an attempt to connect ends: "connected", an error code, or "silence" at the deadline. */
  reach: ({ port, deadlineMs }: { port: number; deadlineMs: number }) =>
    new Promise<string | undefined>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.setTimeout(deadlineMs, () => resolve("silence"));
      socket.once("connect", () => resolve("connected"));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    }),
  // A child of this child, to see what becomes of it when this one is killed.
  breed: async () => {
    const child = startChild(new Scope(), { program: programPath("./child.fixture.ts", import.meta.url) });
    return { ...(await child.event<{ port: number }>("ready")), pid: child.pid };
  },
});

process.on("SIGTERM", () => {
  console.error("going");
  // The channel is open, and referenced by the commands; a real server would drain here and then close both.
  process.exit(0);
});
