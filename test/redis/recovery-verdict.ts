/** What stock Socket.IO's recovery claims, held against what its clients saw. */

import type { LedgerLine, Moment, TravellerReport } from "./contract.ts";

/**
 * Counts what a client lost or saw twice although every connection meanwhile said that it had recovered.
 *
 * There are no receipts, so the only order taken for granted is that of one publisher in one room: an entry
 * is lost when the client saw the publisher's one before it and the one after it within one claimed recovery.
 */
export function recoveryVerdictOf(
  lines: readonly LedgerLine[],
  travellers: readonly TravellerReport[],
): RecoveryVerdict {
  const published = new Map<string, string[]>();
  for (const line of lines) {
    if (line.kind !== "receipt" || !line.id.startsWith("node ")) continue;
    const key = `${line.room} ${publisherOf(line.id)}`;
    published.set(key, [...(published.get(key) ?? []), line.id]);
  }
  const verdict = { lost: 0, duplicated: 0, recovered: 0, unrecovered: 0, deliveries: 0 };
  for (const { moments, rooms } of travellers) {
    const [, ...reconnects] = moments.filter((moment) => moment.kind === "connect");
    const recovered = reconnects.filter((moment) => moment.recovered).length;
    verdict.recovered += recovered;
    verdict.unrecovered += reconnects.length - recovered;
    for (const room of rooms) {
      const claims = claimsOf(moments, room);
      verdict.deliveries += claims.length;
      const first = new Map<string, number>();
      for (const { id, claim } of claims) {
        if (first.get(id) === claim) verdict.duplicated += 1;
        first.set(id, claim);
      }
      for (const [key, ids] of published)
        if (key.startsWith(`${room} `)) verdict.lost += countLost(ids, first);
    }
  }
  return verdict;
}

/** Entries that were not seen, between two that were seen within one claim. */
function countLost(ids: readonly string[], claims: ReadonlyMap<string, number>): number {
  let [lost, missing, before] = [0, 0, undefined as number | undefined];
  for (const id of ids) {
    const claim = claims.get(id);
    if (claim === undefined) {
      missing += 1;
      continue;
    }
    if (claim === before) lost += missing;
    [missing, before] = [0, claim];
  }
  return lost;
}

/** The entries of a room, each with the number of claims that had been given up before it arrived. */
function claimsOf(
  moments: readonly Moment[],
  room: string,
): { readonly id: string; readonly claim: number }[] {
  let claim = 0;
  return moments.flatMap((moment) => {
    if (moment.kind === "connect" && !moment.recovered) claim += 1;
    return moment.kind === "entry" && moment.room === room ? [{ id: moment.id, claim }] : [];
  });
}

function publisherOf(id: string): string {
  return id.slice(0, id.lastIndexOf(":"));
}

// --- types ---

export type RecoveryVerdict = {
  /** Not seen, although every connection from before to after it said `recovered`. */
  readonly lost: number;
  /** Seen twice, although every connection in between said `recovered`. */
  readonly duplicated: number;
  readonly recovered: number;
  readonly unrecovered: number;
  readonly deliveries: number;
};
