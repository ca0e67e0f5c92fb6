/** One client of the load: connects, listens, emits when it is due, and reports. */

import type { SavedPlace } from "holdfast/client";
import { type Kind, quietMs, type StartedPlan } from "../contract.ts";
import { Notebook } from "./notebook.ts";
import { Page } from "./page.ts";
import { type Speech, speechOf } from "./speech.ts";

export class VirtualClient {
  readonly #index: number;
  readonly #plan: StartedPlan;
  readonly #speech: Speech;
  readonly #notebook: Notebook;
  readonly #connector: Connector;
  #talkUntilMs: number;
  #ended: () => void = () => undefined;
  #page: Page | undefined;
  #socket: ClientSocket | undefined;
  #emitted = 0;
  readonly #pending = new Set<number>();
  /** When an entry arrived last, or a connection began: what was missed comes after that. */
  #lastNewsAt = 0;
  /** Rooms of which the last entry was shown. */
  #roomsAtEnd = 0;
  #settling = false;
  /** The server delivers as Holdfast does. */
  #guaranteed: boolean;

  constructor(index: number, plan: StartedPlan, connector: Connector) {
    this.#index = index;
    this.#connector = connector;
    this.#plan = plan;
    this.#speech = speechOf(index, plan);
    this.#talkUntilMs = plan.talkUntilMs;
    this.#guaranteed = plan.kind === "holdfast";
    const { rooms } = this.#speech;
    this.#notebook = new Notebook({ client: index, rooms, transport: connector.transportOf(index) });
  }

  /** What is to be reported; undefined when there is nothing new. */
  takePart(): string | undefined {
    return this.#notebook.take();
  }

  /** The talk ends earlier than was planned. */
  endTalkAt(talkUntilMs: number): void {
    if (talkUntilMs >= this.#talkUntilMs) return;
    this.#talkUntilMs = talkUntilMs;
    this.#settleAt(talkUntilMs);
  }

  /** `ended` is called when this client has seen all that it will. */
  begin(ended: () => void): void {
    this.#ended = ended;
    const { connectMs, clients, talkFromMs, emitEveryMs, reloadEveryMs } = this.#plan;
    // Spread by the golden ratio: evenly, whatever the number of clients.
    const share = (this.#index * 0.618_034) % 1;
    this.#at((connectMs * this.#index) / clients, () => this.#connect());
    this.#emitFrom(talkFromMs + share * emitEveryMs);
    if (reloadEveryMs !== undefined) this.#reloadFrom(talkFromMs + share * reloadEveryMs, reloadEveryMs);
    this.#settleAt(this.#talkUntilMs);
  }

  #connect(): void {
    const { kind, urls, reloadEveryMs } = this.#plan;
    const url = urls[this.#index % urls.length] ?? "";
    const { auth } = this.#speech;
    const page = reloadEveryMs === undefined ? undefined : new Page(this.#page?.storage);
    const socket = this.#connector.connect({ kind, url, auth, index: this.#index, place: page?.place });
    this.#page = page;
    this.#socket = socket;
    this.#watch(socket);
  }

  #watch(socket: ClientSocket): void {
    const notebook = this.#notebook;
    this.#speech.hear(socket, (publisher, sequence, room, isLast) => {
      this.#lastNewsAt = Date.now();
      notebook.arrival(publisher, sequence, room, this.#lastNewsAt);
      if (isLast) this.#roomsAtEnd += 1;
    });
    socket.on("connect", () => {
      this.#lastNewsAt = Date.now();
      notebook.moment({ kind: "connect", at: Date.now(), recovered: socket.recovered });
      this.#speech.connected(socket, {
        arrived: () => notebook.arrived(),
        failed: (text) => notebook.moment({ kind: "refused", at: Date.now(), text }),
      });
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
    socket.delivery?.on("downgrade", () => {
      this.#guaranteed = false;
      notebook.moment({ kind: "downgrade", at: Date.now() });
    });
  }

  /** Emits when it is due, and comes back for the next. */
  #emitFrom(dueMs: number): void {
    if (dueMs >= this.#talkUntilMs) return;
    this.#at(dueMs, () => {
      if (dueMs >= this.#talkUntilMs) return;
      this.#emit(this.#plan.startedAt + dueMs);
      this.#emitFrom(dueMs + this.#plan.emitEveryMs);
    });
  }

  /** To the room whose last entry it is, or to the one whose turn it is. */
  #emit(intendedAt: number, lastOf?: string): void {
    const socket = this.#socket;
    if (socket === undefined || !this.#speech.emits) return;
    this.#emitted += 1;
    const id = this.#emitted;
    const room = lastOf ?? this.#speech.publishesTo(id);
    this.#pending.add(id);
    this.#notebook.emitted(id, intendedAt, Date.now());
    // Servers of ours tell the ledger themselves.
    if (room !== undefined && this.#plan.run !== undefined) this.#notebook.said(id, room);
    const isLast = lastOf !== undefined;
    const page = this.#page;
    this.#speech.emit(socket, { id, intendedAt, room, isLast }, (how, why) => {
      if (this.#page !== page) return;
      this.#pending.delete(id);
      if (how === -1) this.#notebook.moment({ kind: "refused", at: Date.now(), text: why ?? "" });
      // What nobody knows stands as an event without an answer.
      if (how !== 2) this.#notebook.answered(id, how);
    });
  }

  #reloadFrom(dueMs: number, everyMs: number): void {
    this.#at(dueMs, () => {
      // What is still to come has to come to one page.
      if (dueMs >= this.#talkUntilMs - everyMs) return;
      this.#reload();
      this.#reloadFrom(dueMs + everyMs, everyMs);
    });
  }

  /**
   * The page goes, with its connection and all who waited for replies; the next one finds what was stored.
   */
  #reload(): void {
    if (this.#page === undefined || this.#socket === undefined) return;
    this.#page.leave(this.#socket);
    this.#notebook.moment({ kind: "disconnect", at: Date.now(), text: "page reload" });
    for (const id of this.#pending) this.#notebook.answered(id, 2);
    this.#pending.clear();
    this.#connect();
  }

  #settleAt(momentMs: number): void {
    const { endsIts } = this.#speech;
    this.#at(momentMs + lastEntryAfterMs, () => {
      if (this.#talkUntilMs !== momentMs) return;
      for (const room of endsIts) this.#emit(this.#plan.startedAt + momentMs + lastEntryAfterMs, room);
    });
    this.#at(momentMs, () => {
      if (this.#talkUntilMs === momentMs) this.#settle();
    });
  }

  /** Waits until this client has all that it can hope for, or has waited long enough. */
  #settle(): void {
    if (this.#settling) return;
    this.#settling = true;
    const talkUntil = this.#plan.startedAt + this.#talkUntilMs;
    const timer = setInterval(() => {
      const now = Date.now();
      // Before it the last entries are not even published.
      const quietForMs = now - Math.max(this.#lastNewsAt, talkUntil + lastEntryAfterMs);
      if (!this.#isDone(quietForMs) && now < talkUntil + this.#plan.settleMs) return;
      clearInterval(timer);
      this.#end();
    }, 250);
  }

  /** Controls lose last entries and answers, so theirs are not waited for; instead the wait is longer. */
  #isDone(quietForMs: number): boolean {
    if (this.#socket?.connected !== true) return false;
    if (this.#plan.kind === "retries") return this.#pending.size === 0 && quietForMs > 3 * quietMs;
    if (!this.#guaranteed) return quietForMs > 3 * quietMs;
    if (this.#pending.size > 0) return false;
    if (!this.#speech.hearsTheEnd) return quietForMs > 3 * quietMs;
    return this.#roomsAtEnd >= this.#speech.rooms.length && quietForMs > quietMs;
  }

  #end(): void {
    const connected = this.#socket?.connected === true;
    this.#notebook.ended({ at: Date.now(), connected, pending: this.#pending.size });
    this.#socket?.disconnect();
    this.#ended();
  }

  #at(momentMs: number, action: () => void): void {
    setTimeout(action, Math.max(0, this.#plan.startedAt + momentMs - Date.now()));
  }
}

/** Until then everybody has fallen silent. */
const lastEntryAfterMs = 1_000;

// --- types ---

/** How clients connect: the shipped way, or by hand. */
export type Connector = {
  /** Its name, for the report. */
  transportOf(index: number): string;
  connect(options: {
    readonly kind: Kind;
    readonly url: string;
    readonly auth: object;
    readonly index: number;
    /** Where the session outlives its page. */
    readonly place: SavedPlace | undefined;
  }): ClientSocket;
};

/** What is used of a client's socket. */
export type ClientSocket = {
  readonly connected: boolean;
  readonly recovered: boolean;
  // oxlint-disable-next-line typescript/no-explicit-any -- What a listener takes depends on its event.
  on(event: string, listener: (...values: any[]) => void): unknown;
  emit(event: string, ...values: unknown[]): unknown;
  emitWithAck?(event: string, ...values: unknown[]): Promise<unknown>;
  disconnect(): unknown;
  readonly delivery?: {
    // oxlint-disable-next-line typescript/no-explicit-any -- As above.
    on(event: "gap" | "downgrade", listener: (...values: any[]) => void): unknown;
  };
};
