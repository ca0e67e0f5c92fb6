/** A page: a process with one client, its user, and what the browser keeps for it over a reload. */

import { io, type Socket } from "../../src/client/index.ts";
import { padding, plans } from "./application.ts";
import { codeOf } from "./error-code.ts";
import type { History } from "./history.ts";
import type { Plan } from "./plan.ts";
import type { Seeded } from "./seeded.ts";
import { pageTransport, type Dialer } from "./transports.ts";
import type { Process } from "./virtual-time.ts";

/** The tab's storage, as far as a page keeps something there. */
export type Place = Map<string, string>;

export type PageOptions = {
  readonly name: string;
  /** Stays the same when the page is loaded again, or duplicated. */
  readonly userName: string;
  readonly owner: Process;
  readonly dialer: Dialer;
  readonly history: History;
  readonly random: Seeded;
  /** Of who sits before the page, and goes on when it is loaded again. */
  readonly user: Seeded;
  readonly plan: Plan;
  readonly place: Place | undefined;
  /** Undefined when nothing is to be emitted. */
  readonly nextId: () => string | undefined;
};

export class Page {
  readonly name: string;
  readonly owner: Process;
  readonly place: Place | undefined;
  readonly #options: PageOptions;
  readonly #listeners = new Map<string, () => void>();
  readonly socket: Socket;

  /** Has to be called as the page's process. */
  constructor(options: PageOptions) {
    this.#options = options;
    this.name = options.name;
    this.owner = options.owner;
    this.place = options.place;
    this.socket = this.#inBrowser(() => this.#connect());
    this.#listen();
    this.#emitSoon();
  }

  get pending(): number {
    return this.socket.delivery.pending;
  }

  /** The page goes away; what it saves it saves now. */
  hide(): void {
    this.#listeners.get("pagehide")?.();
  }

  /** What a duplicated tab gets of this one: all that it would keep over a reload. */
  copyPlace(): Place | undefined {
    if (this.place === undefined) return undefined;
    this.hide();
    const copy = new Map(this.place);
    this.#listeners.get("pageshow")?.();
    return copy;
  }

  /** Emits what nobody listens for, which waits a moment at the server before it is rejected. */
  emitUnheard(id: string): void {
    const { history } = this.#options;
    const { socket, name: page } = this;
    try {
      socket.emit("nobody", id, "plain", "");
    } catch {
      return;
    }
    const { session, lastSequence: sequence } = socket.delivery;
    history.add({ kind: "emit", page, session: session?.id ?? "", sequence, id, plan: "nobody" });
  }

  #connect(): Socket {
    const { dialer, random, place } = this.#options;
    const persist = place && {
      load: (key: string) => place.get(key) ?? null,
      save: (key: string, text: string) => void place.set(key, text),
      remove: (key: string) => void place.delete(key),
    };
    return io("http://simulated", {
      forceNew: true,
      transports: [pageTransport(dialer)] as never,
      auth: this.#auth(),
      reconnectionDelay: random.pick([50, 500]),
      reconnectionDelayMax: random.pick([500, 5_000]),
      delivery: {
        outboxLimit: this.#options.plan.usage.outboxLimit,
        acknowledgeDelayMs: random.pick([10, 1_000]),
        ...(persist === undefined ? {} : { persist }),
      },
    });
  }

  /**
   * What the application makes of it is in `application.ts`: rooms that the page joins at every connection.
   */
  #auth(): object {
    const { random, plan, userName } = this.#options;
    const { mailboxes, sharedCursor, history, quiet } = plan.usage;
    const room = random.chance(0.8) ? { room: random.pick(plan.rooms) } : {};
    const from =
      history && random.chance(0.7)
        ? { from: random.pick(["last", "after"]), count: random.whole(0, 8) }
        : {};
    const mailbox = random.chance(0.7) && mailboxes.length > 0 ? random.pick(mailboxes) : undefined;
    const consumer = sharedCursor ? "all" : userName;
    const mail = mailbox === undefined ? {} : { mailbox, consumer };
    return { user: userName, ...room, ...from, ...mail, quiet: quiet && random.chance(0.5) };
  }

  /** The client looks for a document while it connects, and keeps what it registers there. */
  #inBrowser<T>(run: () => T): T {
    const scope = globalThis as Record<string, unknown>;
    const addEventListener = (event: string, listener: () => void) => this.#listeners.set(event, listener);
    const removeEventListener = () => undefined;
    scope["document"] = { visibilityState: "visible", addEventListener, removeEventListener };
    Object.assign(scope, { addEventListener, removeEventListener });
    try {
      return run();
    } finally {
      for (const name of ["document", "addEventListener", "removeEventListener"]) delete scope[name];
    }
  }

  #listen(): void {
    const { socket, name: page } = this;
    const { history } = this.#options;
    const session = () => socket.delivery.session?.id ?? "";
    socket.on("connect", () => {
      const { id = "", generation = 0 } = socket.delivery.session ?? {};
      history.add({ kind: "connect", page, session: id, resumed: socket.recovered, generation });
    });
    socket.on("disconnect", (reason: string) => {
      history.add({ kind: "disconnect", page, reason });
      // As in Socket.IO, whoever was sent away comes back only when asked to.
      if (reason === "io server disconnect") setTimeout(() => socket.connect(), 500);
    });
    socket.on("flash", (id: string) => history.add({ kind: "flashed", at: page, id }));
    const show = (id: string, aside: string) => {
      const { stream = 0, offset = 0 } = socket.delivery.entry ?? {};
      history.add({ kind: "shown", page, session: session(), stream, offset, id, aside });
    };
    socket.on("note", (id: string) => show(id, ""));
    socket.on("question", (id: string, how: string, answer: Answer) => {
      show(id, "question");
      const thanked = (value: string) => history.add({ kind: "thanked", page, id, value });
      answerSoon(() => (how === "thank" ? answer(`answer:${id}`, thanked) : answer(`answer:${id}`)));
    });
    socket.delivery.on("gap", ({ stream, from, to, reason }) =>
      history.add({ kind: "gap", page, session: session(), stream, from, to, reason }),
    );
    socket.delivery.on("renumbered", ({ from, to }) =>
      history.add({ kind: "renumbered", page, session: session(), from, to }),
    );
    socket.delivery.on("refused", ({ code, detail }) =>
      history.add({ kind: "refused", page, session: session(), code, detail }),
    );
    socket.delivery.on("settled", ({ sequence, error, values }) =>
      history.add({
        kind: "settled",
        page,
        session: session(),
        sequence,
        error: error === undefined ? "" : codeOf(error),
        value: typeof values[0] === "string" ? values[0] : "",
      }),
    );
  }

  #emitSoon(): void {
    const { user, plan } = this.#options;
    const every = plan.durationMs / plan.eventsPerPage;
    setTimeout(() => {
      const burst = user.chance(0.2) ? user.whole(2, 8) : 1;
      for (let index = 0; index < burst; index++) this.#emit();
      this.#emitSoon();
    }, 1 + user.waiting(every, plan.durationMs));
  }

  #emit(): void {
    const { user, plan, history, nextId } = this.#options;
    const id = nextId();
    if (id === undefined) return;
    const random = user.named(id);
    const { socket } = this;
    const { signsOut } = plan.usage;
    if (signsOut && random.chance(0.03)) this.#reset();
    if (random.chance(0.05)) this.#flash(`${id}v`);
    const picked = signsOut && random.chance(0.03) ? "signout" : random.pick(plans);
    // Long enough to come back to another node meanwhile.
    const kind = random.named("long").chance(0.06) ? "long" : picked;
    const { mailboxes } = plan.usage;
    const isMail = mailboxes.length > 0 && kind === "mail:";
    const what = kind.endsWith(":") ? kind + random.pick(isMail ? mailboxes : plan.rooms) : kind;
    const text = random.chance(plan.large) ? "y".repeat(random.whole(300, 20_000)) : padding(random);
    const aside = random.chance(plan.aside);
    const wantsReply = kind === "hang" || random.chance(0.7);
    const emitter = aside ? socket.delivery.aside() : socket;
    const isTimed = random.chance(plan.deadlines);
    const timed = isTimed ? emitter.timeout(random.whole(50, 5_000)) : emitter;
    const event = random.chance(0.03) ? "nobody" : "do";
    let untaken = "";
    const take = (error: unknown) => {
      if (error instanceof Error) untaken = codeOf(error);
    };
    // `settled` tells how it ended; the callback is here so that a reply is asked for.
    const args = wantsReply ? [id, what, text, take] : [id, what, text];
    const { pending } = this;
    try {
      timed.emit(event, ...args);
    } catch (error) {
      untaken = codeOf(error);
    }
    if (untaken !== "") {
      history.add({ kind: "untaken", page: this.name, id, error: untaken, pending, characters: text.length });
      return;
    }
    const { eventCharactersLimit } = plan.usage.delivery;
    const excess = JSON.stringify([event, id, what, text]).length - eventCharactersLimit;
    const marks = [
      aside && "aside",
      wantsReply && "reply",
      isTimed && "deadline",
      excess > frameCharacters && "oversize",
      excess > 0 && excess <= frameCharacters && "borderline",
    ].filter(Boolean);
    history.add({
      kind: "emit",
      page: this.name,
      session: socket.delivery.session?.id ?? "",
      sequence: socket.delivery.lastSequence,
      id,
      plan: [event === "nobody" ? event : what, ...marks].join(" "),
    });
  }

  #reset(): void {
    this.#options.history.add({ kind: "reset", page: this.name });
    this.socket.delivery.reset();
  }

  #flash(id: string): void {
    this.#options.history.add({ kind: "flash", by: this.name, id });
    this.socket.volatile.emit("flash", id);
  }
}

type Answer = (value: string, thanked?: (value: string) => void) => void;

/** As long as there is no room for an answer in the outbox, it is given a little later. */
function answerSoon(answer: () => void): void {
  try {
    answer();
  } catch (error) {
    if (codeOf(error) !== "outbox_full") throw error;
    setTimeout(() => answerSoon(answer), 100);
  }
}

/**
 * A server that is sent an event by a client which did not know the limit leaves this for what is around it.
 */
const frameCharacters = 1_024;
