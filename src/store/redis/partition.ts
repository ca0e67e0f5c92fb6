/**
 * Partitions: everything that one stream or one session has in Redis stands in one partition, whose keys
 * share a hash slot, so that a script can change it in one step. A Redis alone has one; a Cluster has many,
 * which its masters share.
 */

import { crc32 } from "node:zlib";

export class Partitions {
  readonly count: number;
  readonly #prefix: string;

  constructor(prefix: string, count: number) {
    this.#prefix = prefix;
    this.count = count;
  }

  /** The partition of a stream by its key, or of a session by its id. */
  of(name: string): number {
    return this.count === 1 ? 0 : crc32(name) % this.count;
  }

  /** The partition of a stream by its number, which a partition gives in steps of their count. */
  ofStream(id: number): number {
    return id % this.count;
  }

  /** The key that is always there once a partition is used; scripts take the names of all others from it. */
  root(partition: number): string {
    return `${this.#base(partition)}:counts`;
  }

  /** Where entries of a stream are announced. */
  channel(key: string): string {
    return `${this.#base(this.of(key))}:c:${key}`;
  }

  /** Keys that any call may touch, and those that belong to the names that a call is about. */
  keys(partition: number, names: readonly string[]): readonly string[] {
    const base = this.#base(partition);
    return [...sharedKeys, ...names].map((name) => `${base}:${name}`);
  }

  #base(partition: number): string {
    return `${this.#prefix}:{${partition}}`;
  }
}

/** How many a Cluster begins with: far more than masters, so that each has about as many as the others. */
export const clusterPartitions = 64;

const sharedKeys = [
  "done",
  "ids",
  "sessions",
  "restless",
  "oldest0",
  "oldest1",
  "oldest2",
  "orphans",
  "appkeys",
  "left",
];
