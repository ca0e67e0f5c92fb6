/** How a client speaks to the application: in the load test's own events, or in a dialect of its own. */

import {
  everybody,
  type Introduction,
  lastPublisher,
  replyTo,
  roomOf,
  type StartedPlan,
  type Work,
} from "../contract.ts";
import { DialectSpeech } from "./dialect-speech.ts";
import type { ClientSocket } from "./virtual-client.ts";

export function speechOf(client: number, plan: StartedPlan): Speech {
  return plan.dialect === undefined ? new OwnSpeech(client, plan) : new DialectSpeech(client, plan);
}

/** The events of the application in `loadtest/servers`. */
class OwnSpeech implements Speech {
  readonly rooms: readonly string[];
  readonly auth: Introduction;
  readonly endsIts: readonly string[] = [];
  readonly emits = true;
  readonly hearsTheEnd: boolean;
  readonly #client: number;
  readonly #plan: StartedPlan;

  constructor(client: number, plan: StartedPlan) {
    this.#client = client;
    this.#plan = plan;
    this.hearsTheEnd = plan.run === undefined;
    this.rooms = [everybody, roomOf(client, plan.roomSize)];
    this.auth = { client, rooms: this.rooms };
  }

  /** Its server makes it a member, and says so. */
  connected(socket: ClientSocket, { arrived }: Entrance): void {
    socket.emit("arrive", arrived);
  }

  hear(socket: ClientSocket, show: Show): void {
    socket.on("entry", (publisher: string, sequence: number, room: string) =>
      show(publisher, sequence, room, publisher === lastPublisher),
    );
  }

  /** Every other event is a line of chat: its handler publishes to the room before it replies. */
  publishesTo(id: number): string | undefined {
    return id % 2 === 0 ? this.rooms[1] : undefined;
  }

  emit(socket: ClientSocket, { id, intendedAt, room }: Spoken, answered: Answered): void {
    const work: Work = { id, intendedAt, ...(room === undefined ? {} : { publishTo: room }) };
    const expected = replyTo(this.#client, id);
    if (this.#plan.kind !== "retries")
      socket.emit("work", work, (reply: unknown) => answered(reply === expected ? 1 : 0));
    else {
      // With `retries` the callback gets an error first.
      socket.emit("work", work, (error: Error | null, reply: unknown) =>
        answered(error !== null ? -1 : reply === expected ? 1 : 0),
      );
    }
  }
}

// --- types ---

export type Speech = {
  readonly rooms: readonly string[];
  readonly auth: object;
  /** Rooms whose last entry is this client's to publish. */
  readonly endsIts: readonly string[];
  /** Clients of a dialect may only listen. */
  readonly emits: boolean;
  /** Each room has a last entry that says so. */
  readonly hearsTheEnd: boolean;
  /** To be called at each connection. */
  connected(socket: ClientSocket, entrance: Entrance): void;
  hear(socket: ClientSocket, show: Show): void;
  /** The room that event `id` publishes to, if it does. */
  publishesTo(id: number): string | undefined;
  emit(socket: ClientSocket, spoken: Spoken, answered: Answered): void;
};

export type Entrance = {
  /** The server has said that this client is a member of its rooms. */
  readonly arrived: () => void;
  readonly failed: (why: string) => void;
};

export type Show = (publisher: string, sequence: number, room: string, isLast: boolean) => void;

export type Spoken = {
  readonly id: number;
  readonly intendedAt: number;
  readonly room: string | undefined;
  readonly isLast: boolean;
};

/** 1 as expected, 0 with another reply, -1 refused, 2 not known: the connection was lost and nobody waits. */
export type Answered = (how: -1 | 0 | 1 | 2, why?: string) => void;
