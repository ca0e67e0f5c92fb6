/** One client of the load: connects, listens, emits when it is due, and reports. */

import {
  everybody,
  type Introduction,
  type Kind,
  lastPublisher,
  quietMs,
  replyTo,
  roomOf,
  type StartedPlan,
  type Work,
} from "../contract.ts";
import { Notebook } from "./notebook.ts";

export class VirtualClient {
  readonly #index: number;
  readonly #plan: StartedPlan;
  readonly #rooms: readonly string[];
  readonly #notebook: Notebook;
  readonly #connector: Connector;
  #ended: () => void = () => undefined;
  #socket: ClientSocket | undefined;
  #emitted = 0;
  #pending = 0;
  /** When an entry arrived last, or a connection began: what was missed comes after that. */
  #lastNewsAt = 0;
  /** Rooms of which the last entry was shown. */
  #roomsAtEnd = 0;

  constructor(index: number, plan: StartedPlan, connector: Connector) {
    this.#index = index;
    this.#connector = connector;
    this.#plan = plan;
    this.#rooms = [everybody, roomOf(index, plan.roomSize)];
    const transport = connector.transportOf(index);
    this.#notebook = new Notebook({ client: index, rooms: this.#rooms, transport });
  }

  /** What is to be reported; undefined when there is nothing new. */
  takePart(): string | undefined {
    return this.#notebook.take();
  }

  /** `ended` is called when this client has seen all that it will. */
  begin(ended: () => void): void {
    this.#ended = ended;
    const { connectMs, clients, talkFromMs, emitEveryMs, talkUntilMs } = this.#plan;
    this.#at((connectMs * this.#index) / clients, () => this.#connect());
    // Spread by the golden ratio: evenly, whatever the number of clients.
    this.#emitFrom(talkFromMs + ((this.#index * 0.618_034) % 1) * emitEveryMs);
    this.#at(talkUntilMs, () => this.#settle());
  }

  #connect(): void {
    const { kind, urls } = this.#plan;
    const url = urls[this.#index % urls.length] ?? "";
    const auth: Introduction = { client: this.#index, rooms: this.#rooms };
    const socket = this.#connector.connect({ kind, url, auth, index: this.#index });
    this.#socket = socket;
    this.#watch(socket);
  }

  #watch(socket: ClientSocket): void {
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
    socket.on("disconnect", (reason: string) =>
      notebook.moment({ kind: "disconnect", at: Date.now(), text: reason }),
    );
    socket.on("connect_error", (error: Error) =>
      notebook.moment({ kind: "error", at: Date.now(), text: error.message }),
    );
    socket.delivery?.on("gap", ({ stream, from, to, reason }) =>
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
    this.#socket?.disconnect();
    this.#ended();
  }

  #at(momentMs: number, action: () => void): void {
    setTimeout(action, Math.max(0, this.#plan.startedAt + momentMs - Date.now()));
  }
}

// --- types ---

/** How clients connect: the shipped way, or by hand. */
export type Connector = {
  /** Its name, for the report. */
  transportOf(index: number): string;
  connect(options: {
    readonly kind: Kind;
    readonly url: string;
    readonly auth: Introduction;
    readonly index: number;
  }): ClientSocket;
};

/** What is used of a client's socket. */
export type ClientSocket = {
  readonly connected: boolean;
  readonly recovered: boolean;
  // oxlint-disable-next-line typescript/no-explicit-any -- What a listener takes depends on its event.
  on(event: string, listener: (...values: any[]) => void): unknown;
  emit(event: string, ...values: unknown[]): unknown;
  disconnect(): unknown;
  readonly delivery?: {
    on(
      event: "gap",
      listener: (gap: { stream: number; from: number; to: number; reason: string }) => void,
    ): unknown;
  };
};
