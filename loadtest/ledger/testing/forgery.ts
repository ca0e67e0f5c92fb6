/**
 * A run that never happened, told to the ledger as servers and clients would tell it: two servers, three
 * clients in one room. Everything went well in it, until a test spoils something.
 */

import { type ClientPart, everybody, type Happening, type ServerLine } from "../../contract.ts";
import { Book } from "../book.ts";
import type { Expectations } from "../validity.ts";

export const startedAt = 1_800_000_000_000;
export const entriesEach = 20;
export const clients = 3;

export class Forgery {
  readonly lines = new Map<string, ServerLine[]>();
  readonly parts: Mutable<ClientPart>[] = [];
  readonly happenings: Happening[] = [];
  skewMs = 0;

  constructor() {
    for (const server of ["a00", "a01"]) this.lines.set(server, []);
    for (let client = 0; client < clients; client += 1) this.parts.push(partOf(client));
    for (let turn = 1; turn <= entriesEach; turn += 1) {
      this.#publish("a00", turn, 2 * turn - 1);
      this.#publish("a01", turn, 2 * turn);
    }
    for (let client = 0; client < clients; client += 1)
      for (let id = 1; id <= entriesEach; id += 1) this.#emit(client, id);
  }

  get expectations(): Expectations {
    const talk = { rate: 20, from: startedAt, until: startedAt + 1_000 };
    const talks = ["a00", "a01"].map((publisher) => ({ publisher, ...talk }));
    return { clients, talks, testedShareMin: 1 };
  }

  /** A client's rows, for a test to spoil. */
  part(client: number): Mutable<ClientPart> {
    const part = this.parts[client];
    if (part === undefined) throw new Error(`no client ${client}`);
    return part;
  }

  linesOf(server: string): ServerLine[] {
    return this.lines.get(server) ?? [];
  }

  book(): Book {
    const book = new Book();
    book.start = { startedAt, skewMs: this.skewMs, roundTripMs: 1 };
    for (const [server, lines] of this.lines) for (const line of lines) book.addLine(server, line);
    for (const part of this.parts) book.addPart(part);
    book.happenings.push(...this.happenings);
    return book;
  }

  #publish(server: string, sequence: number, offset: number): void {
    const at = startedAt + 100 + offset * 10;
    const place = { stream: 1, epoch: "e", offset, durability: "fsynced" };
    this.linesOf(server).push(
      ["try", server, sequence, everybody, at, at + 1],
      ["ok", server, sequence, at + 3, place],
    );
    for (const part of this.parts) part.arrivals.push(server === "a00" ? 0 : 1, sequence, 0, at + 5);
  }

  #emit(client: number, id: number): void {
    const at = startedAt + 100 + id * 20;
    this.linesOf("a00").push(["run", client, id, at + 2, `${client}:${id}`]);
    this.part(client).emits.push(id, at, at + 1);
    this.part(client).answers.push(id, at + 4, 1);
  }
}

function partOf(client: number): Mutable<ClientPart> {
  return {
    client,
    part: 1,
    rooms: [everybody],
    transport: "websocket",
    publishers: ["a00", "a01"],
    arrivals: [],
    emits: [],
    answers: [],
    says: [],
    moments: [
      { kind: "connect", at: startedAt + 1, recovered: false },
      { kind: "arrive", at: startedAt + 2 },
      { kind: "disconnect", at: startedAt + 50 },
      { kind: "connect", at: startedAt + 60, recovered: true },
    ],
    end: { at: startedAt + 20_000, connected: true, pending: 0 },
  };
}

// --- types ---

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] extends readonly (infer Of)[] ? Of[] : T[Key] };
