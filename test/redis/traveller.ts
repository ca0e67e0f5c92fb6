/** A client that loses its link again and again, and comes back to whichever node. */

import type { Socket } from "socket.io-client";
import type { Chance } from "../guarantees/seed.ts";
import type { Owner } from "../harness/owner.ts";
import { type Relay, startRelay } from "../harness/relay.ts";
import type { Kind } from "../harness/server.ts";
import { until } from "../harness/until.ts";
import type {
  Introduction,
  Moment,
  TravellerPlan,
  TravellerReport,
  TravellersOptions,
  Work,
} from "./contract.ts";
import { wallClock } from "./wall-clock.ts";

export class Traveller {
  readonly socket: Socket;
  readonly whispers: string[] = [];
  readonly #plan: TravellerPlan;
  readonly #options: TravellersOptions;
  readonly #relay: Relay;
  readonly #chance: Chance;
  readonly #moments: Moment[] = [];
  readonly #seen = new Set<string>();
  readonly #acknowledged: { id: number; at: number }[] = [];
  readonly #rejected: { id: number; error: string }[] = [];
  readonly #settled = new Set<number>();
  #settledTwice = 0;
  #emitted = 0;
  #wanders = false;
  #dropTimer: NodeJS.Timeout | undefined;
  #emitTimer: NodeJS.Timeout | undefined;

  /** Connects through a relay of its own, and resolves once it is a member of its rooms. */
  static async open(
    owner: Owner,
    plan: TravellerPlan,
    options: TravellersOptions,
    chance: Chance,
  ): Promise<Traveller> {
    const relay = await startRelay(owner, { port: anyOf(options.ports, chance) });
    const socket = await connect(options.kind, relay.url, plan);
    owner.onTestFinished(() => void socket.disconnect());
    const traveller = new Traveller(plan, options, { relay, socket, chance });
    await until(() => socket.connected, { what: `${plan.name} to be connected`, deadlineMs: 20_000 });
    await socket.timeout(20_000).emitWithAck("arrive");
    return traveller;
  }

  private constructor(
    plan: TravellerPlan,
    options: TravellersOptions,
    parts: { readonly relay: Relay; readonly socket: Socket; readonly chance: Chance },
  ) {
    this.#plan = plan;
    this.#options = options;
    this.#relay = parts.relay;
    this.#chance = parts.chance;
    this.socket = parts.socket;
    const note = (moment: Moment): number => this.#moments.push(moment);
    this.socket.on("connect", () => {
      note({ kind: "connect", recovered: Boolean(this.socket.recovered) });
      this.#dropLater();
    });
    // Nobody is there: it tries elsewhere.
    this.socket.on("connect_error", () => this.#turn());
    this.socket.on("entry", (room: string, id: string) => {
      note({ kind: "entry", room, id });
      this.#seen.add(`${room} ${id}`);
    });
    this.socket.on("whisper", (text: string) => this.whispers.push(text));
    if (!("delivery" in this.socket)) return;
    const delivery = this.socket.delivery as DeliveryEvents;
    delivery.on("gap", ({ room, from, to, reason }) => note({ kind: "gap", room, from, to, reason }));
    delivery.on("settled", ({ sequence }) => {
      if (this.#settled.has(sequence)) this.#settledTwice += 1;
      this.#settled.add(sequence);
    });
  }

  /** Begins to emit, and to lose its link. */
  setOut(): void {
    const { dropEveryMs, emitEveryMs } = this.#options;
    this.#wanders = dropEveryMs > 0 && !this.isResident;
    if (this.socket.connected) this.#dropLater();
    if (emitEveryMs > 0) this.#emitIn(this.#chance.next() * emitEveryMs);
  }

  /** Stops emitting and losing its link; what it has emitted goes on to its end. */
  rest(): void {
    clearTimeout(this.#emitTimer);
    this.#wanders = false;
    clearTimeout(this.#dropTimer);
  }

  get isResident(): boolean {
    return this.#plan.resident === true;
  }

  /** Events that have neither been acknowledged nor rejected. */
  get pending(): number {
    return this.#emitted - this.#acknowledged.length - this.#rejected.length;
  }

  /** Asks until it is answered: a stock client gives a request up when its connection ends. */
  async roundTrip(): Promise<void> {
    const ask = (): Promise<boolean> =>
      this.socket
        .timeout(5_000)
        .emitWithAck("arrive")
        .then(
          () => true,
          () => false,
        );
    await until(ask, { what: `an answer to ${this.#plan.name}`, deadlineMs: 20_000 });
  }

  has(room: string, id: string): boolean {
    return this.#seen.has(`${room} ${id}`);
  }

  report(): TravellerReport {
    return {
      name: this.#plan.name,
      rooms: this.#plan.rooms,
      isResident: this.isResident,
      moments: this.#moments,
      emitted: this.#emitted,
      acknowledged: this.#acknowledged,
      rejected: this.#rejected,
      settledTwice: this.#settledTwice,
    };
  }

  /**
   * Counted from the moment at which it was connected: were a client dropped while it still connects, it
   * would never be connected on a machine that has too much to do.
   */
  #dropLater(): void {
    if (!this.#wanders) return;
    clearTimeout(this.#dropTimer);
    const lifeMs = this.#options.dropEveryMs * (0.5 + this.#chance.next());
    this.#dropTimer = setTimeout(() => this.#drop(), lifeMs);
  }

  /** Half of the time the server is not told that the client is gone. */
  #drop(): void {
    this.#turn();
    for (const connection of this.#relay.open) {
      if (this.#chance.next() < 0.5) {
        connection.reset();
      } else {
        connection.hold();
        // What either side writes in this time goes nowhere, and nobody notices.
        setTimeout(() => connection.resetClient(), silenceMs);
      }
    }
  }

  /** From here on any node is behind the link. */
  #turn(): void {
    this.#relay.target = { port: anyOf(this.#options.ports, this.#chance) };
  }

  #emitIn(ms: number): void {
    this.#emitTimer = setTimeout(() => {
      this.#emit();
      this.#emitIn(this.#options.emitEveryMs * (0.7 + 0.6 * this.#chance.next()));
    }, ms);
  }

  #emit(): void {
    const id = (this.#emitted += 1);
    const publishTo = id % 2 === 0 ? this.#plan.rooms.at(-1) : undefined;
    const work: Work = publishTo === undefined ? { id } : { id, publishTo };
    this.socket.emitWithAck("work", work).then(
      () => this.#acknowledged.push({ id, at: wallClock() }),
      (error: Error) => this.#rejected.push({ id, error: error.message }),
    );
  }
}

async function connect(kind: Kind, url: string, { name, rooms }: TravellerPlan): Promise<Socket> {
  const { io } = kind === "Holdfast" ? await import("holdfast/client") : await import("socket.io-client");
  return io(url, {
    forceNew: true,
    // One connection is one TCP connection, so that the relay can say what happens to it.
    transports: ["websocket"],
    reconnectionDelay: 50,
    reconnectionDelayMax: 100,
    auth: { name, rooms } satisfies Introduction,
  });
}

function anyOf<T>(choices: readonly T[], chance: Chance): T {
  return chance.pick(choices as readonly [T, ...T[]]);
}

const silenceMs = 100;

// --- types ---

type DeliveryEvents = {
  on(event: "gap", listener: (gap: Omit<Extract<Moment, { kind: "gap" }>, "kind">) => void): unknown;
  on(event: "settled", listener: (settled: { readonly sequence: number }) => void): unknown;
};
