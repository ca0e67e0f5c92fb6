/** Ports for programs that have to be told one. */

import { createServer } from "node:net";

/**
 * A port on loopback that nobody listens on, and that the kernel gives to nobody either: it lies below the
 * range of the ports of outgoing connections, so a program that is killed and started again finds it free,
 * and a client that connects meanwhile is refused instead of being connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if (!given.has(port) && (await isFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`No free port between ${lowest} and ${highest} in ${attempts} attempts`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** A port is given once in a process: its program may not listen yet when the next one is looked for. */
const given = new Set<number>();
const lowest = 15_000;
const highest = 32_000;
const attempts = 100;
