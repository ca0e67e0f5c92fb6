/**
 * The chat: rooms with history, direct messages with a mailbox, names. Every handler validates, acts and
 * returns.
 */

import type { Server, Socket } from "holdfast";
import { Allowances } from "./allowance.ts";
import { ChatError } from "./chat-error.ts";
import { limits, parseBefore, parseMessage, parseName, parseRoom, parseSecret } from "./input.ts";
import type { Names } from "./names.ts";
import { Presence } from "./presence.ts";

export class Chat {
  readonly #io: Server;
  readonly #names: Names;
  readonly #presence: Presence;
  readonly #sending = new Allowances({ burst: 120, perSecond: 5 });
  readonly #asking = new Allowances({ burst: 120, perSecond: 10 });

  constructor(io: Server, names: Names) {
    this.#io = io;
    this.#names = names;
    this.#presence = new Presence(io, (user) => names.nameOf(user));
  }

  attach(): void {
    // Runs at every connect and every resume. The principal binds the session to this user.
    this.#io.use((socket, next) => {
      try {
        socket.data.principal = parseSecret(socket.handshake.auth["secret"]);
        next();
      } catch (error) {
        next(error instanceof Error ? error : new Error(String(error)));
      }
    });
    this.#io.on("connection", (socket) => {
      const handlers: Record<string, (socket: Socket, input: unknown) => Promise<unknown>> = {
        hello: this.#hello,
        claim_name: this.#claimName,
        find: this.#find,
        join: this.#join,
        leave: this.#leave,
        say: this.#say,
        direct: this.#direct,
        history: this.#history,
      };
      for (const [event, handle] of Object.entries(handlers)) {
        // What a handler throws travels to the caller, and to nobody else.
        socket.on(event, async (input: unknown, ack?: unknown) => {
          const reply = await handle(socket, input);
          if (typeof ack === "function") ack(reply);
        });
      }
      this.#announce(socket);
      socket.on("disconnecting", () => this.#announce(socket));
    });
  }

  /**
   * The first event of a page: who one is. From here on direct messages arrive, those of the time away first.
   */
  readonly #hello = async (socket: Socket, _input: unknown): Promise<object> => {
    const user: string = socket.data.principal;
    await socket.join(mailboxOf(user), { cursor: mailboxOf(user), show: true });
    return { user, name: await this.#names.nameOf(user), mailbox: mailboxOf(user), rooms: roomsOffered };
  };

  readonly #claimName = async (socket: Socket, input: unknown): Promise<object> => {
    const user: string = socket.data.principal;
    this.#asking.take(user, performance.now());
    const name = parseName(input);
    await this.#names.claim(name, user);
    this.#announce(socket);
    return { name };
  };

  /** Whom a direct message to this name would reach. */
  readonly #find = async (socket: Socket, input: unknown): Promise<Person> => {
    const user: string = socket.data.principal;
    this.#asking.take(user, performance.now());
    const person = await this.#personCalled(parseName(input));
    if (person.user === user) throw new ChatError("not_to_yourself", "That is your own name.");
    return person;
  };

  /**
   * Newcomers get the latest entries first, as ordinary events. Members of old have them, or ask for
   * `history`.
   */
  readonly #join = async (socket: Socket, input: unknown): Promise<object> => {
    const room = parseRoom(input);
    this.#asking.take(socket.data.principal, performance.now());
    const isNew = !socket.rooms.has(streamOf(room));
    if (isNew) {
      if (roomsOf(socket).length >= limits.roomsMax) {
        throw new ChatError("rooms_used_up", `You are in ${limits.roomsMax} rooms; leave one first.`);
      }
      await socket.join(streamOf(room), { last: limits.historyEntriesMax, show: true });
    }
    this.#presence.changed(room, streamOf(room));
    const { low, head } = await this.#io.delivery.read(streamOf(room), { limit: 1 });
    return { room, stream: streamOf(room), low, head, isNew };
  };

  readonly #leave = async (socket: Socket, input: unknown): Promise<object> => {
    const room = parseRoom(input);
    await socket.leave(streamOf(room));
    this.#presence.changed(room, streamOf(room));
    return { room };
  };

  /**
   * The receipt's offset is the proof that the message is stored, and goes back to the writer. Rooms are open
   * to everyone, so that writing asks for no membership: what waited in the outbox of a session that was lost
   * arrives before the new session has joined.
   */
  readonly #say = async (socket: Socket, input: unknown): Promise<object> => {
    const room = parseRoom(input);
    const { id, text } = parseMessage(input);
    const from = await this.#writer(socket);
    this.#sending.take(from.user, performance.now());
    const { offset } = await this.#io
      .to(streamOf(room))
      .publish("message", { id, room, from, text, at: Date.now() });
    return { offset };
  };

  /**
   * Two copies: one into the mailbox of the addressee, online or not, and one into the writer's own. A crash
   * between the two makes the handler run again, and the idempotency key that each publish carries keeps the
   * first copy single.
   */
  readonly #direct = async (socket: Socket, input: unknown): Promise<object> => {
    const addressee = parseName({ name: (input as { to?: unknown } | null)?.to });
    const { id, text } = parseMessage(input);
    const from = await this.#writer(socket);
    const to = await this.#personCalled(addressee);
    if (to.user === from.user) throw new ChatError("not_to_yourself", "That is your own name.");
    this.#sending.take(from.user, performance.now());
    const message = { id, from, text, at: Date.now() };
    await this.#io.to(mailboxOf(to.user)).publish("direct", { ...message, peer: from });
    const { offset } = await this.#io.to(mailboxOf(from.user)).publish("direct", { ...message, peer: to });
    return { offset };
  };

  /** A page of what came before: of a room one is in, or of one's own mailbox. */
  readonly #history = async (socket: Socket, input: unknown): Promise<object> => {
    const user: string = socket.data.principal;
    this.#asking.take(user, performance.now());
    const isMailbox = (input as { mailbox?: unknown } | null)?.mailbox === true;
    const stream = isMailbox ? mailboxOf(user) : streamOf(parseRoom(input));
    const before = parseBefore(input);
    if (!socket.rooms.has(stream)) throw new ChatError("not_in_room", "You are not in this room.");
    const page = await this.#io.delivery.read(stream, {
      limit: limits.historyEntriesMax,
      // Without a bound the latest page is meant.
      before: before ?? Number.MAX_SAFE_INTEGER,
    });
    const wanted = isMailbox ? "direct" : "message";
    const entries = page.entries.filter(({ event }) => event === wanted);
    return {
      low: page.low,
      head: page.head,
      entries: entries.map(({ offset, args }) => ({ offset, message: args[0] })),
    };
  };

  async #personCalled(name: string): Promise<Person> {
    const user = await this.#names.userOf(name);
    if (user === undefined) throw new ChatError("name_unknown", `Nobody here is called ${name}.`);
    return { user, name: (await this.#names.nameOf(user)) ?? name };
  }

  async #writer(socket: Socket): Promise<Person> {
    const user: string = socket.data.principal;
    const name = await this.#names.nameOf(user);
    if (name === undefined) throw new ChatError("name_missing", "Choose a name before you write.");
    return { user, name };
  }

  #announce(socket: Socket): void {
    for (const stream of roomsOf(socket)) this.#presence.changed(stream.slice(roomPrefix.length), stream);
  }
}

// Prefixes keep what users type apart from mailboxes and from session ids, which are rooms as well.
const roomPrefix = "room:";
const streamOf = (room: string): string => `${roomPrefix}${room}`;
const mailboxOf = (user: string): string => `user:${user}`;
const roomsOf = (socket: Socket): string[] => [...socket.rooms].filter((name) => name.startsWith(roomPrefix));

/** What a first visit finds; anybody makes more by joining them. */
const roomsOffered = ["lobby", "ideas", "help"];

// --- types ---

type Person = { readonly user: string; readonly name: string };
