/**
 * One stream as this node sees it: the sequencer that puts its entries in order, and the members that live on
 * them. Exists only while the node has members of the stream.
 */

import { cutText } from "../protocol/cut-text.ts";
import { entryText, serverFrame, skipText } from "../protocol/frames.ts";
import { type Delivered, MemberFeed, type FeedOutput } from "../protocol/member-feed.ts";
import { StreamSequencer, type SequencerOutput } from "../protocol/sequencer.ts";
import type { CommittedEntry, Entry, StreamHead } from "../store/port.ts";
import { SharedPacket, type Connection } from "./connection.ts";
import type { StreamHost } from "./stream-host.ts";

export class NodeStream {
  readonly id: number;
  readonly key: string;
  readonly room: string;
  readonly host: StreamHost;
  readonly sequencer: StreamSequencer<CommittedEntry>;
  readonly members = new Set<Member>();

  constructor(
    host: StreamHost,
    head: { readonly stream: number; readonly key: string; readonly epoch: string; readonly head: number },
    room: string,
  ) {
    this.host = host;
    this.id = head.stream;
    this.key = head.key;
    this.room = room;
    this.sequencer = new StreamSequencer({
      epoch: head.epoch,
      delivered: head.head,
      heldLimit: heldEntriesLimit,
    });
  }

  get delivered(): Delivered {
    return { epoch: this.sequencer.epoch, offset: this.sequencer.delivered };
  }

  /**
   * The storage has gone back to before this stream began, and its number may stand for another room now.
   * What its members are members of is for the store to say, when they resume.
   */
  lose(): void {
    for (const member of this.members) {
      member.connection.members.delete(this.id);
      member.detach();
      member.connection.refuse(serverFrame.error("store_unavailable", "a stream is gone from the storage"));
    }
    this.host.released(this);
  }

  /** Takes entries of this stream that the store has committed, and delivers what is next. */
  handleCommitted(entries: readonly CommittedEntry[]): void {
    const [first] = entries;
    if (first !== undefined && entries.length === 1) {
      this.#carryOut(this.sequencer.handleCommitted(first));
      return;
    }
    // A batch usually comes out of the sequencer entry by entry, and goes to the members in one frame.
    let run: CommittedEntry[] = [];
    for (const entry of entries) {
      for (const output of this.sequencer.handleCommitted(entry)) {
        if (output.kind === "deliver") run.push(...output.entries);
        else {
          this.#deliver(run);
          run = [];
          this.#carryOut([output]);
        }
      }
    }
    this.#deliver(run);
  }

  /** Compares with the head that the store has, to find lost announcements. */
  handleHead(head: StreamHead): void {
    this.#carryOut(this.sequencer.handleHead(head));
  }

  release(member: Member): void {
    this.members.delete(member);
    if (this.members.size === 0) this.host.released(this);
  }

  #carryOut(outputs: readonly SequencerOutput<CommittedEntry>[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case "deliver":
          this.#deliver(output.entries);
          break;
        case "fetch":
          void this.#fetch(output.after);
          break;
        case "skip":
          this.#skip(output);
          break;
      }
    }
  }

  /**
   * Where the storage has gone back in time it may have lost more than entries: who is a member of what, and
   * whole sessions. So after a reset all members resume, which asks the storage for that.
   */
  #skip({ epoch, from, to, reason }: Extract<SequencerOutput<CommittedEntry>, { kind: "skip" }>): void {
    for (const member of this.members) {
      const { feed, connection } = member;
      const isLevel = !feed.live && feed.epoch === epoch && feed.sent <= to;
      member.carryOut(feed.handleSkipped(epoch, from, to, reason));
      if (reason === "reset" && !isLevel) {
        connection.refuse(serverFrame.error("store_unavailable", "the storage has gone back in time"));
      }
    }
  }

  async #fetch(after: number): Promise<void> {
    try {
      const page = await this.host.read(this.id, after);
      if (page.head?.key !== this.key) return this.lose();
      const { epoch } = page.head ?? { epoch: "" };
      const entries = page.entries.map((entry) => ({ ...entry, key: this.key, epoch }));
      this.#carryOut(this.sequencer.handlePage({ head: page.head, entries }));
    } catch (error) {
      this.sequencer.handleFetchFailed();
      this.host.readFailed(error);
    }
  }

  /**
   * One commit can bring megabytes: in pages they hold up no heartbeat, and a slow member leaves after the
   * first.
   */
  #deliver(entries: readonly CommittedEntry[]): void {
    let start = 0;
    let characters = 0;
    for (const [index, { payload }] of entries.entries()) {
      characters += payload.length;
      if (characters < packetCharacters && index < entries.length - 1) continue;
      this.#deliverPage(entries.slice(start, index + 1));
      start = index + 1;
      characters = 0;
    }
  }

  /**
   * Writes entries to every live member: one frame for all, and one of their own for those that some exclude.
   */
  #deliverPage(entries: readonly CommittedEntry[]): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    for (const entry of entries) this.host.deliverStock(this.room, entry);
    if (this.members.size === 0) return;
    const large = entries.some((entry) => isLarge(entry, this.host.chunkCharacters));
    const excluded = this.#excludedSessions(entries);
    const frame = () => serverFrame.entries(this.id, entries.map(entryText).join(","));
    let packet: SharedPacket | undefined;
    for (const member of this.members) {
      if (!member.feed.live) continue;
      const { sent } = member.feed;
      // A large entry is sent in parts, at the pace of each connection, so everyone reads it from the log.
      const now = member.feed.handleDelivered(last.offset, !large && member.connection.takesMore);
      if (!now) {
        if (!member.feed.live) member.proceedSoon();
        if (!member.feed.live && !large) this.host.meter?.limitHit("connection_buffer");
        continue;
      }
      // A member may have joined at a head that this node had not reached: what lies in front is not for it.
      const isAhead = sent >= (entries[0] as CommittedEntry).offset;
      const ahead = isAhead ? entries.filter(({ offset }) => offset > sent) : entries;
      member.announce(ahead[0] as CommittedEntry);
      if (isAhead || excluded?.has(member.session) === true) member.write(ahead);
      else {
        packet ??= new SharedPacket(this.host.namespace, frame());
        member.connection.writeShared(packet);
      }
      // An entry of this node's own that stood behind a hole comes out live, long after its publisher began
      // to wait.
      member.releaseWaiters();
    }
  }

  #excludedSessions(entries: readonly CommittedEntry[]): Set<string> | undefined {
    let sessions: Set<string> | undefined;
    for (const { except } of entries) {
      if (except === undefined) continue;
      sessions ??= new Set();
      for (const session of this.host.excluded(except)) sessions.add(session);
    }
    return sessions;
  }
}

/** One connection's membership of one stream. */
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
    for (const entry of entries) {
      const text = this.#textOf(entry);
      if (texts.length > 0 && characters + text.length > packetCharacters) {
        this.#writePacket(texts);
        texts = [];
        characters = 0;
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
      if (page.head?.key !== stream.key) return stream.lose();
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
    return entry.except?.some(isIn) === true ? skipText(entry.offset) : entryText(entry);
  }

  #sendParts(entry: Entry, from: number, until: number): void {
    const { stream, connection } = this;
    const text = this.#textOf(entry);
    // A client that has more than there is has another text, and begins anew.
    let at = from < text.length ? from : 0;
    for (const end of cutText(text, stream.host.chunkCharacters, at).slice(1)) {
      if (!connection.takesMore || at >= until) break;
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

function isLarge(entry: { readonly payload: string }, chunkCharacters: number): boolean {
  return entry.payload.length > chunkCharacters;
}

/** Entries that arrived early are held up to here; the rest is fetched again when its turn comes. */
export const heldEntriesLimit = 1_024;
/** Empty pages in a row after which the next read waits. */
const emptyReadsMax = 3;
/**
 * Entries of one packet; one larger entry makes a packet of its own. A packet arrives as a whole or not at
 * all, and a client gives up a link that shows no sign of life for 14 s: larger ones would never get over a
 * slow link.
 */
const packetCharacters = 32_768;
/** After a failed read of the log, when the store gives no other sign. */
const readRetryMs = 1_000;
