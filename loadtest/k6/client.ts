/**
 * The k6 script for fidelity: each virtual user is one client, the shipped one or, for controls,
 * socket.io-client.
 */

import "./surroundings.ts";
import { io as durable } from "holdfast/client";
import { io as stock } from "socket.io-client";
import { runClients } from "./run-clients.ts";
import type { ClientSocket } from "./virtual-client.ts";

export { options, setup } from "./schedule.ts";

export default runClients({
  transportOf,
  connect: ({ kind, url, auth, index, place }): ClientSocket => {
    const options = { auth, transports: [...transportsOf[transportOf(index)]] };
    const retries = kind === "retries" ? { retries: 3, ackTimeout: 10_000 } : {};
    return kind === "holdfast"
      ? durable(url, { ...options, ...(place === undefined ? {} : { delivery: { persist: place } }) })
      : stock(url, { ...options, ...retries });
  },
});

/** Of ten clients one polls, two begin by polling and go over, as browsers do, the others skip that. */
function transportOf(index: number): keyof typeof transportsOf {
  const place = index % 10;
  if (place === 0) return "polling";
  return place < 3 ? "upgrade" : "websocket";
}

const transportsOf = {
  polling: ["polling"],
  upgrade: ["polling", "websocket"],
  websocket: ["websocket"],
} as const;
