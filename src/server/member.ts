/**
 * One connection's membership of one stream at this node: what its feed has decided is written to the
 * connection, and what it wants to read is read from the log.
 */

import { cutAfter } from "../protocol/cut-text.ts";
import { entryText, serverFrame, skipText } from "../protocol/frames.ts";
import { carriedOver } from "../protocol/history.ts";
import { MemberFeed, type FeedOutput } from "../protocol/member-feed.ts";
import type { Entry } from "../store/port.ts";
import type { Connection } from "./connection.ts";
import type { NodeStream } from "./node-stream.ts";

export class Member {
  readonly connection: Connection;
  readonly session: string;
  readonly stream: NodeStream;
  readonly feed: MemberFeed<Entry>;
  readonly room: string;
  /** The consumer whose cursor follows this client's acknowledgements; undefined for ordinary rooms. */
  readonly consumer: string | undefined;
  /** Whether the client knows the stream, and from where it counts. */
  announced: boolean;
  /** Frames that must come after the entry with this offset. */
  readonly waiters: { readonly offset: number; readonly release: () => void }[] = [];
  /** The session's rooms by name, as they are at delivery, and still when the session is about to end. */
  readonly #memberships: ReadonlyMap<string, unknown>;
  #detached = false;
  /** Pages in a row that brought nothing. */
  #emptyReads = 0;

  constructor(options: {
    readonly connection: Connection;
    readonly session: string;
    readonly memberships: ReadonlyMap<string, unknown>;
    readonly stream: NodeStream;
    readonly epoch: string;
    readonly sent: number;
    readonly part: number;
    readonly live: boolean;
    readonly shownRoom: string;
    readonly consumer: string | undefined;
    readonly announced: boolean;
  }) {
    this.connection = options.connection;
    this.session = options.session;
    this.#memberships = options.memberships;
    this.stream = options.stream;
    this.room = options.shownRoom;
    this.consumer = options.consumer;
    this.announced = options.announced;
    const { epoch, sent, part, live } = options;
    const windowCharacters = options.stream.host.partsWindowCharacters;
    this.feed = new MemberFeed({ epoch, sent, part, live, windowCharacters });
    this.stream.members.add(this);
    this.connection.members.set(this.stream.id, this);
  }

  /** Ends the membership on this node: a page that is still being read is not written any more. */
  detach(): void {
    this.#detached = true;
    this.stream.release(this);
    for (const { release } of this.waiters.splice(0)) release();
  }

  /** Sends the client away, to come back and be told where it stands. */
  resume(): void {
    this.connection.members.delete(this.stream.id);
    this.detach();
    this.connection.refuse(serverFrame.error("store_unavailable", "the storage has another history"));
  }

  /** Tells the client of the stream before its first entry. */
  announce(next: { readonly offset: number }, epoch = this.feed.epoch): void {
    if (this.announced) return;
    this.announced = true;
    const { room, stream } = this;
    const offset = next.offset - 1;
    const prompt = this.consumer !== undefined;
    this.connection.queue(serverFrame.open({ stream: stream.id, epoch, offset, room, prompt }));
  }

  /** Reads on from the log when the connection takes more. */
  proceed(): void {
    this.carryOut(this.feed.handleWritable());
  }

  proceedSoon(): void {
    this.connection.wakeOnDrain();
  }

  /** Calls back once the entry with this offset has been written to the connection, or never will be. */
  after(offset: number, release: () => void): void {
    if (this.feed.sent >= offset || this.connection.closed) release();
    else this.waiters.push({ offset, release });
  }

  /** Writes entries in a packet of their own; those that the session is excluded from only as an offset. */
  write(entries: readonly Entry[]): void {
    let texts: string[] = [];
    let characters = 0;
    let charactersMost = this.connection.nextPacketCharacters(packetCharacters);
    for (const entry of entries) {
      const text = this.#textOf(entry);
      if (texts.length > 0 && characters + text.length > charactersMost) {
        this.#writePacket(texts);
        texts = [];
        characters = 0;
        charactersMost = this.connection.nextPacketCharacters(packetCharacters);
      }
      texts.push(text);
      characters += text.length;
    }
    this.#writePacket(texts);
  }

  #writePacket(texts: readonly string[]): void {
    this.connection.queue(serverFrame.entries(this.stream.id, texts.join(",")));
    this.connection.flush();
  }

  carryOut(outputs: readonly FeedOutput<Entry>[]): void {
    if (this.connection.closed) return;
    for (const output of outputs) {
      switch (output.kind) {
        case "read":
          void this.#read(output.after);
          break;
        case "send":
          this.announce(output.entries[0] as Entry);
          this.write(output.entries);
          break;
        case "sendParts":
          this.announce(output.entry);
          this.#sendParts(output.entry, output.from, output.until);
          break;
        case "gap":
          this.stream.host.meter?.gap(output.reason);
          if (output.reason === "reset" && this.stream.room === this.session) {
            this.stream.host.questionsLost(this.session);
          }
          // In the new epoch the client would take the gap for one that it knows.
          this.announce({ offset: output.from }, output.reason === "reset" ? "" : output.epoch);
          this.connection.queue(
            serverFrame.gap(this.stream.id, output.epoch, output.from, output.to, output.reason),
          );
          break;
      }
    }
    this.releaseWaiters();
  }

  async #read(after: number): Promise<void> {
    const { stream } = this;
    try {
      const page = await stream.host.read(stream.id, after);
      if (this.connection.closed || this.#detached) return;
      if (page.head?.key !== stream.key || stream.isOver(page.head)) return stream.lose();
      // It was fed from a head that was read before the history changed.
      const { feed } = this;
      if (carriedOver(page.head, { epoch: feed.epoch, offset: feed.sent }).epoch !== feed.epoch) {
        return this.resume();
      }
      const large = (entry: Entry) => isLarge(entry, stream.host.chunkCharacters);
      const outputs = this.feed.handlePage(page, stream.delivered, large);
      this.#emptyReads = outputs.length === 0 ? this.#emptyReads + 1 : 0;
      this.carryOut(outputs);
      // The member has seen the log change its history before the node has.
      if (page.head !== undefined && (page.head.epoch !== stream.delivered.epoch || page.head.head < after)) {
        stream.handleHead(page.head);
      }
    } catch (error) {
      this.feed.handleReadFailed();
      stream.host.readFailed(error);
      setTimeout(() => this.proceedSoon(), readRetryMs).unref();
      return;
    }
    if (this.feed.live) return;
    // A page may be older than what the node has delivered since; one that stays empty must not be read
    // without end.
    if (this.#emptyReads <= emptyReadsMax) this.proceedSoon();
    else setTimeout(() => this.proceedSoon(), readRetryMs).unref();
  }

  #textOf(entry: Entry): string {
    const isIn = (room: string) => room === this.session || this.#memberships.has(room);
    if (entry.except?.some(isIn) === true) return skipText(entry.offset);
    return isLarge(entry, this.stream.host.chunkCharacters) ? largeText(entry) : entryText(entry);
  }

  #sendParts(entry: Entry, from: number, until: number): void {
    const { stream, connection } = this;
    const text = this.#textOf(entry);
    // A client that has more than there is has another text, and begins anew.
    let at = from < text.length ? from : 0;
    while (connection.takesMore && at < Math.min(until, text.length)) {
      const end = cutAfter(text, connection.nextPacketCharacters(stream.host.chunkCharacters), at);
      connection.queue(serverFrame.part(stream.id, entry.offset, at, text.length, text.slice(at, end)));
      connection.flush();
      at = end;
    }
    this.feed.handleParts(at, text.length, stream.delivered);
    if (!this.feed.live) this.proceedSoon();
  }

  /** Lets go on who waited for what has been written by now. */
  releaseWaiters(): void {
    if (this.waiters.length === 0) return;
    const ready = this.waiters.filter(({ offset }) => offset <= this.feed.sent);
    if (ready.length === 0) return;
    const rest = this.waiters.filter(({ offset }) => offset > this.feed.sent);
    this.waiters.splice(0, this.waiters.length, ...rest);
    for (const { release } of ready) release();
  }
}

/**
 * Copied together once for all parts and all members: 20 MB take a tenth of a second, and go out in 40
 * windows.
 */
function largeText(entry: Entry): string {
  const known = largeTexts.get(entry);
  if (known !== undefined) return known;
  const text = entryText(entry);
  largeTexts.set(entry, text);
  return text;
}

/** Forgotten with the entry, which the feeds that send it hold. */
const largeTexts = new WeakMap<Entry, string>();

/** Larger entries are sent in parts, at the pace of each connection. */
export function isLarge(entry: { readonly payload: string }, chunkCharacters: number): boolean {
  return entry.payload.length > chunkCharacters;
}

/**
 * Entries of one packet; one larger entry makes a packet of its own. A packet arrives as a whole or not at
 * all, and a client gives up a link that shows no sign of life for 14 s: larger ones would never get over a
 * slow link.
 */
export const packetCharacters = 32_768;
/** Empty pages in a row after which the next read waits. */
const emptyReadsMax = 3;
/** After a failed read of the log, when the store gives no other sign. */
const readRetryMs = 1_000;
