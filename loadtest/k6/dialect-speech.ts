/**
 * Speaks as a dialect says. Entries are texts that begin with a mark of this run, and are looked for in all
 * that arrives.
 */

import { publisherOf, type StartedPlan } from "../contract.ts";
import { entryText, readEntry, targetRooms } from "../target/entry.ts";
import type { Dialect, Emission } from "../target/dialect.ts";
import type { ClientSocket } from "./virtual-client.ts";
import type { Answered, Entrance, Show, Speech, Spoken } from "./speech.ts";

export class DialectSpeech implements Speech {
  readonly rooms: readonly string[];
  readonly auth: object;
  readonly endsIts: readonly string[];
  readonly emits: boolean;
  readonly hearsTheEnd: boolean;
  readonly #dialect: Dialect;
  readonly #run: string;
  readonly #client: number;
  readonly #secret = secret();
  #entering = false;
  #isMember = false;

  constructor(client: number, plan: StartedPlan) {
    const { dialect, run = "" } = plan;
    if (dialect === undefined) throw new Error("a dialect is missing");
    this.#dialect = dialect;
    this.#run = run;
    this.#client = client;
    this.rooms = targetRooms(run, client, plan.roomSize);
    this.auth = this.#filled(dialect.auth ?? {}) as object;
    const [all = "", small = ""] = this.rooms;
    const isFirst = client % plan.roomSize === 0;
    const rooms = [...(client === 0 ? [all] : []), ...(isFirst ? [small] : [])];
    this.emits = dialect.say !== undefined;
    this.hearsTheEnd = this.emits;
    this.endsIts = dialect.say === undefined ? [] : rooms;
  }

  /** A session that was resumed has its rooms; any other has to enter, again if need be. */
  connected(socket: ClientSocket, entrance: Entrance): void {
    if (this.#isMember && socket.recovered) return;
    void this.#enter(socket, entrance);
  }

  hear(socket: ClientSocket, show: Show): void {
    socket.on(this.#dialect.hear, (...values: unknown[]) => {
      const entry = readEntry(this.#run, values);
      if (entry !== undefined) show(entry.publisher, entry.sequence, entry.room, entry.isLast);
    });
  }

  publishesTo(id: number): string | undefined {
    if (this.#dialect.say === undefined) return undefined;
    // Mostly to the small room; now and then to the one that everybody is in.
    return this.rooms[(id * 13 + this.#client * 7) % everybodyOnceIn === 0 ? 0 : 1];
  }

  emit(socket: ClientSocket, { id, room = "", isLast }: Spoken, answered: Answered): void {
    const { say } = this.#dialect;
    if (say === undefined) return;
    const publisher = publisherOf(this.#client);
    const entry = entryText(this.#run, { publisher, sequence: id, room, isLast });
    const values = this.#filled(say.with, { room, entry, id: `${this.#run}-${this.#client}-${id}` });
    ask(socket, say.emit, values).then(
      (reply: unknown) => {
        const { acknowledgedBy } = say;
        const isTaken = acknowledgedBy === undefined || fieldOf(reply, acknowledgedBy) !== undefined;
        answered(isTaken ? 1 : -1, isTaken ? "" : JSON.stringify(reply)?.slice(0, 100));
      },
      // The words of socket.io-client for an event whose fate nobody knows.
      (error: unknown) => answered(messageOf(error) === lostWords ? 2 : -1, reasonOf(error)),
    );
  }

  async #enter(socket: ClientSocket, { arrived, failed }: Entrance): Promise<void> {
    if (this.#entering) return;
    this.#entering = true;
    let event = "";
    try {
      for (const step of this.#dialect.enter) {
        event = step.emit;
        await this.#take(socket, step);
      }
      this.#isMember = true;
      arrived();
    } catch (error) {
      failed(`${event}: ${reasonOf(error)}`);
      // What a limit turned away may be let in later.
      setTimeout(() => {
        if (socket.connected) void this.#enter(socket, { arrived, failed });
      }, enterAgainMs);
    } finally {
      this.#entering = false;
    }
  }

  async #take(socket: ClientSocket, step: Emission): Promise<void> {
    const rooms = JSON.stringify(step.with).includes("{room}") ? this.rooms : [""];
    for (const room of rooms) await ask(socket, step.emit, this.#filled(step.with, { room }));
  }

  /** The same value, with its placeholders replaced. */
  #filled(value: unknown, words: Readonly<Record<string, string>> = {}): unknown {
    if (typeof value === "string") {
      const all: Readonly<Record<string, string>> = {
        client: String(this.#client),
        run: this.#run,
        secret: this.#secret,
        ...words,
      };
      return value.replace(/\{(\w+)\}/g, (whole, name: string) => all[name] ?? whole);
    }
    if (Array.isArray(value)) return value.map((one: unknown) => this.#filled(one, words));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, this.#filled(one, words)]));
  }
}

/** Only the shipped client and socket.io-client are asked to: clients by hand speak no dialects. */
function ask(socket: ClientSocket, event: string, values: unknown): Promise<unknown> {
  if (socket.emitWithAck === undefined) throw new Error("these clients speak no dialects");
  return socket.emitWithAck(event, ...(values as unknown[]));
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}

function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? `${code}, ${messageOf(error)}` : messageOf(error);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** 32 bytes in base64url, as the page of the chat draws them. */
function secret(): string {
  let text = "";
  for (let place = 0; place < 43; place += 1) text += alphabet[Math.floor(Math.random() * 64)];
  return text;
}

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const lostWords = "socket has been disconnected";
const everybodyOnceIn = 100;
const enterAgainMs = 2_000;
