/** The lines that all nodes wrote, by room and by client. */

import type { LedgerLine, Place } from "./contract.ts";

export class Book {
  /** Entries for which one receipt names another place than the other, in the same history. */
  readonly moved: string[] = [];
  /** The classes that the receipts named. */
  readonly durabilities: readonly string[];
  readonly #rooms = new Map<string, Map<string, Place>>();
  readonly #tried = new Set<string>();
  /** Entries with receipts for two places: they are taken for unacknowledged. */
  readonly #again = new Set<string>();
  readonly #handled: Map<string, HandledLine[]>;

  constructor(lines: readonly LedgerLine[]) {
    for (const line of lines) {
      if (line.kind === "attempt") this.#tried.add(`${line.room} ${line.id}`);
      if (line.kind === "receipt" && line.place !== undefined) this.#enter(line.room, line.id, line.place);
    }
    const classes = lines.flatMap((line) => (line.kind === "receipt" ? [line.durability ?? ""] : []));
    this.durabilities = [...new Set(classes)];
    const handled = lines.filter((line) => line.kind === "handled").toSorted((a, b) => a.at - b.at);
    this.#handled = Map.groupBy(handled, ({ client }) => client);
  }

  /** Where an entry stands according to its receipt; undefined without one. */
  place(room: string, id: string): Place | undefined {
    return this.#rooms.get(room)?.get(id);
  }

  wasTried(room: string, id: string): boolean {
    return this.#tried.has(`${room} ${id}`);
  }

  /** Entries with a receipt. */
  acknowledged(room: string): string[] {
    return [...(this.#rooms.get(room)?.keys() ?? [])];
  }

  /**
   * What belongs into a stretch of a room, in its order: everything with a receipt, up to the stretch's own
   * ends where it has them. Between resets that is only what is of the histories of which it shows something;
   * a log that goes on in a new history goes on with its offsets.
   */
  expected(room: string, stretch: readonly string[], open: { start: boolean; end: boolean }): string[] {
    const places = stretch.flatMap((id) => this.place(room, id) ?? []);
    const [first, last] = [places[0], places.at(-1)];
    if (first === undefined || last === undefined) return [];
    const epochs = new Set(places.map(({ epoch }) => epoch));
    return [...(this.#rooms.get(room) ?? [])]
      .filter(([, { epoch }]) => (open.start && open.end) || epochs.has(epoch))
      .filter(([, { offset }]) => open.start || offset >= first.offset)
      .filter(([, { offset }]) => open.end || offset <= last.offset)
      .toSorted(([, a], [, b]) => a.offset - b.offset)
      .map(([id]) => id);
  }

  /** Calls of handlers for a client's events, in the order of time. */
  handled(client: string): readonly HandledLine[] {
    return this.#handled.get(client) ?? [];
  }

  #enter(room: string, id: string, place: Place): void {
    const places = this.#rooms.get(room) ?? new Map<string, Place>();
    this.#rooms.set(room, places);
    const key = `${room} ${id}`;
    if (this.#again.has(key)) return;
    const known = places.get(id);
    if (known === undefined) {
      places.set(id, place);
    } else if (known.offset !== place.offset) {
      // Once the storage has lost it, an entry may be published anew; which of the two a client was shown is
      // not to be told. Within one history there is no second place.
      if (known.epoch === place.epoch) this.moved.push(key);
      places.delete(id);
      this.#again.add(key);
    }
  }
}

// --- types ---

export type HandledLine = Extract<LedgerLine, { kind: "handled" }>;
