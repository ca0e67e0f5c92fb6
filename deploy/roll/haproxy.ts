/** HAProxy's runtime socket: the state of its servers, and the words that take them out and back in. */

import { createConnection } from "node:net";
import type { HaproxySettings } from "./configuration.ts";

export class HaproxyRuntime {
  readonly #settings: HaproxySettings;

  constructor(settings: HaproxySettings) {
    this.#settings = settings;
  }

  /** The command that gives a server another administrative state. */
  stateCommand(server: string, state: "ready" | "drain"): string {
    return `set server ${this.#settings.backend}/${server} state ${state}`;
  }

  /** Gives a command that answers with nothing but a complaint. */
  async tell(command: string): Promise<void> {
    const answer = (await this.#ask(command)).trim();
    if (answer !== "") throw new Error(`HAProxy refused "${command}": ${answer}`);
  }

  /** The servers of the backend, by name. Throws when there is no such backend. */
  async servers(): Promise<ReadonlyMap<string, ServerState>> {
    const { backend } = this.#settings;
    const answer = await this.#ask(`show servers state ${backend}`);
    const servers = new Map<string, ServerState>();
    // The first line is the version of the format; the second names the columns, and only grows at its end.
    for (const line of answer.split("\n").slice(2)) {
      const [, , , name, , operation, administration] = line.split(" ");
      if (name === undefined) continue;
      const admin = Number(administration);
      const isOut = (admin & (maintenanceBits | drainBits)) !== 0;
      servers.set(name, {
        isRunning: operation === "1" || operation === "2",
        takesClients: (operation === "1" || operation === "2") && !isOut,
        shown: `${operations[Number(operation)] ?? operation}${isOut ? ", taken out" : ""}`,
      });
    }
    if (servers.size === 0) throw new Error(`HAProxy has no backend ${backend}: ${answer.trim()}`);
    return servers;
  }

  async #ask(command: string): Promise<string> {
    const { socket: place } = this.#settings;
    const colon = place.lastIndexOf(":");
    const address = place.startsWith("/")
      ? { path: place }
      : { host: place.slice(0, colon).replace(/^\[|\]$/g, ""), port: Number(place.slice(colon + 1)) };
    return await new Promise((resolve, reject) => {
      let answer = "";
      const socket = createConnection({ ...address, timeout: answerWithinMs });
      const fail = (why: string) => reject(new Error(`HAProxy's runtime socket ${place}: ${why}`));
      socket.setEncoding("utf8");
      socket.on("connect", () => socket.write(`${command}\n`));
      socket.on("data", (part: string) => {
        answer += part;
      });
      socket.on("timeout", () => {
        fail(`no answer within ${answerWithinMs} ms`);
        socket.destroy();
      });
      socket.on("error", (error) => fail(error.message));
      // HAProxy ends the connection behind its answer.
      socket.on("close", () => resolve(answer));
    });
  }
}

const answerWithinMs = 5_000;
/** As `show servers state` has them; 3 is a server whose check answers 404. */
const operations = ["down", "up, starting slowly", "up", "finishing"];
/** Of srv_admin_state: forced, inherited, by address; and forced, inherited. */
const maintenanceBits = 0x01 | 0x02 | 0x04 | 0x20;
const drainBits = 0x08 | 0x10;

// --- types ---

export type ServerState = {
  /** By its health check. */
  readonly isRunning: boolean;
  /** Its health check is fine, and nobody has taken it out. */
  readonly takesClients: boolean;
  readonly shown: string;
};
