/** The node, as a stream of it sees it. */

import type { CommittedEntry, Page } from "../store/port.ts";
import type { Meter } from "./meter.ts";
import type { NodeStream } from "./node-stream.ts";

/** What a stream asks of its node. */
export type StreamHost = {
  readonly namespace: string;
  readonly chunkCharacters: number;
  /** Characters in parts that one member may have under way. */
  readonly partsWindowCharacters: number;
  readonly meter: Meter | undefined;
  /** A session's own stream was reset, and with it what the session was asked. */
  readonly questionsLost: (session: string) => void;
  read(stream: number, after: number): Promise<Page>;
  /** Connections that an entry with these `except` rooms must not be shown to. */
  excluded(except: readonly string[]): ReadonlySet<string>;
  /** Delivers to stock clients, in the stream's order. */
  deliverStock(room: string, entry: CommittedEntry): void;
  released(stream: NodeStream): void;
  readFailed(error: unknown): void;
};
