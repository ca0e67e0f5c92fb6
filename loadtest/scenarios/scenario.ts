/** What a scenario is: how long there is load, and what is done to the servers meanwhile. */

import type { NodeName } from "../../test/deploy/site.ts";
import type { Fleet, RedisKind, StoreKind } from "../fleet.ts";
import type { Links } from "../links.ts";
import type { Topology } from "../topology/topology.ts";

export type Scenario = {
  readonly name: string;
  /** What is done, as the end of "while …". */
  readonly title: string;
  readonly clients: number;
  /** Entries a second, of all servers together. */
  readonly rate: number;
  /** Members of each small room; 10 where nothing is said. */
  readonly roomSize?: number;
  /** How long there is load; the clients have connected before. */
  readonly talkMs: number;
  /** All clients connect within this time; 40 a second where nothing is said. */
  readonly connectMs?: number;
  /** What takes longer is late. Above it lies what a lost link needs to be noticed. */
  readonly lateAfterMs: number;
  /** The share of all clients that has to lose its connection, or the run has tested nothing. */
  readonly testedShareMin: number;
  /** Gaps have to be reported, or the run has tested nothing. */
  readonly gapsExpected?: boolean;
  /** Clients come through links that can be broken. */
  readonly links?: boolean;
  /** What the links of every tenth client carry towards it. */
  readonly slowBytesPerSecond?: number;
  /** Each client loads its page anew this often. */
  readonly reloadEveryMs?: number;
  /** Three nodes behind HAProxy where nothing is said. */
  readonly topology?: Topology;
  /** Where nothing is said, SQLite. */
  readonly store?: StoreKind;
  /** By itself where nothing is said. */
  readonly redis?: RedisKind;
  /** Of Holdfast's Redis, as in a query. */
  readonly storeSettings?: string;
  /** Options of Holdfast. */
  readonly delivery?: Readonly<Record<string, unknown>>;
  /** Does it; resolves when it is done, which has to be while there still is load. */
  readonly act: (stage: Stage) => Promise<void>;
};

/** What a scenario acts on. Moments are milliseconds after the beginning of the load. */
export type Stage = {
  readonly fleet: Fleet;
  readonly links: Links;
  readonly talkMs: number;
  /** The servers that run when the load begins; all of them publish until it ends, unless told otherwise. */
  readonly first: readonly NodeName[];
  /** Waits for a moment. */
  at(momentMs: number): Promise<void>;
  /** Has these servers publish from then on, each its share. */
  talk(names: readonly NodeName[], fromMs: number): Promise<void>;
  /** Writes down what was just done; `killed` names servers that went without a warning. */
  note(text: string, killed?: readonly NodeName[]): Promise<void>;
  /** What each server takes at the moment; nothing where servers are not ours. */
  memory(): Promise<readonly Memory[]>;
  /** A number from 0 to 1 that the seed decides. */
  chance(): number;
};

export type Memory = { readonly server: string; readonly mebibytes: number };
