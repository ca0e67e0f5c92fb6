/** One client of the load: connects, listens, emits when it is due, and reports. */

import http from "k6/http";
import { io as durable } from "holdfast/client";
import { io as stock, type Socket } from "socket.io-client";
import {
  everybody,
  type Introduction,
  lastPublisher,
  quietMs,
  replyTo,
  roomOf,
  type StartedPlan,
  type Work,
} from "../contract.ts";
import { Notebook } from "./notebook.ts";
import { endAllTimers } from "./surroundings.ts";

export class VirtualClient {
  readonly #index: number;
  readonly #plan: StartedPlan;
  readonly #rooms: readonly string[];
  readonly #notebook: Notebook;
  #socket: Socket | undefined;
  #emitted = 0;
  #pending = 0;
  /** When an entry arrived last, or a connection began: what was missed comes after that. */
  #lastNewsAt = 0;
  /** Rooms of which the last entry was shown. */
  #roomsAtEnd = 0;

  constructor(index: number, plan: StartedPlan) {
    this.#index = index;
    this.#plan = plan;
    this.#rooms = [everybody, roomOf(index, plan.roomSize)];
    this.#notebook = new Notebook({ client: index, rooms: this.#rooms, transport: transportOf(index) });
  }

  begin(): void {
    const { connectMs, clients, talkFromMs, emitEveryMs, talkUntilMs } = this.#plan;
    this.#at((connectMs * this.#index) / clients, () => this.#connect());
    // Spread by the golden ratio: evenly, whatever the number of clients.
    this.#emitFrom(talkFromMs + ((this.#index * 0.618_034) % 1) * emitEveryMs);
    setInterval(() => this.#send(), reportEveryMs + (this.#index % 50) * 20);
    this.#at(talkUntilMs, () => this.#settle());
  }

  #connect(): void {
    const { kind, urls } = this.#plan;
    const url = urls[this.#index % urls.length] ?? "";
    const auth: Introduction = { client: this.#index, rooms: this.#rooms };
    const options = { auth, transports: [...transportsOf[transportOf(this.#index)]] };
    const retries = kind === "retries" ? { retries: 3, ackTimeout: 10_000 } : {};
    const socket =
      kind === "holdfast"
        ? (durable(url, options) as unknown as Socket)
        : stock(url, { ...options, ...retries });
    this.#socket = socket;
    this.#watch(socket);
  }

  #watch(socket: Socket): void {
    const notebook = this.#notebook;
    socket.on("entry", (publisher: string, sequence: number, room: string) => {
      this.#lastNewsAt = Date.now();
      notebook.arrival(publisher, sequence, room, this.#lastNewsAt);
      if (publisher === lastPublisher) this.#roomsAtEnd += 1;
    });
    socket.on("connect", () => {
      this.#lastNewsAt = Date.now();
      notebook.moment({ kind: "connect", at: Date.now(), recovered: socket.recovered });
      socket.emit("arrive", () => notebook.arrived());
    });
    socket.on("disconnect", (reason) =>
      notebook.moment({ kind: "disconnect", at: Date.now(), text: reason }),
    );
    socket.on("connect_error", (error) =>
      notebook.moment({ kind: "error", at: Date.now(), text: error.message }),
    );
    const { delivery } = socket as unknown as { delivery?: DeliveryEvents };
    delivery?.on("gap", ({ stream, from, to, reason }) =>
      notebook.moment({ kind: "gap", at: Date.now(), stream, from, to, reason }),
    );
  }

  /** Emits when it is due, and comes back for the next. */
  #emitFrom(dueMs: number): void {
    if (dueMs >= this.#plan.talkUntilMs) return;
    this.#at(dueMs, () => {
      this.#emit(this.#plan.startedAt + dueMs);
      this.#emitFrom(dueMs + this.#plan.emitEveryMs);
    });
  }

  #emit(intendedAt: number): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#emitted += 1;
    this.#pending += 1;
    const id = this.#emitted;
    // Every other event is a line of chat: its handler publishes to the room before it replies.
    const [, room = everybody] = this.#rooms;
    const work: Work = { id, intendedAt, ...(id % 2 === 0 ? { publishTo: room } : {}) };
    this.#notebook.emitted(id, intendedAt, Date.now());
    const answered = (reply: unknown) => this.#answered(id, reply === replyTo(this.#index, id) ? 1 : 0);
    if (this.#plan.kind !== "retries") socket.emit("work", work, answered);
    else {
      // With `retries` the callback gets an error first.
      socket.emit("work", work, (error: Error | null, reply: unknown) =>
        error === null ? answered(reply) : this.#answered(id, -1),
      );
    }
  }

  #answered(id: number, how: -1 | 0 | 1): void {
    this.#pending -= 1;
    this.#notebook.answered(id, how);
  }

  /** Waits until this client has all that it can hope for, or has waited long enough. */
  #settle(): void {
    const { talkUntilMs, settleMs, startedAt } = this.#plan;
    const timer = setInterval(() => {
      const now = Date.now();
      const quietForMs = now - Math.max(this.#lastNewsAt, startedAt + talkUntilMs);
      if (!this.#isDone(quietForMs) && now < startedAt + talkUntilMs + settleMs) return;
      clearInterval(timer);
      this.#end();
    }, 250);
  }

  /** Controls lose last entries and answers, so theirs are not waited for; instead the wait is longer. */
  #isDone(quietForMs: number): boolean {
    if (this.#socket?.connected !== true) return false;
    switch (this.#plan.kind) {
      case "holdfast":
        return this.#pending === 0 && this.#roomsAtEnd >= this.#rooms.length && quietForMs > quietMs;
      case "retries":
        return this.#pending === 0 && quietForMs > 3 * quietMs;
      default:
        return quietForMs > 3 * quietMs;
    }
  }

  #end(): void {
    const connected = this.#socket?.connected === true;
    this.#notebook.ended({ at: Date.now(), connected, pending: this.#pending });
    endAllTimers();
    this.#send();
    this.#socket?.disconnect();
    endAllTimers();
  }

  #send(): void {
    const part = this.#notebook.take();
    if (part !== undefined) void this.#deliver(part);
  }

  /** Again and again, because a part that is missing makes the run invalid. */
  async #deliver(part: string): Promise<void> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const response = await http.asyncRequest("POST", `${this.#plan.ledger}/clients`, part);
      if (response.status === 200) return;
    }
  }

  #at(momentMs: number, action: () => void): void {
    setTimeout(action, Math.max(0, this.#plan.startedAt + momentMs - Date.now()));
  }
}

/** Of ten clients one polls, two begin by polling and go over, as browsers do, the others skip that. */
function transportOf(index: number): keyof typeof transportsOf {
  const place = index % 10;
  if (place === 0) return "polling";
  return place < 3 ? "upgrade" : "websocket";
}

const transportsOf = {
  polling: ["polling"],
  upgrade: ["polling", "websocket"],
  websocket: ["websocket"],
} as const;
const attemptsMax = 5;
const reportEveryMs = 4_000;

// --- types ---

type DeliveryEvents = {
  on(
    event: "gap",
    listener: (gap: { stream: number; from: number; to: number; reason: string }) => void,
  ): void;
};
