/** The history of a run in words: pages instead of sessions, rooms instead of stream numbers. */

import type { Fact, History, Line } from "./history.ts";

export class Words {
  /** The page that first had the session. */
  readonly #pages = new Map<string, string>();
  readonly #rooms = new Map<number, string>();
  /** By session or page, and sequence. */
  readonly #events = new Map<string, string>();

  constructor(history: History) {
    for (const { fact } of history.lines) {
      if (fact.kind === "connect" && !this.#pages.has(fact.session)) this.#pages.set(fact.session, fact.page);
      if (fact.kind === "joined") this.#rooms.set(fact.stream, fact.room);
      if (fact.kind === "run") this.#events.set(`${fact.session} ${fact.sequence}`, fact.id);
      if (fact.kind === "appended" && !this.#rooms.has(fact.stream)) this.#rooms.set(fact.stream, fact.key);
    }
  }

  pageOf(session: string): string | undefined {
    return this.#pages.get(session);
  }

  /** A text of a checker, with names for what is random in it. */
  named(text: string): string {
    let named = text;
    for (const [session, page] of this.#pages) named = named.replaceAll(session, `<session of ${page}>`);
    return named.replaceAll(/\b(\d+):(\d+)\b/g, (whole, stream: string, offset: string) => {
      const room = this.#rooms.get(Number(stream));
      return room === undefined ? whole : `${this.#room(Number(stream))} ${offset}`;
    });
  }

  /** Empty where the other lines say the same. */
  of({ fact }: Line): string {
    switch (fact.kind) {
      case "fault":
        return fact.what === "none" ? `-- ${fact.detail} --` : `FAULT ${fact.what}: ${fact.detail}`;
      case "node":
        return `${fact.node} ${nodeWords[fact.what]}`;
      case "wrong":
        return `UNCAUGHT ${fact.what}`;
      case "run":
        return `${fact.node} runs ${fact.id}`;
      case "ran":
        return fact.how === "done" ? "" : `${fact.node} fails in ${fact.id}: ${fact.how}`;
      case "receipt":
      case "frozen":
        return "";
      case "word":
        if (fact.what === "trimmed") return `store: some of what was said to ${fact.node} is gone`;
        return fact.what === "here" ? "" : `${fact.by} says to ${fact.node}: ${fact.what}`;
      case "unpublished":
        return `${fact.node} could not publish ${fact.id}: ${fact.error}`;
      case "asked":
        return `${fact.node} asks ${this.#session(fact.session)}: ${fact.id}`;
      case "answered":
        return `${fact.node} is answered ${fact.id}: ${fact.error || fact.value}`;
      default:
        return "page" in fact ? this.#ofPage(fact) : this.#ofStore(fact);
    }
  }

  #ofPage(fact: Extract<Fact, { page: string }>): string {
    const { page } = fact;
    switch (fact.kind) {
      case "page":
        if (fact.what === "gone") return `${page} is closed`;
        return `${page} is opened${fact.from === "" ? "" : ` with what ${fact.from} saved`}`;
      case "copied":
        return `${page} is duplicated as ${fact.seat}`;
      case "connect":
        return (
          `${page} is connected, ${fact.resumed ? "goes on with its" : "new"} session, ` +
          `generation ${fact.generation}`
        );
      case "disconnect":
        return `${page} notices that its connection is gone: ${fact.reason}`;
      case "emit":
        this.#events.set(`${page} ${fact.sequence}`, fact.id);
        return `${page} emits ${fact.id} as sequence ${fact.sequence}: ${fact.plan}`;
      case "renumbered":
        this.#events.set(`${page} ${fact.to}`, this.#event(page, fact.from));
        return `${page} gives ${this.#event(page, fact.to)} the sequence ${fact.to}, not ${fact.from}`;
      case "settled":
        return (
          `${page} sees the end of ${this.#event(page, fact.sequence)}: ` +
          (fact.error || fact.value || "done")
        );
      case "shown":
        return `${page} is shown ${fact.id} (${this.#room(fact.stream)} ${fact.offset})`;
      case "gap":
        return (
          `${page} is told of a gap (${fact.reason}): ` +
          `${this.#room(fact.stream)} ${fact.from} to ${fact.to}`
        );
      case "refused":
        return `${page} is refused: ${fact.code} ${fact.detail ?? ""}`.trimEnd();
      default:
        return this.#plainly(fact);
    }
  }

  #ofStore(fact: Fact): string {
    switch (fact.kind) {
      case "appended":
        return `store: ${fact.id} is ${this.#room(fact.stream)} ${fact.offset}${
          fact.except.length === 0
            ? ""
            : `, not for ${fact.except.map((who) => this.#session(who)).join(" ")}`
        }`;
      case "recorded":
        return `store: outcome of ${this.#event(fact.session, fact.sequence)}: ${fact.status}`;
      case "resumed":
        return (
          `store: session of ${this.#session(fact.session)} resumed at ${fact.node.slice(0, 3)}, ` +
          `generation ${fact.generation}`
        );
      case "joined":
        return (
          `store: ${this.#session(fact.session)} joins ${fact.room} behind ${fact.base}` +
          (fact.consumer === "" ? "" : ` as ${fact.consumer}`)
        );
      case "left":
        return `store: ${this.#session(fact.session)} leaves ${fact.room}`;
      case "ending":
        return `${fact.node} ends the session of ${this.#session(fact.session)}`;
      case "ended":
        return `store: session of ${this.#session(fact.session)} is over (${fact.why})`;
      case "trimmed":
        return `store: ${this.#room(fact.stream)} begins at ${fact.low}`;
      case "cursor":
        return `store: cursor of ${fact.consumer} in ${this.#room(fact.stream)} is ${fact.offset}`;
      case "rewound":
        return `store: back to ${fact.to} ms, ${fact.lost} writes lost`;
      case "opened":
        return "";
      default:
        return this.#plainly(fact);
    }
  }

  /** For facts that nobody has found words for. */
  #plainly({ kind, ...rest }: Fact): string {
    const parts = Object.entries(rest).map(([name, value]) => `${name}=${String(value)}`);
    return this.named(`${kind} ${parts.join(" ")}`);
  }

  #event(who: string, sequence: number): string {
    return this.#events.get(`${who} ${sequence}`) ?? `sequence ${sequence}`;
  }

  #session(session: string): string {
    return this.#pages.get(session) ?? session;
  }

  #room(stream: number): string {
    const [, name = ""] = /^(?:.*r:)?(.*)$/.exec(this.#rooms.get(stream) ?? "") ?? [];
    const page = this.#pages.get(name);
    if (page !== undefined) return `own room of ${page}`;
    return name === "" || name.endsWith(":") ? `stream ${stream}` : name;
  }
}

const nodeWords = {
  start: "starts",
  crash: "is dead",
  drain: "lets go of its clients",
  closed: "has let go of all its clients",
} as const;
