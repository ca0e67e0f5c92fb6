/**
 * Mounts the load test's own events in a server of somebody else's, beside what it does anyway: for staging,
 * so that `--target URL --dialect loadtest` can judge what handlers did as well.
 */

import type { Server as DeliveringServer } from "holdfast";
import type { Server as StockServer } from "socket.io";
import { everybody, type ReceiptPlace, type ServerLine } from "../contract.ts";
import { attachApplication } from "./application.ts";
import { LedgerStream } from "./ledger-stream.ts";
import { type Publish, Speaker } from "./speaker.ts";

/** Call it once, before the server listens. Clients that do not belong to a load test are left alone. */
export function mountLoadtest(io: DeliveringServer | StockServer, options: MountOptions): void {
  const reports = new Reports(options);
  const isDurable = "delivery" in io;
  const publish: Publish = async (room, entry) => {
    if (!isDurable) return void io.to(room).emit("entry", ...entry);
    const { stream, epoch, offset, durability } = await io.to(room).publish("entry", ...entry);
    return { stream, epoch, offset, durability } satisfies ReceiptPlace;
  };
  const write = (line: ServerLine) => reports.write(line);
  const speaker = new Speaker(options.name, publish, { write });
  attachApplication(io, { isDurable, speaker, write, mayJoin: isOurs });
}

/** Clients say themselves where they want in; the rooms of others are none of their business. */
function isOurs(room: string): boolean {
  return room === everybody || /^room \d+$/.test(room);
}

/** Lines to a ledger that is there during a load test, and not before and after. */
class Reports {
  readonly #options: MountOptions;
  #waiting: ServerLine[] = [];
  #stream: LedgerStream | undefined;
  #opening = false;

  constructor(options: MountOptions) {
    this.#options = options;
  }

  write(line: ServerLine): void {
    if (this.#options.ledger === undefined) return;
    if (this.#stream !== undefined) return this.#stream.write(line);
    // Without a ledger they are of use to nobody, so the oldest may go.
    if (this.#waiting.push(line) > waitingMax) this.#waiting.shift();
    void this.#open(this.#options.ledger);
  }

  async #open(ledger: string): Promise<void> {
    if (this.#opening) return;
    this.#opening = true;
    try {
      const stream = await LedgerStream.open(ledger, this.#options.name, () => (this.#stream = undefined));
      for (const line of this.#waiting) stream.write(line);
      this.#waiting = [];
      this.#stream = stream;
    } catch {
      // The next line tries again.
    } finally {
      this.#opening = false;
    }
  }
}

const waitingMax = 10_000;

// --- types ---

export type MountOptions = {
  /** Of this process, unlike all others, also after a restart: with its pid, say. */
  readonly name: string;
  /**
   * Where the load test listens (`--listen`), such as http://10.0.0.5:9400; without it nothing is reported.
   */
  readonly ledger?: string | undefined;
};
