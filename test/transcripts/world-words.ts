/** The history of a scripted world in words: names instead of identities, rooms instead of stream numbers. */

import type { Line } from "../sim/history.ts";
import type { ScriptedWorld } from "./scripted-world.ts";

export class WorldWords {
  readonly #world: ScriptedWorld;
  readonly #emits = new Map<string, string>();
  readonly #runs = new Map<string, string>();
  readonly #epochs = new Map<string, number>();

  constructor(world: ScriptedWorld) {
    this.#world = world;
  }

  /** Empty where a stranger would learn nothing from it. */
  of({ fact }: Line): string {
    switch (fact.kind) {
      case "connect": {
        if (fact.session === "") return `${fact.page} is connected to a server that gives no session`;
        const how = fact.resumed ? "goes on with its session" : "has a new session";
        return `${fact.page} is connected and ${how}, generation ${fact.generation}`;
      }
      case "disconnect":
        return `${fact.page} has lost its connection: ${fact.reason}`;
      case "emit":
        this.#emits.set(`${fact.page} ${fact.sequence}`, fact.id);
        return "";
      case "settled": {
        const id = this.#emits.get(`${fact.page} ${fact.sequence}`) ?? `event ${fact.sequence}`;
        const end = fact.error === "" ? "acknowledged" : `at its end: ${fact.error}`;
        return `${fact.page} sees ${id} ${end}${fact.value === "" ? "" : ` with ${fact.value}`}`;
      }
      case "shown":
        if (fact.offset === 0) return `${fact.page} is shown ${fact.id}`;
        return `${fact.page} is shown ${fact.id} (${this.#room(fact.stream, fact.session)} ${fact.offset})`;
      case "gap": {
        const { page, session, stream, from, to, reason } = fact;
        return `${page} is told of a gap: ${this.#room(stream, session)} ${from} to ${to}, ${reason}`;
      }
      case "refused":
        return `${fact.page} is refused: ${fact.code}`;
      case "run":
        this.#runs.set(`${fact.session} ${fact.sequence}`, fact.id);
        return `${fact.node} runs ${fact.id} of ${this.#page(fact.session)}`;
      case "ran":
        return fact.how === "done" ? "" : `${fact.node} fails in ${fact.id}: ${fact.how}`;
      case "wrong":
        return `UNCAUGHT ${fact.what}`;
      default:
        return this.#stored(fact);
    }
  }

  /** A packet of Socket.IO, with names for what is random in it. */
  wire(text: string): string {
    let told = text.replace(/epoch\d[\d.]*/g, (epoch) => this.#epoch(epoch));
    for (const [session, page] of this.#world.pageOfSession) told = told.replaceAll(session, `<${page}>`);
    return (
      told
        .replace(/"(n\d\d)[\w-]{12}\.(\d+)"/g, '"<$1>.$2"')
        // Of a stock server: Socket.IO draws from a pool that all worlds of a process share.
        .replace(/"AQEBAQ[\w-]+"/, '"<sid>"')
        .replace(/"pid":"[^"]{30,}"/, '"pid":"<token>"')
        .replace(/"i":"[^"]+"/, '"i":"<life>"')
        .replace(/\\"i\\":\\"[^"\\]+\\"/, '\\"i\\":\\"<life>\\"')
        .replace(/"limits":\{[^}]*\}/, '"limits":{...}')
    );
  }

  /** Epochs by the order in which they are heard of. */
  #epoch(name: string): string {
    const number = this.#epochs.get(name) ?? this.#epochs.size + 1;
    this.#epochs.set(name, number);
    return `E${number}`;
  }

  #stored(fact: Line["fact"]): string {
    switch (fact.kind) {
      case "appended": {
        const room = this.#roomOfKey(fact.key) ?? this.#room(fact.stream);
        return `store has ${fact.id} as ${room} ${fact.offset}`;
      }
      case "recorded": {
        const { session, sequence } = fact;
        const emitted = this.#emits.get(`${this.#page(session)} ${sequence}`);
        const id = this.#runs.get(`${session} ${sequence}`) ?? emitted ?? `event ${sequence}`;
        return `store has the outcome of ${id}: ${fact.status}`;
      }
      case "resumed": {
        const to = `${fact.node.slice(0, 3)}, generation ${fact.generation}`;
        return `store gives the session of ${this.#page(fact.session)} to ${to}`;
      }
      case "joined":
        return `store has ${this.#page(fact.session)} in ${fact.room}, behind ${fact.base}`;
      case "left":
        return `store has ${this.#page(fact.session)} out of ${fact.room}`;
      case "trimmed":
        return `store has let go of ${this.#room(fact.stream)} below ${fact.low}`;
      case "ended":
        return `store has the session of ${this.#page(fact.session)} ${fact.why}`;
      case "rewound":
        return `store stands where it stood at ${(fact.to / 1_000).toFixed(3)} s`;
      default:
        return "";
    }
  }

  #page(session: string): string {
    return this.#world.pageOfSession.get(session) ?? "a client";
  }

  /**
   * A number may stand for several rooms where the store has gone back in time: the session's own comes
   * first.
   */
  #room(stream: number, session?: string): string {
    const { history } = this.#world;
    const joined = history.of("joined").filter((fact) => fact.stream === stream);
    const known = joined.findLast((fact) => fact.session === session) ?? joined[0];
    if (known !== undefined) return known.room;
    const opened = history.of("opened").find((fact) => fact.stream === stream);
    if (opened !== undefined) return "everyone";
    const key = history.of("appended").find((fact) => fact.stream === stream)?.key ?? "";
    return this.#roomOfKey(key) ?? "";
  }

  #roomOfKey(key: string): string | undefined {
    if (!key.includes("/r:")) return undefined;
    const room = key.replace(/^.*\/r:/, "");
    const page = this.#world.pageOfSession.get(room);
    return page === undefined ? room : `${page}'s own`;
  }
}
