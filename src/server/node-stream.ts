/**
 * One stream as this node sees it: the sequencer that puts its entries in order, and the members that live on
 * them. Exists only while the node has members of the stream.
 */

import { entryText, serverFrame } from "../protocol/frames.ts";
import type { Delivered } from "../protocol/member-feed.ts";
import { StreamSequencer, type SequencerOutput } from "../protocol/sequencer.ts";
import type { CommittedEntry, StreamHead } from "../store/port.ts";
import { SharedPacket } from "./connection.ts";
import { isLarge, type Member, packetCharacters } from "./member.ts";
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
   * The storage has gone back to before this stream began, and its number may stand for another room now; or
   * it tells the stream's history as another one, of which each member may have seen more than is left. What
   * they are members of, and where they stand there, is for the store to say, when they resume.
   */
  lose(): void {
    for (const member of this.members) member.resume();
    this.host.released(this);
  }

  /** Whether the storage knows this node's epoch for an earlier one. */
  isOver({ epoch, earlier }: StreamHead): boolean {
    return epoch !== this.sequencer.epoch && earlier !== undefined;
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
    if (this.isOver(head)) return this.lose();
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
      if (page.head?.key !== this.key || this.isOver(page.head)) return this.lose();
      const { epoch } = page.head;
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

/** Entries that arrived early are held up to here; the rest is fetched again when its turn comes. */
export const heldEntriesLimit = 1_024;
