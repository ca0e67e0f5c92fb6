/** What servers and clients have reported, as the verdict reads it. */

import {
  type ClientEnd,
  type ClientPart,
  type Happening,
  type Moment,
  publisherOf,
  type ReceiptPlace,
  type ServerLine,
  type Start,
} from "../contract.ts";

export class Book {
  readonly entries = new Map<string, Entry>();
  /** Runs of handlers, by client, in the order of their moments once `runsOf` has been asked. */
  readonly #runs = new Map<number, Run[]>();
  readonly #clients = new Map<number, ClientPart[]>();
  readonly happenings: Happening[] = [];
  start: Start | undefined;
  deliveries = 0;
  publishes = 0;
  refusedPublishes = 0;
  /** Why the latest of them failed. */
  refusal = "";
  /** Of clients that publish themselves. */
  said = 0;
  handled = 0;

  /** Everything that it was told, for the one who has to find out. */
  dump(): unknown {
    return {
      start: this.start,
      happenings: this.happenings,
      entries: [...this.entries.values()],
      runs: [...this.#runs],
      clients: [...this.#clients.values()].flat(),
    };
  }

  addLine(server: string, line: ServerLine): void {
    switch (line[0]) {
      case "try": {
        const [, publisher, sequence, room, intendedAt, calledAt] = line;
        const key = entryKey(publisher, sequence);
        // Of a handler that runs again the first attempt counts.
        if (this.entries.has(key)) return;
        this.entries.set(key, { key, publisher, sequence, room, intendedAt, calledAt });
        this.publishes += 1;
        return;
      }
      case "ok": {
        const [, publisher, sequence, at, place] = line;
        const entry = this.entries.get(entryKey(publisher, sequence));
        if (entry === undefined) throw new Error(`${server} acknowledges ${publisher} ${sequence}, unknown`);
        entry.acknowledgedAt ??= at;
        entry.place ??= place;
        return;
      }
      case "no":
        this.refusedPublishes += 1;
        this.refusal = line[3];
        return;
      case "run": {
        const [, client, id, at, key] = line;
        const runs = this.#runs.get(client) ?? [];
        runs.push({ id, at, key, server });
        this.#runs.set(client, runs);
        this.handled += 1;
        return;
      }
    }
  }

  addPart(part: ClientPart): void {
    const parts = this.#clients.get(part.client) ?? [];
    // Sent again, because the answer to the first time was lost.
    if (parts.some((known) => known.part === part.part)) return;
    parts.push(part);
    this.#clients.set(part.client, parts);
    this.deliveries += part.arrivals.length / 4;
    this.said += part.says.length / 2;
  }

  /**
   * Enters what clients say that they published themselves, and what was acknowledged of it to them. Servers
   * that report know better, so what is entered already stays.
   */
  addSays(): void {
    for (const { client, emits, says, answers, rooms } of this.clients()) {
      const publisher = publisherOf(client);
      const emitted = new Map(emits.map((emit) => [emit.id, emit]));
      const acknowledged = new Map(answers.filter(({ how }) => how === 1).map(({ id, at }) => [id, at]));
      for (const { id, room } of says) {
        const { intendedAt = 0, emittedAt: calledAt = 0 } = emitted.get(id) ?? {};
        this.addLine("", ["try", publisher, id, rooms[room] ?? "", intendedAt, calledAt]);
        const at = acknowledged.get(id);
        if (at !== undefined) this.addLine("", ["ok", publisher, id, at]);
      }
    }
  }

  /** Clients that have reported, in the order of their numbers. */
  clients(): ClientStory[] {
    return [...this.#clients.values()].map(storyOf).sort((one, other) => one.client - other.client);
  }

  runsOf(client: number): readonly Run[] {
    return (this.#runs.get(client) ?? []).sort((one, other) => one.at - other.at);
  }

  /** Whether servers say where what they acknowledge is stored. */
  get isDurable(): boolean {
    for (const { place } of this.entries.values()) if (place !== undefined) return true;
    return false;
  }

  /** For the progress line: how many are connected, by what they have reported so far. */
  connected(): number {
    let count = 0;
    for (const parts of this.#clients.values()) {
      const last = parts.flatMap(({ moments }) => moments).findLast(isTurn);
      if (last?.kind === "connect") count += 1;
    }
    return count;
  }
}

export function entryKey(publisher: string, sequence: number): string {
  return `${publisher} ${sequence}`;
}

export function isTurn({ kind }: Moment): boolean {
  return kind === "connect" || kind === "disconnect";
}

/** Puts the parts of one client together. */
function storyOf(unsorted: readonly ClientPart[]): ClientStory {
  const parts = unsorted.toSorted((one, other) => one.part - other.part);
  const [first] = parts;
  const last = parts.at(-1);
  if (first === undefined || last === undefined) throw new Error("a client without parts");
  const arrivals = parts.flatMap(({ arrivals: rows, publishers }) =>
    chunks(rows, 4).map(([publisher = 0, sequence = 0, room = 0, at = 0]) => ({
      key: entryKey(publishers[publisher] ?? "", sequence),
      publisher: publishers[publisher] ?? "",
      sequence,
      room: first.rooms[room] ?? "",
      at,
    })),
  );
  const emits = parts.flatMap(({ emits: rows }) =>
    chunks(rows, 3).map(([id = 0, intendedAt = 0, emittedAt = 0]) => ({ id, intendedAt, emittedAt })),
  );
  const answers = parts.flatMap(({ answers: rows }) =>
    chunks(rows, 3).map(([id = 0, at = 0, how = 0]) => ({ id, at, how })),
  );
  const says = parts.flatMap((part) => chunks(part.says, 2).map(([id = 0, room = 0]) => ({ id, room })));
  const moments = parts.flatMap((part) => part.moments);
  return {
    client: first.client,
    rooms: first.rooms,
    transport: first.transport,
    arrivals,
    emits,
    answers,
    says,
    moments,
    arrivedAt: moments.find(({ kind }) => kind === "arrive")?.at,
    end: last.end,
    isComplete: last.end !== undefined && parts.every(({ part }, index) => part === index + 1),
  };
}

function chunks(row: readonly number[], size: number): number[][] {
  return Array.from({ length: row.length / size }, (_none, index) =>
    row.slice(index * size, (index + 1) * size),
  );
}

// --- types ---

export type Entry = {
  readonly key: string;
  readonly publisher: string;
  readonly sequence: number;
  readonly room: string;
  readonly intendedAt: number;
  readonly calledAt: number;
  acknowledgedAt?: number;
  place?: ReceiptPlace | undefined;
};

export type Run = {
  readonly id: number;
  readonly at: number;
  readonly key: string;
  readonly server: string;
};

export type Arrival = {
  readonly key: string;
  readonly publisher: string;
  readonly sequence: number;
  readonly room: string;
  readonly at: number;
};

export type ClientStory = {
  readonly client: number;
  readonly rooms: readonly string[];
  readonly transport: string;
  /** In the order in which the application saw them. */
  readonly arrivals: readonly Arrival[];
  readonly emits: readonly { readonly id: number; readonly intendedAt: number; readonly emittedAt: number }[];
  readonly answers: readonly { readonly id: number; readonly at: number; readonly how: number }[];
  /** Which of the emits publish, and to which of the rooms. */
  readonly says: readonly { readonly id: number; readonly room: number }[];
  readonly moments: readonly Moment[];
  /** When it was first told that it is a member of its rooms. */
  readonly arrivedAt: number | undefined;
  readonly end: ClientEnd | undefined;
  /** Every part is there, the last one included. */
  readonly isComplete: boolean;
};
