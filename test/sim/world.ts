/** One simulated installation: nodes, pages, the network between them and the store behind them. */

import { installApplication } from "./application.ts";
import { Bans } from "./application-acts.ts";
import { entriesWithTrims } from "./check-streams.ts";
import { Server } from "../../src/server/index.ts";
import type { History } from "./history.ts";
import { Less } from "./less.ts";
import { Link, type LinkEnd } from "./network.ts";
import { Page, type Place } from "./page.ts";
import { WireWatch } from "./wire-watch.ts";
import type { Plan } from "./plan.ts";
import { sampleFigures } from "./samples.ts";
import { SharedStore } from "./shared-store.ts";
import { SimulatedEngine } from "./transports.ts";
import type { Seeded } from "./seeded.ts";
import { Process, type Timeline } from "./virtual-time.ts";

export type Node = {
  readonly name: string;
  readonly process: Process;
  /** Undefined until the process has started. */
  server: Server | undefined;
  engine: SimulatedEngine | undefined;
  readonly links: Set<Link>;
  draining: boolean;
};

export type Seat = {
  readonly name: string;
  /** Who sits there; before a duplicated tab sits who sits before the first one. */
  readonly user: string;
  page: Page | undefined;
  link: Link | undefined;
  /** Cannot be reached, and reaches nobody, until then. */
  offlineUntil: number;
  /** The user's: when something is emitted, whichever page is open. */
  readonly random: Seeded;
  pagesOpened: number;
  dials: number;
};

export class World {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly history: History;
  readonly store: SharedStore;
  readonly nodes: Node[] = [];
  readonly seats: Seat[] = [];
  /** What is left out of this run. */
  readonly less: Less;
  /** False in the liveness phase: nothing new is begun. */
  busy = true;
  readonly #bans = new Bans();
  readonly #attempts = new Map<string, number>();
  #nodesStarted = 0;
  #seatsAdded = 0;
  #events = 0;

  constructor(plan: Plan, timeline: Timeline, history: History, less = new Less()) {
    this.plan = plan;
    this.timeline = timeline;
    this.history = history;
    this.less = less;
    const { random } = timeline;
    const latencies = new Map<Process, Seeded>();
    const latencyMs = (owner: Process) => {
      const own = latencies.get(owner) ?? random.named(`latency ${owner.name}`);
      latencies.set(owner, own);
      return own.next() * plan.storeLatencyMs;
    };
    this.store = new SharedStore({
      timeline,
      history,
      random,
      engine: plan.store,
      faults: {
        latencyMs,
        announcementLost: plan.announcementLost,
        announcementLate: plan.announcementLate,
        announcementTwice: plan.announcementTwice,
      },
    });
    for (let index = 0; index < plan.nodes; index++) {
      if (less.next("node").happens) this.startNode();
      else this.#nodesStarted += 1;
    }
    for (let index = 0; index < plan.pages; index++) {
      const seat = less.next("page").happens ? this.#addSeat() : undefined;
      this.#seatsAdded = index + 1;
      if (seat !== undefined) this.openPage(seat, seat.random.chance(0.5) ? new Map() : undefined);
    }
  }

  get events(): number {
    return this.#events;
  }

  get liveNodes(): Node[] {
    return this.nodes.filter(({ process }) => process.alive);
  }

  startNode(): void {
    const name = `n${this.#nodesStarted.toString(36).padStart(2, "0")}`;
    this.#nodesStarted += 1;
    const { plan, timeline } = this;
    const process = new Process(name);
    if (plan.skewMs > 0)
      process.skewMs = timeline.random.named(`skew ${name}`).whole(-plan.skewMs, plan.skewMs);
    const node: Node = {
      name,
      process,
      server: undefined,
      engine: undefined,
      links: new Set(),
      draining: false,
    };
    process.died = () => timeline.later(0, () => this.#buryNode(node, true));
    this.nodes.push(node);
    timeline.for(process, 0, () => {
      this.history.add({ kind: "node", node: name, what: "start" });
      const timing = { pingInterval: 8_000, pingTimeout: 6_000 };
      const server = new Server({
        ...timing,
        serveClient: false,
        delivery: {
          ...plan.delivery,
          ...plan.usage.delivery,
          ...(plan.hazards.sessionLifeMs === undefined ? {} : { sessionLifeMs: plan.hazards.sessionLifeMs }),
          principal: (socket) => (socket.handshake.auth as { user?: string }).user,
          authorize: (socket, room) => this.#allows(socket, room, name),
          store: this.store.openFor(process),
          node: name,
          ...(plan.trims
            ? { retention: { entriesPerStream: entriesWithTrims, mailboxEntries: entriesWithTrims } }
            : {}),
        },
      });
      const engine = new SimulatedEngine(process, timing);
      server.bind(engine);
      node.server = server;
      node.engine = engine;
      const everyMs = Math.max(1_000, plan.delivery.sweepIntervalMs);
      sampleFigures({ io: server, node: name, history: this.history, everyMs });
      installApplication({
        io: server,
        node: name,
        history: this.history,
        random: timeline.random.named(`application ${name}`),
        less: this.less,
        rooms: plan.rooms,
        mailboxes: plan.usage.mailboxes,
        acts: plan.usage.acts,
        alone: plan.nodes === 1,
        bans: this.#bans,
        attempts: this.#attempts,
        isBusy: () => this.busy,
      });
    });
  }

  /** The process ends at once. With `tell`, the machine lives on and its clients' connections are reset. */
  crash(node: Node, tell: boolean): void {
    node.process.alive = false;
    this.#buryNode(node, tell);
  }

  /** Nothing but the clients is left running, and nobody tells them. */
  blackout(): void {
    for (const node of this.liveNodes) this.crash(node, false);
    this.store.powerCut();
  }

  /** Lets go of its clients in order, then ends. */
  drain(node: Node): void {
    node.draining = true;
    this.history.add({ kind: "node", node: node.name, what: "drain" });
    this.timeline.for(node.process, 0, () => {
      void node.server?.delivery.close({ handlersTimeoutMs: 3_000 }).then(() => {
        this.history.add({ kind: "node", node: node.name, what: "closed" });
        this.timeline.later(0, () => {
          node.process.alive = false;
          for (const link of node.links) link.reset();
          this.#replaceSoon(node);
        });
      });
    });
  }

  openPage(seat: Seat, place: Place | undefined, from = ""): void {
    seat.pagesOpened += 1;
    const name = `${seat.name}p${seat.pagesOpened}`;
    const owner = new Process(name);
    const random = this.timeline.random.named(name);
    this.timeline.for(owner, random.whole(0, 500), () => {
      this.history.add({ kind: "page", page: name, what: "open", from });
      const dial = (end: LinkEnd, done: (link: Link | undefined) => void) => this.#dial(seat, end, done);
      seat.page = new Page({
        name,
        userName: seat.user,
        owner,
        dialer: { owner, dial },
        history: this.history,
        random,
        user: seat.random,
        plan: this.plan,
        place,
        nextId: () => this.#nextId(seat),
      });
    });
  }

  #addSeat(from?: Seat): Seat {
    const name = `c${this.#seatsAdded}`;
    this.#seatsAdded += 1;
    const who = from?.user ?? name;
    const random = this.timeline.random.named(`user ${name}`);
    const nobody = { page: undefined, link: undefined, offlineUntil: 0, pagesOpened: 0, dials: 0 };
    const seat: Seat = { name, user: who, random, ...nobody };
    this.seats.push(seat);
    return seat;
  }

  /** Of the event that a page is about to emit; undefined when it is not to. */
  #nextId(seat: Seat): string | undefined {
    if (!this.busy) return undefined;
    const { turn, happens } = this.less.next(seat.name);
    if (!happens) return undefined;
    this.#events += 1;
    return `${seat.name}e${turn}`;
  }

  /** `saved`: the browser keeps the page's storage, and gives it to the next one. */
  reload(seat: Seat, saved: boolean): void {
    const { page } = seat;
    if (page === undefined) return;
    this.timeline.for(page.owner, 0, () => {
      if (saved) page.hide();
      page.owner.alive = false;
      this.history.add({ kind: "page", page: page.name, what: "gone", from: "" });
      seat.link?.toServer.end();
      if (seat.link !== undefined) seat.link.toClient.over = true;
      seat.page = undefined;
      const place = page.place ?? new Map<string, string>();
      if (!saved) place.clear();
      this.openPage(seat, place, place.size > 0 ? page.name : "");
    });
  }

  /** A tab is duplicated: two pages go on with one session. */
  copy(seat: Seat): void {
    const { page } = seat;
    if (page?.place === undefined || this.seats.length >= seatsMax) return;
    // Where the store goes back in time, the checker does not tell several pages of one session apart.
    if (this.plan.faults.some((kind) => kind.startsWith("storeRewinds"))) return;
    this.timeline.for(page.owner, 0, () => {
      const place = page.copyPlace();
      if (place === undefined || place.size === 0) return;
      const other = this.#addSeat(seat);
      this.history.add({ kind: "copied", page: page.name, seat: other.name });
      this.openPage(other, place);
    });
  }

  /** Ends all that is wrong, and starts what is down. */
  heal(): void {
    this.busy = false;
    this.store.refusesUntil = 0;
    this.store.slowUntil = 0;
    this.store.hasSpace();
    this.store.faults = {
      ...this.store.faults,
      announcementLost: 0,
      announcementLate: 0,
      announcementTwice: 0,
    };
    for (const seat of this.seats) seat.offlineUntil = 0;
    for (const { process } of this.nodes) process.outputsLeft = Number.POSITIVE_INFINITY;
  }

  /** When the last one wakes up that is frozen now. */
  get awakeAt(): number {
    const processes = [
      ...this.liveNodes.map(({ process }) => process),
      ...this.seats.map(({ page }) => page?.owner),
    ];
    return Math.max(this.timeline.now, ...processes.map((process) => process?.frozenUntil ?? 0));
  }

  #allows(socket: { readonly id: string; readonly handshake: { auth: object } }, room: string, node: string) {
    const { user = "" } = socket.handshake.auth as { user?: string };
    const allowed = !this.#bans.has(user, room);
    if (!allowed) this.history.add({ kind: "denied", node, session: socket.id, room });
    return allowed;
  }

  #dial(seat: Seat, end: LinkEnd, done: (link: Link | undefined) => void): void {
    const { timeline, plan } = this;
    seat.dials += 1;
    const random = timeline.random.named(`link ${end.owner.name} ${seat.dials}`);
    const latencyMs = () => plan.latencyMs * (0.5 + random.next());
    const fail = () => void timeline.for(end.owner, latencyMs() * 2, () => done(undefined));
    const able = this.liveNodes.filter(({ draining, engine }) => !draining && engine !== undefined);
    if (timeline.now < seat.offlineUntil || able.length === 0) {
      fail();
      return;
    }
    const node = random.pick(able);
    const { charactersPerMs, bufferCharacters } = plan;
    const traits = { latencyMs, charactersPerMs, bufferCharacters };
    const link = new Link(timeline, traits, { page: end.owner, node: node.process });
    const wire = new WireWatch((what) =>
      this.history.add({ kind: "written", node: node.name, page: end.owner.name, what }),
    );
    link.watch = (data) => wire.written(data);
    timeline.later(latencyMs(), () => {
      if (!node.process.alive || timeline.now < seat.offlineUntil) {
        fail();
        return;
      }
      seat.link = link;
      node.links.add(link);
      link.toClient.to = end;
      timeline.for(node.process, 0, () => {
        link.toClient.tell(() => done(link));
        node.engine?.accept(link, () => link.toClient.end());
      });
    });
  }

  #buryNode(node: Node, tell: boolean): void {
    this.history.add({ kind: "node", node: node.name, what: "crash" });
    for (const link of node.links) {
      if (tell) link.reset();
      else link.toClient.cut = true;
    }
    this.#replaceSoon(node);
  }

  #replaceSoon(node: Node): void {
    const afterMs = this.timeline.random.named(`after ${node.name}`).whole(10, 3_000);
    this.timeline.later(afterMs, () => this.startNode());
  }
}

const seatsMax = 8;
