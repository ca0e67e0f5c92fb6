/** A `ScriptedWorld` under commands. Says in words what its nodes, its pages and its store do. */

import type { Socket } from "../../src/server/index.ts";
import type { Line } from "../sim/history.ts";
import { publish } from "./scripted-application.ts";
import { type RawClient, type ScriptedNode, type ScriptedPage, ScriptedWorld } from "./scripted-world.ts";
import { durationOf, settingsOf, shortened, type Stage, unfolded } from "./script.ts";
import { WorldWords } from "./world-words.ts";

export class WorldStage implements Stage {
  readonly #world: ScriptedWorld;
  readonly #words: WorldWords;
  readonly #frames: boolean;
  #told: { readonly at: number; readonly line: Line | string }[] = [];
  #facts = 0;
  readonly #secrets = new Map<string, string>();
  readonly #raw = new Map<string, RawClient>();
  /** What a page's tab had kept at the moment when it was told to save. */
  readonly #saved = new Map<string, ReadonlyMap<string, string>>();

  /** `command`: `world`, with settings of the network and of the nodes' `delivery` option, and `frames`. */
  constructor(command: string) {
    const words = command.split(" ").slice(1);
    const {
      latencyMs = 5,
      charactersPerMs = 100_000,
      bufferCharacters = 65_536,
      storeMs = 1,
      entriesPerStream = 0,
      outboxLimit = 10_000,
      ...delivery
    } = settingsOf(words);
    this.#frames = words.includes("frames");
    const network = { latencyMs, charactersPerMs, bufferCharacters, storeMs, outboxLimit };
    const retention = entriesPerStream > 0 ? { retention: { entriesPerStream } } : {};
    this.#world = new ScriptedWorld(
      { ...network, delivery: { ...delivery, ...retention } },
      (page, from, text) => this.#overhear(page, from, text),
    );
    this.#words = new WorldWords(this.#world);
    this.#world.told = ({ node, session, reason }) => {
      const page = this.#world.pageOfSession.get(session) ?? "";
      const line = `${node} lets go of the session of ${page}: ${reason}`;
      this.#told.push({ at: this.#world.timeline.now, line });
    };
  }

  async perform(command: string): Promise<readonly string[]> {
    this.#told = [];
    if (command.startsWith("silently ")) {
      await this.perform(command.slice("silently ".length));
      return [];
    }
    const forMs = command.startsWith("wait ") ? durationOf(command) : 0;
    if (forMs === 0) await this.#do(command);
    await this.#drive(forMs);
    return this.#told.flatMap(({ at, line }) => {
      const words = typeof line === "string" ? this.#words.wire(line) : this.#words.of(line);
      if (words === "") return [];
      return [`${(at / 1_000).toFixed(3).padStart(7)} s  ${shortened(words)}`];
    });
  }

  /** Events of the same moment happen as well. */
  async #drive(forMs: number): Promise<void> {
    const { timeline, history } = this.#world;
    let reached = false;
    timeline.later(forMs, () => {
      reached = true;
    });
    await timeline.drive(() => {
      for (; this.#facts < history.lines.length; this.#facts += 1) {
        const line = history.lines[this.#facts];
        if (line !== undefined) this.#told.push({ at: line.at, line });
      }
      return reached;
    });
  }

  async #do(command: string): Promise<void> {
    const world = this.#world;
    const [subject = "", verb = "", ...rest] = command.split(" ");
    const node = world.nodes.get(subject);
    const page = world.pages.get(subject);
    const raw = this.#raw.get(subject);
    if (subject === "node") world.startNode(verb);
    else if (subject === "plain") world.startStockNode(rest[0] ?? "");
    else if (subject === "raw")
      this.#raw.set(rest[0] ?? "", world.openRaw(rest[0] ?? "", listOf(rest, "on")[0]));
    else if (raw !== undefined) raw.say(this.#filled(command.slice(`${subject} says `.length)));
    else if (subject === "page") this.#openPage(verb, rest);
    else if (subject === "store") this.#store(command);
    else if (subject === "announcements")
      world.store.faults = { ...world.store.faults, announcementLost: verb === "lost" ? 1 : 0 };
    else if (node !== undefined) await this.#nodeDoes(node, verb, command);
    else if (page !== undefined) this.#pageDoes(page, verb, command);
    else throw new Error("nobody knows this command");
  }

  /** `SESSION(a)`, `TOKEN(a)` and `LIFE(a)` stand for what page a has, as its packets were overheard. */
  #filled(text: string): string {
    return unfolded(text).replace(/(SESSION|TOKEN|LIFE)\((\w+)\)/g, (_, what: string, page: string) => {
      const known = this.#secrets.get(`${what} ${page}`);
      if (known === undefined) throw new Error(`the ${what} of ${page} has not been heard`);
      return known;
    });
  }

  #overhear(page: string, from: "client" | "server", text: string): void {
    if (from === "server" && text.startsWith('0{"sid"')) {
      const { sid, pid = "" } = JSON.parse(text.slice(1)) as { sid: string; pid?: string };
      this.#secrets.set(`SESSION ${page}`, sid).set(`TOKEN ${page}`, pid);
    }
    const life = /\\"i\\":\\"([^"\\]+)\\"/.exec(text)?.[1];
    if (from === "client" && life !== undefined) this.#secrets.set(`LIFE ${page}`, life);
    // What a raw client says stands in the command.
    if (!this.#frames || (from === "client" && this.#raw.has(page))) return;
    const way = from === "client" ? `${page} -> server` : `server -> ${page}`;
    this.#told.push({ at: this.#world.timeline.now, line: `${way}  ${text}` });
  }

  #openPage(name: string, rest: readonly string[]): void {
    const [old = ""] = listOf(rest, "of");
    const saved = this.#saved.get(old);
    if (old !== "" && saved === undefined) throw new Error(`${old} has saved nothing`);
    this.#world.openPage(name, listOf(rest, "in"), listOf(rest, "on")[0], new Map(saved));
  }

  #store(command: string): void {
    const { store, timeline } = this.#world;
    if (command.startsWith("store refuses for ")) store.refusesUntil = timeline.now + durationOf(command);
    else if (command.startsWith("store is slow for ")) store.slowUntil = timeline.now + durationOf(command);
    else if (command.startsWith("store answers after ")) {
      const answerMs = durationOf(command);
      store.faults = { ...store.faults, latencyMs: () => answerMs };
    } else if (command.startsWith("store goes back "))
      // Whoever sets it back renews the epochs, or does not know that it was set back.
      store.rewind(durationOf(command.replace(" unnoticed", "")), !command.endsWith(" unnoticed"));
    else throw new Error("the store refuses for, is slow for, answers after, or goes back a time");
  }

  async #nodeDoes(node: ScriptedNode, verb: string, command: string): Promise<void> {
    const world = this.#world;
    const { timeline } = world;
    if (verb === "publishes") this.#publish(node, command);
    else if (verb === "crashes") world.crash(node);
    else if (verb === "freezes") node.process.frozenUntil = timeline.now + durationOf(command);
    else if (verb === "sets") node.process.skewMs -= durationOf(command);
    else if (verb === "asks") this.#ask(node, command);
    else if (verb === "drains") timeline.for(node.process, 0, () => void node.server?.delivery.close());
    else if (verb === "tells") await this.#figures(node);
    else if (verb === "takes" || verb === "sends") this.#takeFrom(node, command);
    else throw new Error("a node publishes, asks, takes, sends, sets, crashes, freezes, drains, or tells");
  }

  /** `n00 takes red from a`, or `n00 sends a away` with its session. */
  #takeFrom(node: ScriptedNode, command: string): void {
    const [, verb, what = "", , page = ""] = command.split(" ");
    const session = this.#sessionOf(verb === "takes" ? page : what) ?? "";
    this.#world.timeline.for(node.process, 0, () => {
      if (verb === "takes") node.server?.in(session).socketsLeave(what);
      else node.server?.in(session).disconnectSockets();
    });
  }

  /** `n00 publishes red,blue x1 x500 except a`, or a room; or `n00 publishes volatile red x1`. */
  #publish(node: ScriptedNode, command: string): void {
    const words = command.split(" ").slice(2);
    const isVolatile = words[0] === "volatile";
    const [room = "", id = ""] = words.slice(isVolatile ? 1 : 0);
    const size = words.find((word, index) => index > 1 && /^x\d+$/.test(word)) ?? "x0";
    const whom = words.at(-1) ?? "";
    const excluded = words.includes("except") ? (this.#sessionOf(whom) ?? whom) : undefined;
    const padding = "x".repeat(Number(size.slice(1)));
    const except = excluded === undefined ? {} : { except: excluded };
    this.#world.timeline.for(node.process, 0, () => {
      if (isVolatile) node.server?.to(room).volatile.emit("note", id, "");
      // What comes of it is in the history.
      else void publish(node, { room, id, padding, ...except }).catch(() => undefined);
    });
  }

  /** A callback that the server waits for. */
  #ask(node: ScriptedNode, command: string): void {
    const [, , page = "", id = ""] = command.split(" ");
    const session = this.#sessionOf(page) ?? "";
    this.#world.timeline.for(node.process, 0, () => {
      const socket = node.server?.sockets.sockets.get(session) as unknown as Socket | undefined;
      const note = (told: string) =>
        this.#told.push({ at: this.#world.timeline.now, line: `${node.name} hears of ${id}: ${told}` });
      socket?.delivery.session?.emitWithAck("question", id).then(
        (value: unknown) => note(String(value)),
        (error: unknown) => note((error as Error).message),
      );
    });
  }

  #sessionOf(page: string): string | undefined {
    return [...this.#world.pageOfSession].find(([, name]) => name === page)?.[0];
  }

  async #figures(node: ScriptedNode): Promise<void> {
    const { timeline } = this.#world;
    let told = "";
    timeline.for(node.process, 0, () => {
      void node.server?.delivery.figures().then(({ suspendedSessions, runningHandlers, inboxDepth }) => {
        told = `${node.name}: ${suspendedSessions} sessions suspended, ${runningHandlers} handlers running`;
        told += `, ${inboxDepth} outcomes remembered`;
      });
    });
    await timeline.drive(() => told !== "");
    this.#told.push({ at: timeline.now, line: told });
  }

  #pageDoes(page: ScriptedPage, verb: string, command: string): void {
    const world = this.#world;
    const { timeline } = world;
    if (verb === "emits") this.#emit(page, command);
    else if (verb === "freezes") page.process.frozenUntil = timeline.now + durationOf(command);
    else if (verb === "goes") page.goesTo = command.split(" ").at(-1);
    else if (verb === "answers") this.#answer(page, command.split(" ")[2] ?? "");
    else if (command === `${page.name} forgets its session`)
      timeline.for(page.process, 0, () => page.socket?.delivery.reset());
    else if (command === `${page.name} is reset`) page.link?.reset();
    else if (command === `${page.name} goes silent`) {
      // Half-open: nothing gets through any more, and nobody is told.
      if (page.link !== undefined) page.link.toClient.cut = page.link.toServer.cut = true;
    } else if (verb === "tries") this.#try(page, command.split(" ")[2] ?? "");
    else if (verb === "saves" || verb === "closes") this.#save(page, verb === "closes");
    else throw new Error("nobody knows what this page should do");
  }

  #emit(page: ScriptedPage, command: string): void {
    const [head = "", steps = ""] = command.split(": ");
    const [, , id = "", size = ""] = head.split(" ");
    const { history, timeline } = this.#world;
    const many = /^(\d+)$/.exec(id)?.[1];
    if (many !== undefined) {
      for (let index = 1; index <= Number(many); index++) this.#emit(page, `${page.name} emits f${index}`);
      return;
    }
    timeline.for(page.process, 0, () => {
      const { socket, name } = page;
      if (socket === undefined) return;
      const padding = "x".repeat(Number(/^x(\d+)$/.exec(size)?.[1] ?? 0));
      const event = head.endsWith(" for nobody") ? "nobody" : "do";
      try {
        if (head.includes(" asks")) socket.emit(event, id, steps, padding, () => undefined);
        else socket.emit(event, id, steps, padding);
      } catch (error) {
        const line = `${name} cannot emit ${id}: ${(error as { code?: string }).code}`;
        this.#told.push({ at: timeline.now, line });
        return;
      }
      const { lastSequence: sequence, session } = socket.delivery;
      history.add({ kind: "emit", page: name, session: session?.id ?? "", sequence, id, plan: steps });
    });
  }

  /** `a answers late`: not before it is told to, by `a answers q1`. */
  #answer(page: ScriptedPage, what: string): void {
    const { timeline } = this.#world;
    if (what === "late") page.unanswered ??= new Map();
    else
      timeline.for(page.process, 0, () => {
        try {
          page.unanswered?.get(what)?.();
        } catch (error) {
          const line = `${page.name} cannot answer ${what}: ${(error as { code?: string }).code}`;
          this.#told.push({ at: timeline.now, line });
        }
      });
  }

  /** Emits under a name that may be refused, in each of the ways to emit. */
  #try({ socket, name, process }: ScriptedPage, event: string): void {
    const { timeline } = this.#world;
    const tell = (way: string, error: unknown) => {
      const line = `${name} cannot ${way} ${event}: ${(error as { code?: string }).code}`;
      this.#told.push({ at: timeline.now, line });
    };
    timeline.for(process, 0, () => {
      if (socket === undefined) return;
      const ways = { emit: () => socket.emit(event), "emit volatile": () => socket.volatile.emit(event) };
      for (const [way, run] of Object.entries(ways)) {
        try {
          run();
        } catch (error) {
          tell(way, error);
        }
      }
      socket.emitWithAck(event).catch((error: unknown) => tell("emit and wait for", error));
    });
  }

  /** What a page saves when it goes away; another one can be opened with it, as a reload or as a copy. */
  #save(page: ScriptedPage, closes: boolean): void {
    const { timeline } = this.#world;
    timeline.for(page.process, 0, () => {
      page.listeners.get("pagehide")?.();
      this.#saved.set(page.name, new Map(page.place));
      if (!closes) page.listeners.get("pageshow")?.();
      else {
        page.process.alive = false;
        page.link?.reset();
      }
    });
  }
}

/** What follows `mark` up to the next one: `page a in red blue on n00`, `page a of b`. */
function listOf(words: readonly string[], mark: string): string[] {
  const start = words.indexOf(mark);
  if (start < 0) return [];
  const rest = words.slice(start + 1);
  const end = rest.findIndex((word) => ["in", "on", "of"].includes(word));
  return end < 0 ? rest : rest.slice(0, end);
}
