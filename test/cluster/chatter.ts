/** A client of the shipped chat: it talks in one room, and keeps what it was shown. */

import { io, type Gap, type Socket } from "holdfast/client";
import type { Owner } from "../harness/owner.ts";
import { eventually, until } from "../harness/until.ts";

export class Chatter {
  readonly socket: Socket;
  readonly shown: string[] = [];
  readonly gaps: Gap[] = [];
  readonly #name: string;
  #said = 0;

  /** `letter` makes the secret that tells users apart. */
  static async open(owner: Owner, url: string, letter: string): Promise<Chatter> {
    const chatter = new Chatter(url, letter);
    owner.onTestFinished(() => void chatter.socket.disconnect());
    await chatter.socket.emitWithAck("claim_name", { name: `Person ${letter}` });
    await chatter.socket.emitWithAck("join", { room: "lobby" });
    return chatter;
  }

  constructor(url: string, letter: string) {
    this.#name = letter;
    this.socket = io(url, {
      auth: { secret: letter.repeat(43) },
      forceNew: true,
      transports: ["websocket"],
      reconnectionDelay: 50,
      reconnectionDelayMax: 100,
    });
    this.socket.on("message", ({ text }: { text: string }) => this.shown.push(text));
    this.socket.delivery.on("gap", (gap) => this.gaps.push(gap));
  }

  /** Says as many things one after the other; each is acknowledged when it is stored. */
  async say(count: number): Promise<void> {
    for (let index = 0; index < count; index++) {
      this.#said += 1;
      const text = `${this.#name} ${this.#said}`;
      await this.socket.emitWithAck("say", {
        room: "lobby",
        id: text.replace(" ", "-").padEnd(8, "-"),
        text,
      });
    }
  }

  async sees(count: number): Promise<void> {
    await eventually(() => this.shown, {
      count,
      what: `${count} messages at ${this.#name}`,
      deadlineMs: 20_000,
    });
  }

  /** Loses the link; the client does not come back before `goOnline`. */
  async goOffline(): Promise<void> {
    this.socket.io.reconnection(false);
    this.socket.io.engine.close();
    await until(() => !this.socket.connected, { what: "the client to be offline" });
  }

  async goOnline(): Promise<void> {
    this.socket.io.reconnection(true);
    this.socket.connect();
    await until(() => this.socket.connected, { what: "the client to be back", deadlineMs: 20_000 });
  }
}
