/**
 * An installation in virtual time without anything random: shipped servers and clients at the edges that
 * `test/sim` simulates, and an application that does what each event tells it. What goes wrong is called by
 * name.
 */

import { io, type Socket as ClientSocket } from "../../src/client/index.ts";
import { Server as StockServer } from "socket.io";
import { Server } from "../../src/server/index.ts";
import type { DeliveryOptions } from "../../src/server/options.ts";
import { History } from "../sim/history.ts";
import { ScriptedApplication } from "./scripted-application.ts";
import { Link, type LinkEnd, type LinkTraits, type Packet } from "../sim/network.ts";
import { Seeded } from "../sim/seeded.ts";
import { SharedStore, type StoreFaults } from "../sim/shared-store.ts";
import { pageTransport, SimulatedEngine } from "../sim/transports.ts";
import { Process, running, Timeline } from "../sim/virtual-time.ts";

export type ScriptedNode = {
  readonly name: string;
  readonly process: Process;
  server: Server | undefined;
  readonly links: Set<Link>;
};

export type ScriptedPage = {
  readonly name: string;
  readonly process: Process;
  /** Where it connects to; `undefined` is any node. */
  goesTo: string | undefined;
  /** What its tab keeps over a reload. */
  readonly place: Map<string, string>;
  link: Link | undefined;
  socket: ClientSocket | undefined;
  /** Listeners of its window, which a reload calls. */
  readonly listeners: Map<string, () => void>;
  /** Questions of the server that the page has kept to itself, where it does so: by name, how to answer. */
  unanswered: Map<string, () => void> | undefined;
};

export type ScriptedOptions = {
  readonly delivery: DeliveryOptions;
  /** Events that a client keeps at most until they have their outcome. */
  readonly outboxLimit: number;
  readonly latencyMs: number;
  readonly charactersPerMs: number;
  readonly bufferCharacters: number;
  readonly storeMs: number;
};

export type RawClient = { say: (text: string) => void };

/** A process has let go of a session. */
export type LetGo = { readonly node: string; readonly session: string; readonly reason: string };

/** Says of every packet what it carries: who sends it, and its text. */
export type Overheard = (page: string, from: "client" | "server", text: string) => void;

export class ScriptedWorld {
  readonly timeline = quietTimeline();
  readonly history = new History(() => this.timeline.now);
  readonly nodes = new Map<string, ScriptedNode>();
  readonly pages = new Map<string, ScriptedPage>();
  readonly #application = new ScriptedApplication(this.history);
  readonly store: SharedStore;
  told: (letGo: LetGo) => void = () => {};
  readonly #options: ScriptedOptions;
  readonly #overheard: Overheard;

  constructor(options: ScriptedOptions, overheard: Overheard) {
    this.#options = options;
    this.#overheard = overheard;
    const { timeline, history } = this;
    running.timeline = timeline;
    timeline.onUncaught = (error) => history.add({ kind: "wrong", what: String(error) });
    const faults: StoreFaults = {
      latencyMs: () => options.storeMs,
      announcementLost: 0,
      announcementLate: 0,
      announcementTwice: 0,
    };
    this.store = new SharedStore({ timeline, history, random: timeline.random, faults });
  }

  /** Whose page a session is; known as soon as a connection handler runs. */
  get pageOfSession(): ReadonlyMap<string, string> {
    return this.#application.pageOfSession;
  }

  startNode(name: string): void {
    const process = new Process(name);
    const node: ScriptedNode = { name, process, server: undefined, links: new Set() };
    this.nodes.set(name, node);
    this.timeline.for(process, 0, () => {
      const delivery = { ...this.#options.delivery, store: this.store.openFor(process), node: name };
      const server = new Server({ ...timing, serveClient: false, delivery });
      const engine = new SimulatedEngine(process, timing);
      server.bind(engine);
      node.server = server;
      this.#engines.set(node, engine);
      server.use((socket, next) => {
        const { user } = socket.handshake.auth as { user?: string };
        if (user !== undefined) (socket.data as { principal?: string }).principal = user;
        next();
      });
      server.on("connection", (socket) => this.#application.serve(node, socket));
      // The session is not known by its page yet; the words are put together when they are read.
      server.on("session", (session) => {
        for (const event of ["moved", "end"])
          session.on(event, (reason: string) => this.told({ node: name, session: session.id, reason }));
      });
    });
  }

  /** A server of Socket.IO's own. */
  startStockNode(name: string): void {
    const process = new Process(name);
    const node: ScriptedNode = { name, process, server: undefined, links: new Set() };
    this.nodes.set(name, node);
    this.timeline.for(process, 0, () => {
      const engine = new SimulatedEngine(process, timing);
      const server = new StockServer({ ...timing, serveClient: false });
      server.bind(engine);
      server.on("connection", (socket) => {
        socket.on("do", (_id: string, _steps: string, _padding: string, done?: () => void) => done?.());
      });
      this.#engines.set(node, engine);
    });
  }

  /**
   * A link whose client is no program but says what it is told; what it is sent is overheard like everything.
   */
  openRaw(name: string, goesTo: string | undefined): RawClient {
    const owner = new Process(name);
    const raw: RawClient = { say: () => {} };
    const received = (packet: Packet) => {
      if (packet.type === "ping") link?.toServer.send([{ type: "pong" }], () => {});
    };
    const closed = () => this.history.add({ kind: "disconnect", page: name, reason: "closed by the server" });
    let link: Link | undefined;
    const page = { name, goesTo, link };
    this.#dial(page, { owner, received, closed }, (opened) => {
      link = opened;
      raw.say = (text) => link?.toServer.send([{ type: "message", data: text }], () => {});
    });
    return raw;
  }

  /** `rooms` are joined by the connection handler, at every connection; `place` is what its tab has kept. */
  openPage(
    name: string,
    rooms: readonly string[],
    goesTo: string | undefined,
    place: Map<string, string>,
  ): void {
    const process = new Process(name);
    const page: ScriptedPage = {
      name,
      process,
      goesTo,
      place,
      link: undefined,
      socket: undefined,
      listeners: new Map(),
      unanswered: undefined,
    };
    this.pages.set(name, page);
    this.timeline.for(process, 0, () => {
      page.socket = inBrowser(page, () => this.#connect(page, rooms));
      this.#listen(page, page.socket);
    });
  }

  /** The process ends at once, and its machine resets the connections. */
  crash(node: ScriptedNode): void {
    node.process.alive = false;
    this.nodes.delete(node.name);
    for (const link of node.links) link.reset();
  }

  readonly #engines = new Map<ScriptedNode, SimulatedEngine>();

  #connect(page: ScriptedPage, rooms: readonly string[]): ClientSocket {
    const { place } = page;
    const dial = (end: LinkEnd, done: (link: Link | undefined) => void) => this.#dial(page, end, done);
    return io("http://simulated", {
      forceNew: true,
      transports: [pageTransport({ owner: page.process, dial })] as never,
      auth: { page: page.name, rooms },
      delivery: {
        outboxLimit: this.#options.outboxLimit,
        persist: {
          load: (key) => place.get(key) ?? null,
          save: (key, text) => void place.set(key, text),
          remove: (key) => void place.delete(key),
        },
      },
    });
  }

  #dial(
    page: Pick<ScriptedPage, "name" | "goesTo" | "link">,
    end: LinkEnd,
    done: (link: Link | undefined) => void,
  ): void {
    const { timeline } = this;
    const { latencyMs, charactersPerMs, bufferCharacters } = this.#options;
    const wanted = page.goesTo === undefined ? [...this.nodes.keys()][0] : page.goesTo;
    const node = this.nodes.get(wanted ?? "");
    const engine = node === undefined ? undefined : this.#engines.get(node);
    if (node === undefined || engine === undefined) {
      timeline.for(end.owner, 2 * latencyMs, () => done(undefined));
      return;
    }
    const traits: LinkTraits = { latencyMs: () => latencyMs, charactersPerMs, bufferCharacters };
    const link = new Link(timeline, traits, { page: end.owner, node: node.process });
    overhear(link, (from, text) => this.#overheard(page.name, from, text));
    timeline.later(latencyMs, () => {
      page.link = link;
      node.links.add(link);
      link.toClient.to = end;
      timeline.for(node.process, 0, () => {
        link.toClient.tell(() => done(link));
        engine.accept(link, () => link.toClient.end());
      });
    });
  }

  #listen(page: ScriptedPage, socket: ClientSocket): void {
    const { history } = this;
    const { name } = page;
    const session = () => socket.delivery.session?.id ?? "";
    socket.on("connect", () => {
      const { generation = 0 } = socket.delivery.session ?? {};
      history.add({ kind: "connect", page: name, session: session(), resumed: socket.recovered, generation });
    });
    socket.on("disconnect", (reason: string) => history.add({ kind: "disconnect", page: name, reason }));
    const show = (id: string) => {
      const { stream = 0, offset = 0 } = socket.delivery.entry ?? {};
      history.add({ kind: "shown", page: name, session: session(), stream, offset, id, aside: "" });
    };
    socket.on("note", show);
    socket.on("question", (id: string, answer: (value: string) => void) => {
      show(id);
      const give = () => answer(`answer to ${id}`);
      if (page.unanswered === undefined) give();
      else page.unanswered.set(id, give);
    });
    socket.on("connect_error", (error: Error & { data?: { code?: string } }) => {
      // Without data it was the link that failed, not the server that refused.
      const code = error.data?.code;
      if (code !== undefined) history.add({ kind: "refused", page: name, session: "", code });
    });
    socket.delivery.on("gap", ({ stream, from, to, reason }) =>
      history.add({ kind: "gap", page: name, session: session(), stream, from, to, reason }),
    );
    socket.delivery.on("refused", ({ code }) =>
      history.add({ kind: "refused", page: name, session: session(), code }),
    );
    socket.delivery.on("settled", ({ sequence, error, values }) => {
      const { code = "" } = (error ?? {}) as { code?: string };
      const value = values.length === 0 ? "" : JSON.stringify(values);
      history.add({ kind: "settled", page: name, session: session(), sequence, error: code, value });
    });
  }
}

const timing = { pingInterval: 8_000, pingTimeout: 6_000 };

/** Every draw is the middle one, so that what a run does depends on its script alone. */
class Middle extends Seeded {
  override next(): number {
    return 0.5;
  }

  override named(): Seeded {
    return this;
  }
}

function quietTimeline(): Timeline {
  const timeline = new Timeline(1);
  // Identities stay random: they have to differ.
  return Object.assign(timeline, { random: new Middle(0) });
}

/** Packets are told when they are sent; what is cut or reset later is lost without a word. */
function overhear(link: Link, told: (from: "client" | "server", text: string) => void): void {
  for (const [lane, from] of [
    [link.toServer, "client"],
    [link.toClient, "server"],
  ] as const) {
    const send = lane.send.bind(lane);
    lane.send = (packets, sent) => {
      for (const { type, data } of packets) if (type === "message") told(from, data ?? "");
      send(packets, sent);
    };
  }
}

/** The client looks for a document while it connects, and keeps what it registers there. */
function inBrowser<T>(page: ScriptedPage, run: () => T): T {
  const scope = globalThis as Record<string, unknown>;
  const addEventListener = (event: string, listener: () => void) => void page.listeners.set(event, listener);
  const removeEventListener = () => undefined;
  scope["document"] = { visibilityState: "visible", addEventListener, removeEventListener };
  Object.assign(scope, { addEventListener, removeEventListener });
  try {
    return run();
  } finally {
    for (const name of ["document", "addEventListener", "removeEventListener"]) delete scope[name];
  }
}
