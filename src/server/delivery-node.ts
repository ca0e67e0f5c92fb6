/** Delivery in one process: the store, all namespaces, the callbacks that wait, and the housekeeping. */

import { EventEmitter } from "node:events";
import { randomBytes } from "node:crypto";
import type { Server } from "socket.io";
import { namespaceOfKey, nodesNamespace } from "../protocol/stream-key.ts";
import { durabilityOf, openStore } from "../store/open.ts";
import type { CommittedEntry, StoreFigures } from "../store/port.ts";
import { openRedisBus, type RedisBus } from "../store/redis/bus.ts";
import { AdmissionQueue } from "./admission-queue.ts";
import { type DrainOptions, handlersTimeoutMsDefault, letClientsGo, refuseConnections } from "./drain.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";
import { HeadLooks } from "./head-looks.ts";
import { OpeningStore } from "./opening-store.ts";
import type { ResolvedOptions } from "./options.ts";
import { OtherNodes } from "./other-nodes.ts";
import { Pulse } from "./pulse.ts";
import { Replies } from "./replies.ts";
import type { Session } from "./session.ts";
import { type Engine, type HoldfastSocket, shutDown, socketsOf } from "./socket-io.ts";

/** Figures of this process; every bounded table is among them. */
export type NodeFigures = LocalFigures & { readonly store: StoreFigures };

/** Those that need no answer of the store. */
export type LocalFigures = {
  /** Connections by the transport that they use now. */
  readonly connections: Readonly<Record<string, number>>;
  readonly sessions: number;
  readonly suspendedSessions: number;
  readonly runningHandlers: number;
  readonly inboxDepth: number;
  readonly streams: number;
  /** Memberships that are fed from the log, because their connection takes no more or has just come. */
  readonly membersBehind: number;
  /** How far the slowest stream was behind the store's head at the last look, one for each sweep. */
  readonly lagEntries: number;
  readonly waitingReplies: number;
  readonly waitingAdmissions: number;
};

export class DeliveryNode extends EventEmitter {
  /** Names this run of this process; another run has another id. */
  readonly id: string;
  readonly server: Server;
  readonly options: ResolvedOptions;
  readonly store: OpeningStore;
  readonly replies: Replies;
  readonly others: OtherNodes;
  readonly admissions = new AdmissionQueue(admissionsLimit, admissionPlaceMs);
  readonly pulse = new Pulse();
  readonly #namespaces = new Map<string, NamespaceDelivery>();
  readonly #sweeper: ReturnType<typeof setInterval>;
  /** By the clock that nobody sets. */
  #touchedAt = performance.now();
  #housekeeping = false;
  /** Of the sessions that are away and were asked something, where the next look begins. */
  #lookedAt = 0;
  #closed: Promise<void> | undefined;
  readonly #heads: HeadLooks;
  #looker: ReturnType<typeof setInterval> | undefined;
  #bus: RedisBus | undefined;

  constructor(server: Server, options: ResolvedOptions) {
    super();
    this.on("error", () => undefined);
    this.server = server;
    this.options = options;
    this.id = `${options.node}${randomBytes(9).toString("base64url")}`;
    this.replies = new Replies({ processId: this.id, limit: options.repliesLimit, meter: options.meter });
    this.store = openingStore(options, (error) => this.report("store_error", { error }));
    this.others = new OtherNodes(this);
    this.store.onCommitted((entries, by) => {
      this.#announce(entries, by);
      if (by === "us") this.emit("committed");
    });
    // Often enough that other processes' sweeps never find a connected session overdue.
    const houseEveryMs = Math.min(options.sweepIntervalMs, options.sessionLifeMs / touchesPerLife);
    this.#sweeper = setInterval(() => void this.#keepHouse(), houseEveryMs);
    this.#sweeper.unref();
    const fanOuts = () => [...this.#namespaces.values()].map(({ fanOut }) => fanOut);
    this.#heads = new HeadLooks(this.store, fanOuts);
    this.store.ready.then(() => this.#lookOften()).catch(() => undefined);
  }

  /** Where everything is announced by the log itself, the sweeps' looks are enough. */
  #lookOften(): void {
    if (this.store.announces === "everything" || this.#closed !== undefined) return;
    this.#looker = setInterval(() => {
      const looks = Promise.all([this.#heads.lookAtSome(), this.others.look()]);
      looks.catch((error: unknown) => this.report("store_error", { error }));
    }, lookIntervalMs);
    this.#looker.unref();
  }

  /** The way to the other processes of a store that has one. It closes with the node. */
  openBus(): RedisBus | undefined {
    const { store } = this.options;
    if (typeof store !== "string") return undefined;
    this.#bus ??= openRedisBus(store, (error) => this.report("store_error", { error }));
    return this.#bus;
  }

  addNamespace(delivery: NamespaceDelivery): void {
    this.#namespaces.set(delivery.name, delivery);
  }

  namespace(name: string): NamespaceDelivery {
    const delivery = this.#namespaces.get(name);
    if (delivery === undefined) throw new Error(`the namespace ${name} does not exist on this server`);
    return delivery;
  }

  findNamespace(name: string): NamespaceDelivery | undefined {
    return this.#namespaces.get(name);
  }

  /** Undefined where the session does not live in this process. */
  sessionOf(at: { readonly namespace: string; readonly session: string }): Session | undefined {
    return this.#namespaces.get(at.namespace)?.sessions.get(at.session);
  }

  /** Tells the application; nobody has to listen. */
  report(event: string, detail: object): void {
    this.emit(event, detail);
  }

  async figures(): Promise<NodeFigures> {
    const store = await this.store.figures();
    return { ...this.localFigures(), store };
  }

  localFigures(): LocalFigures {
    const namespaces = [...this.#namespaces.values()];
    const sessions = this.#sessions();
    const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
    return {
      connections: connectionsByTransport(this.server),
      sessions: sessions.length,
      suspendedSessions: sum(namespaces.map((delivery) => delivery.suspendedCount)),
      runningHandlers: this.#runningHandlers,
      inboxDepth: sum(sessions.map((session) => session.inboxDepth)),
      streams: sum(namespaces.map((delivery) => delivery.fanOut.streamCount)),
      membersBehind: sum(namespaces.map((delivery) => delivery.fanOut.membersBehind)),
      lagEntries: this.#heads.lagEntries,
      waitingReplies: this.replies.size,
      waitingAdmissions: this.admissions.waiting,
    };
  }

  /**
   * Lets go of clients and store in order: running handlers finish (bounded), what they answered is written,
   * the connections close so that clients come back elsewhere, the store commits and closes.
   */
  close(options: DrainOptions = {}): Promise<void> {
    this.#closed ??= this.#close(options);
    return this.#closed;
  }

  async #close(options: DrainOptions): Promise<void> {
    clearInterval(this.#sweeper);
    clearInterval(this.#looker);
    const deadline = performance.now() + (options.handlersTimeoutMs ?? handlersTimeoutMsDefault);
    const engine = (this.server as unknown as { engine?: EngineServer }).engine;
    refuseConnections(this.server);
    const sockets = this.#socketsByClient();
    const clients = Object.values(engine?.clients ?? {});
    await letClientsGo(clients, (client) => sockets.get(client) ?? [], options);
    // Those of sessions whose client was away.
    while (this.#runningHandlers > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // Who came in at the last moment.
    shutDown([...this.#socketsByClient().values()].flat());
    for (const client of Object.values(engine?.clients ?? {})) client.close();
    const closed = () =>
      Object.values(engine?.clients ?? {}).every(({ readyState }) => readyState === "closed");
    const closedBy = performance.now() + connectionsTimeoutMs;
    while (!closed() && performance.now() < closedBy) await new Promise((resolve) => setTimeout(resolve, 20));
    this.pulse.close();
    await this.#bus?.close();
    this.others.close();
    await this.store.close();
  }

  #socketsByClient(): Map<Engine, HoldfastSocket[]> {
    const sockets = [...this.#namespaces.values()].flatMap(({ namespace }) => socketsOf(namespace));
    return Map.groupBy(sockets, ({ conn }) => conn);
  }

  #sessions(): Session[] {
    return [...this.#namespaces.values()].flatMap((delivery) => [...delivery.sessions.values()]);
  }

  get #runningHandlers(): number {
    return this.#sessions().reduce((total, { running }) => total + running, this.others.running);
  }

  #announce(entries: readonly CommittedEntry[], by: "us" | "others"): void {
    const { meter } = this.options;
    if (meter === undefined) return this.#handleCommitted(entries);
    const startedAt = performance.now();
    this.#handleCommitted(entries);
    meter.fannedOut(performance.now() - startedAt);
    const [oldest] = entries;
    if (by === "others" && oldest !== undefined) meter.followed(Math.max(0, Date.now() - oldest.at));
  }

  #handleCommitted(entries: readonly CommittedEntry[]): void {
    let start = 0;
    let name = entries[0] === undefined ? "" : namespaceOfKey(entries[0].key);
    for (let index = 1; index <= entries.length; index++) {
      const entry = entries[index];
      const next = entry === undefined ? undefined : namespaceOfKey(entry.key);
      if (next === name) continue;
      const whole = start === 0 && index === entries.length;
      const some = whole ? entries : entries.slice(start, index);
      if (name === nodesNamespace) this.others.handleCommitted(some);
      else this.#namespaces.get(name)?.fanOut.handleCommitted(some);
      start = index;
      name = next ?? "";
    }
  }

  async #keepHouse(): Promise<void> {
    if (this.#housekeeping) return;
    this.#housekeeping = true;
    try {
      const now = Date.now();
      await this.#touch(now);
      const { expiredSessions } = await this.store.sweep({ ...this.options.retention, now });
      for (const id of expiredSessions) this.#expire(id);
      await this.#heads.lookAtAll();
      await this.others.look();
      await this.#giveUpReplies();
    } catch (error) {
      this.report("store_error", { error });
    } finally {
      this.#housekeeping = false;
    }
  }

  #expire(id: string): void {
    for (const delivery of this.#namespaces.values()) {
      const session = delivery.sessions.get(id);
      if (session !== undefined) delivery.endSession(session, "expired");
    }
    this.replies.giveUpSession(id, "session_closed");
  }

  /**
   * A session whose client is not here may end elsewhere, and nobody tells those who wait for its answers.
   */
  async #giveUpReplies(): Promise<void> {
    const connected = new Set(this.#sessions().flatMap(({ connected, id }) => (connected ? [id] : [])));
    const away = [...this.replies.sessions].filter((id) => !connected.has(id));
    const sessions = away.slice(this.#lookedAt, this.#lookedAt + sessionsPerLook);
    this.#lookedAt = this.#lookedAt + sessionsPerLook < away.length ? this.#lookedAt + sessionsPerLook : 0;
    // Whether its time is up is for the sweep to say, by one clock.
    const peeks = await Promise.all(sessions.map((id) => this.store.peekSession(id, 0)));
    for (const [index, id] of sessions.entries()) if (peeks[index] === undefined) this.#expire(id);
  }

  /**
   * Sessions with a connection do not expire, and one that ends with its process lives its full time from
   * then on.
   */
  async #touch(now: number): Promise<void> {
    const { sessionLifeMs } = this.options;
    const lookedAt = performance.now();
    if (lookedAt - this.#touchedAt < Math.min(sessionLifeMs / touchesPerLife, 60_000)) return;
    for (const delivery of this.#namespaces.values()) {
      const connected = [...delivery.sessions.values()].filter((session) => session.connected);
      await delivery.touch(connected, now + sessionLifeMs);
    }
    // Where the store did not take it, the next sweep tries again.
    this.#touchedAt = lookedAt;
  }
}

function connectionsByTransport(server: Server): Record<string, number> {
  const counts: Record<string, number> = {};
  const { engine } = server as unknown as { engine?: EngineServer };
  for (const { transport } of Object.values(engine?.clients ?? {})) {
    counts[transport.name] = (counts[transport.name] ?? 0) + 1;
  }
  return counts;
}

function openingStore(options: ResolvedOptions, report: (error: unknown) => void): OpeningStore {
  const { store, storeQueueLimit, storeQueueBytesLimit, meter } = options;
  if (typeof store !== "string") return new OpeningStore(Promise.resolve(store), store.durability);
  const opening = openStore(store, {
    queueLimit: storeQueueLimit,
    queueBytesLimit: storeQueueBytesLimit,
    onBusy: () => meter?.limitHit("store_queue"),
    onConnectionError: (error) => report(error),
  });
  return new OpeningStore(opening, durabilityOf(store));
}

type EngineServer = { readonly clients: Record<string, Engine> };

/** A polling client that has gone away between two polls would keep its connection open for much longer. */
const connectionsTimeoutMs = 2_000;
/** How often to look for lost announcements, where they come over a network. */
const lookIntervalMs = 1_000;
/** What one sweep asks the store for; the next one goes on from there. */
const sessionsPerLook = 100;
/** A touch may come a turn late, or be refused, without costing a session. */
const touchesPerLife = 4;
/** So many share a commit or two; more at a time would only make those in front wait for those behind. */
const admissionsLimit = 64;
const admissionPlaceMs = 2_000;
