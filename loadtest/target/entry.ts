/** An entry as a text that any application carries, and the rooms in which it is said. */

/** Anything that an application puts before or behind it does not matter. */
export function entryText(run: string, { publisher, sequence, room, isLast }: Entry): string {
  return `@${run}|${publisher}|${sequence}|${room}|${isLast ? "last" : ""}|${padding}`;
}

/** The entry of this run that is somewhere in `value`; undefined when there is none. */
export function readEntry(run: string, value: unknown): Entry | undefined {
  if (typeof value === "string") {
    const begin = value.indexOf(`@${run}|`);
    if (begin === -1) return undefined;
    const [, publisher = "", sequence, room = "", last] = value.slice(begin).split("|");
    return { publisher, sequence: Number(sequence), room, isLast: last === "last" };
  }
  if (typeof value !== "object" || value === null) return undefined;
  for (const one of Object.values(value)) {
    const found = readEntry(run, one);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** First the one that everybody is in, then a client's own. Small letters, digits and hyphens. */
export function targetRooms(run: string, client: number, roomSize: number): readonly [string, string] {
  return [`lt-${run}-all`, `lt-${run}-${Math.floor(client / roomSize)}`];
}

/** About what a line of chat carries. */
const padding = "x".repeat(80);

// --- types ---

export type Entry = {
  readonly publisher: string;
  readonly sequence: number;
  readonly room: string;
  /** Nothing comes after it in its room. */
  readonly isLast: boolean;
};
