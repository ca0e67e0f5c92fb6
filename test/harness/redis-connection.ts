/**
 * A test's own way to a Redis under test: one command, one answer, beside whatever the code under test does.
 */

import { readFileSync } from "node:fs";
import { createClient } from "redis";
import { within } from "./until.ts";

/**
 * Connects at the first command, and again at the first one after the connection has ended: a server that is
 * killed and started again is just asked again.
 */
export class RedisConnection {
  readonly #place: RedisPlace;
  #client: Client | undefined;

  constructor(place: RedisPlace) {
    this.#place = place;
  }

  /** Sends one command as it stands, and resolves to the answer as it came. */
  async send<T>(args: readonly (string | number)[], deadlineMs = 10_000): Promise<T> {
    const answer = this.#open().then((client) => client.sendCommand(args.map(String)));
    const what = `answer to ${args.slice(0, 3).join(" ")} of the Redis at port ${this.#place.port}`;
    return (await within(answer as Promise<unknown>, { deadlineMs, what })) as T;
  }

  close(): void {
    this.#client?.destroy();
    this.#client = undefined;
  }

  async #open(): Promise<Client> {
    if (this.#client?.isOpen === true) return this.#client;
    const client = connection(this.#place);
    client.on("error", () => undefined);
    this.#client = client;
    await client.connect();
    return client;
  }
}

function connection({ port, password, authorityFile }: RedisPlace) {
  const socket = { host: "127.0.0.1", port, reconnectStrategy: false, connectTimeout: 5_000 } as const;
  return createClient({
    // The older protocol gives the same plain answers for every command, whatever the server's version.
    RESP: 2,
    ...(password === undefined ? {} : { password }),
    socket:
      authorityFile === undefined
        ? socket
        : { ...socket, tls: true, ca: readFileSync(authorityFile, "utf8") },
  });
}

/** `INFO` and `CLUSTER INFO` as a table. */
export function parseInfo(text: string): ReadonlyMap<string, string> {
  const lines = text.split("\r\n").filter((line) => line.includes(":"));
  return new Map(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)] as const),
  );
}

// --- types ---

type Client = ReturnType<typeof connection>;

export type RedisPlace = {
  readonly port: number;
  readonly password?: string | undefined;
  /** With a certificate of this authority the connection is one of TLS. */
  readonly authorityFile?: string | undefined;
};
