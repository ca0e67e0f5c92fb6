/**
 * One node under load: a small application on Holdfast or on a control, which publishes on its own account,
 * handles what clients emit, and tells the ledger of both.
 */

import type { Server as HttpServer } from "node:http";
import type { CommandTable } from "../../test/harness/parent.ts";
import { lastPublisher } from "../contract.ts";
import { attachApplication } from "./application.ts";
import { type MadeServer, makeServer, type ServerOptions } from "./kinds.ts";
import { LedgerStream } from "./ledger-stream.ts";
import { Speaker, type Talking } from "./speaker.ts";
import { now } from "./wall-clock.ts";

export class Node {
  readonly made: MadeServer;
  readonly #ledger: LedgerStream;
  readonly #speaker: Speaker;

  /** `name` is the process's, for the ledger; a node of a cluster has several. */
  static async open(http: HttpServer, options: ServerOptions, name: string): Promise<Node> {
    const made = await makeServer(http, options);
    return new Node(made, await LedgerStream.open(options.ledger, name), name);
  }

  private constructor(made: MadeServer, ledger: LedgerStream, name: string) {
    this.made = made;
    this.#ledger = ledger;
    // With the process, because a node that is started again counts from one again.
    this.#speaker = new Speaker(`${name}.${process.pid}`, made.publish, ledger);
    attachApplication(made.io, {
      isDurable: made.isDurable,
      speaker: this.#speaker,
      write: (line) => ledger.write(line),
      mayJoin: () => true,
    });
  }

  /** What it does when it is told to. */
  get commands(): CommandTable {
    return {
      /** Answers with the name that its entries carry. */
      talk: (talking: Talking) => this.#speaker.talk(talking),
      /** Publishes the last entry of each room; answers when all have their receipts. */
      close: async ({ rooms }: { readonly rooms: readonly string[] }) => {
        const intendedAt = now();
        const say = (room: string, index: number) =>
          this.#speaker.say({ publisher: lastPublisher, sequence: index + 1, room, intendedAt });
        await Promise.all(rooms.map(say));
      },
      usage: (): Usage => {
        const { user, system } = process.cpuUsage();
        return { cpuMicros: user + system };
      },
    };
  }

  /** Falls silent; resolves when nothing waits for its receipt. */
  async hush(): Promise<void> {
    await this.#speaker.hush();
  }

  /** Lets the clients go, and resolves when the ledger has all that there was to tell. */
  async close(http?: HttpServer): Promise<void> {
    http?.close();
    await this.made.close();
    http?.closeAllConnections();
    await this.#ledger.close();
  }
}

// --- types ---

export type Usage = { readonly cpuMicros: number };
