/**
 * Many clients of one tree that talk in rooms at a steady rate, and the verdict over what each of them was
 * shown: every member of a room is to be shown every message of it, once, in one order for all.
 */

import { randomBytes } from "node:crypto";
import type { ManagerOptions, Socket, SocketOptions } from "socket.io-client";
import type { Owner } from "../harness/owner.ts";
import type { Kind } from "../harness/server.ts";
import { until } from "../harness/until.ts";

export type CrowdOptions = {
  readonly kind: Kind;
  readonly url: string;
  readonly clients: number;
  readonly roomSize: number;
  /** Messages a second, of all clients together. */
  readonly rate: number;
  /** Makes every tenth message so much longer. */
  readonly longer?: number;
  /** The client that a member is, by its number; the one of `kind` by default. */
  readonly connect?: (number: number) => Connect;
  /** How one talks to the servers; by default as the program of `test/cluster` wants it. */
  readonly dialect?: Dialect;
  /** Beside the transports and what the dialect wants. */
  readonly client?: Partial<ManagerOptions & SocketOptions>;
};

/** What the servers' application calls things. */
export type Dialect = {
  auth(number: number, room: string): object;
  /** Makes a member one of its room, once, when it is connected. */
  enter(socket: Socket, number: number, room: string): Promise<void>;
  /** `done` is to be called when the server has taken responsibility. */
  say(socket: Socket, room: string, id: string, done: () => void): void;
  hear(socket: Socket, show: (id: string) => void): void;
  /** What is answered after all that was sent before it. */
  ask(socket: Socket, room: string): Promise<unknown>;
};

const programDialect: Dialect = {
  auth: (_number, room) => ({ room }),
  enter: async () => undefined,
  say: (socket, _room, id, done) => void socket.emit("say", id, done),
  hear: (socket, show) => void socket.on("said", show),
  ask: (socket) => socket.timeout(20_000).emitWithAck("where"),
};

type Connect = (url: string, options: Partial<ManagerOptions & SocketOptions>) => Socket;

type Member = {
  readonly number: number;
  readonly room: string;
  readonly socket: Socket;
  /** Ids of messages, in the order in which they were shown. */
  readonly shown: string[];
  readonly connectedAt: number[];
  told: number;
};

export class Crowd {
  readonly members: readonly Member[];
  readonly #options: CrowdOptions;
  /** Ids of messages that were acknowledged, by room. */
  readonly #acknowledged = new Map<string, string[]>();
  #emitted = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  static async gather(owner: Owner, options: CrowdOptions): Promise<Crowd> {
    const { io } =
      options.kind === "Holdfast" ? await import("holdfast/client") : await import("socket.io-client");
    const { dialect = programDialect } = options;
    // Another crowd on the same servers has rooms of its own.
    const crowdName = randomBytes(4).toString("hex");
    const members = Array.from({ length: options.clients }, (_, number): Member => {
      const room = `room ${Math.floor(number / options.roomSize)} of crowd ${crowdName}`;
      // A third of them polls, a third begins with polling, as browsers do.
      const transports = [["polling"], ["polling", "websocket"], ["websocket"]][number % 3] as string[];
      const connect = options.connect?.(number) ?? io;
      const auth = dialect.auth(number, room);
      const socket = connect(options.url, { forceNew: true, transports, auth, ...options.client });
      const member: Member = { number, room, socket, shown: [], connectedAt: [], told: 0 };
      socket.on("connect", () => member.connectedAt.push(performance.now()));
      dialect.hear(socket, (id) => member.shown.push(id));
      owner.onTestFinished(() => void socket.disconnect());
      return member;
    });
    const crowd = new Crowd(members, options);
    await crowd.allConnected();
    await Promise.all(members.map(({ socket, number, room }) => dialect.enter(socket, number, room)));
    return crowd;
  }

  constructor(members: readonly Member[], options: CrowdOptions) {
    this.members = members;
    this.#options = options;
  }

  get acknowledged(): number {
    return [...this.#acknowledged.values()].reduce((sum, ids) => sum + ids.length, 0);
  }

  get emitted(): number {
    return this.#emitted;
  }

  async allConnected(): Promise<void> {
    await until(() => this.members.every(({ socket }) => socket.connected), {
      what: "all clients to be connected",
      deadlineMs: 60_000,
      state: () => `${this.members.filter(({ socket }) => !socket.connected).length} are not`,
    });
  }

  talk(): void {
    const perTickMs = 20;
    let owed = 0;
    let turn = 0;
    this.#timer = setInterval(() => {
      owed += (this.#options.rate * perTickMs) / 1000;
      for (; owed >= 1; owed -= 1) this.#say(this.members[(turn += 1) % this.members.length] as Member);
    }, perTickMs);
  }

  /** Stops talking, and waits until everything that can still come has come. */
  async settle(): Promise<void> {
    clearInterval(this.#timer);
    await this.allConnected();
    if (this.#options.kind === "Holdfast") {
      await until(() => this.acknowledged === this.#emitted, {
        what: "every message to be acknowledged",
        deadlineMs: 60_000,
        state: () => `${this.acknowledged} of ${this.#emitted}`,
      });
      await until(() => this.members.every(({ room, shown }) => shown.length >= this.#of(room).length), {
        what: "every member to be shown all of its room",
        deadlineMs: 60_000,
        state: () => JSON.stringify(this.verdict()),
      });
    }
    // What was sent before this answer has arrived before it.
    await Promise.all(this.members.map(({ socket, room }) => this.#roundTrip(socket, room)));
  }

  /** Messages that were acknowledged, and what became of them at each member of their room. */
  verdict(): Verdict {
    const verdict: Verdict = { lost: 0, duplicated: 0, reordered: 0 };
    const orders = new Map<string, string[]>();
    for (const { room, shown } of this.members) {
      const once = [...new Set(shown)];
      verdict.duplicated += shown.length - once.length;
      verdict.lost += this.#of(room).filter((id) => !once.includes(id)).length;
      const order = orders.get(room) ?? once;
      orders.set(room, order);
      const places = new Map(order.map((id, place) => [id, place]));
      let last = -1;
      for (const id of once) {
        const place = places.get(id) ?? last;
        if (place < last) verdict.reordered += 1;
        else last = place;
      }
      verdict.reordered += countDisordered(once);
    }
    return verdict;
  }

  /** Moments at which clients connected after `since`, for each client. */
  reconnectsSince(since: number): readonly (readonly number[])[] {
    return this.members.map(({ connectedAt }) => connectedAt.filter((at) => at > since));
  }

  #of(room: string): readonly string[] {
    return this.#acknowledged.get(room) ?? [];
  }

  #say(member: Member): void {
    const { longer = 0 } = this.#options;
    member.told += 1;
    const tail = member.told % 10 === 0 && longer > 0 ? `.${"x".repeat(longer)}` : "";
    const id = `${member.number}.${member.told}${tail}`;
    this.#emitted += 1;
    this.#dialect.say(member.socket, member.room, id, () => {
      const ids = this.#acknowledged.get(member.room) ?? [];
      ids.push(id);
      this.#acknowledged.set(member.room, ids);
    });
  }

  get #dialect(): Dialect {
    return this.#options.dialect ?? programDialect;
  }

  /** Asks until it is answered: a stock client fails its request when its connection ends. */
  async #roundTrip(socket: Socket, room: string): Promise<void> {
    const ask = () =>
      this.#dialect.ask(socket, room).then(
        () => true,
        () => false,
      );
    await until(ask, { what: "an answer", deadlineMs: 60_000 });
  }
}

export type Verdict = { lost: number; duplicated: number; reordered: number };

/** Messages that stand behind a later one of the same sender. */
function countDisordered(ids: readonly string[]): number {
  const last = new Map<string, number>();
  let count = 0;
  for (const id of ids) {
    const [sender = "", number] = id.split(".");
    if (Number(number) < (last.get(sender) ?? 0)) count += 1;
    else last.set(sender, Number(number));
  }
  return count;
}
