/** Ports for programs that have to be told one. */

import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/**
 * A port on loopback that nobody listens on, and that is given to nobody else while this process lives: a
 * program that is killed and started again finds it free. It lies below the range of the ports of outgoing
 * connections, so a client that connects meanwhile is refused instead of being connected to itself.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest));
    if ((await isFree(port)) && (await claim(port))) return port;
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

/**
 * Keeps the port from every other process that asks here, by holding the UDP port of the same number: TCP
 * does not notice, and the kernel lets it go with the process. Test files run side by side, and once a
 * server of another took the place of a killed Redis master; its sentinels found a stranger there and put
 * nobody in its place.
 */
function claim(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => {
      socket.unref();
      resolve(true);
    });
  });
}

const lowest = 15_000;
const highest = 32_000;
const attempts = 100;
