/**
 * Fan-out of one namespace on this node: from entries that the store has committed to the members that are
 * connected here, in the order in which they were committed.
 */

import type { Namespace } from "socket.io";
import type { Adapter } from "socket.io-adapter";
import { namespaceKey, roomKey, roomOfKey } from "../protocol/stream-key.ts";
import type { CommittedEntry, Page, Store, StreamHead } from "../store/port.ts";
import type { Connection } from "./connection.ts";
import type { EmitOrder } from "./emit-order.ts";
import { ownPlace } from "./member-place.ts";
import type { Meter } from "./meter.ts";
import { Member } from "./member.ts";
import { heldEntriesLimit, NodeStream } from "./node-stream.ts";
import type { Session } from "./session.ts";
import { StockClients } from "./stock-clients.ts";
import type { StreamHost } from "./stream-host.ts";

export type MemberPlace = {
  readonly head: StreamHead;
  readonly epoch: string;
  readonly offset: number;
  readonly part: number;
  readonly shownRoom: string;
  readonly consumer: string | undefined;
  readonly announced: boolean;
};

export class FanOut implements StreamHost {
  readonly namespace: string;
  readonly chunkCharacters: number;
  readonly partsWindowCharacters: number;
  readonly meter: Meter | undefined;
  readonly questionsLost: (session: string) => void;
  readonly stock: StockClients;
  readonly #streams = new Map<number, NodeStream>();
  readonly #store: Store;
  readonly #adapter: () => Adapter;
  readonly #findSession: (id: string) => Session | undefined;
  readonly #reportStoreError: (error: unknown) => void;
  /** Reads under way, shared by members that want the same page. */
  readonly #reads = new Map<string, Promise<Page>>();

  constructor(options: {
    readonly namespace: Namespace;
    readonly store: Store;
    readonly order: EmitOrder;
    /** Names this process in the callbacks that entries answer to. */
    readonly processId: string;
    readonly chunkCharacters: number;
    readonly partsWindowCharacters: number;
    readonly meter: Meter | undefined;
    readonly findSession: (id: string) => Session | undefined;
    readonly questionsLost: (session: string) => void;
    readonly reportStoreError: (error: unknown) => void;
  }) {
    this.namespace = options.namespace.name;
    this.chunkCharacters = options.chunkCharacters;
    this.partsWindowCharacters = options.partsWindowCharacters;
    this.meter = options.meter;
    this.questionsLost = options.questionsLost;
    this.#store = options.store;
    this.#adapter = () => options.namespace.adapter;
    const { order, processId } = options;
    this.stock = new StockClients({ adapter: this.#adapter, order, processId });
    this.#findSession = options.findSession;
    this.#reportStoreError = options.reportStoreError;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get membersBehind(): number {
    let behind = 0;
    for (const { members } of this.#streams.values()) {
      for (const { feed } of members) if (!feed.live) behind += 1;
    }
    return behind;
  }

  /** Entries of this namespace in commit order; neighbours of one stream go out in one frame. */
  handleCommitted(entries: readonly CommittedEntry[]): void {
    if (this.stock.sockets.size > 0) {
      this.stock.handleCommitted(
        entries,
        (index) => roomOfKey(this.namespace, entries[index]?.key ?? "") ?? "",
      );
    }
    let start = 0;
    for (let index = 1; index <= entries.length; index++) {
      if (index < entries.length && entries[index]?.stream === entries[start]?.stream) continue;
      this.#handleRun(entries.slice(start, index));
      start = index;
    }
  }

  /** Makes a connection a member of a stream from a place on, and begins to feed it. */
  addMember(session: Session, connection: Connection, place: MemberPlace): Member | undefined {
    if (connection.closed || connection.members.has(place.head.stream)) return undefined;
    const stream = this.#ensureStream(place.head);
    const { epoch, offset, part } = place;
    const member = new Member({
      connection,
      session: session.id,
      memberships: session.memberships,
      stream,
      epoch,
      sent: offset,
      part,
      live: epoch === stream.sequencer.epoch && offset === stream.sequencer.delivered,
      shownRoom: place.shownRoom,
      consumer: place.consumer,
      announced: place.announced,
    });
    if (!member.feed.live) member.proceedSoon();
    return member;
  }

  read(stream: number, after: number): Promise<Page> {
    const name = `${stream}:${after}`;
    const reading = this.#reads.get(name);
    if (reading !== undefined) return reading;
    const page = this.#store.read({ stream, after, limit: pageEntries, charactersLimit: pageCharacters });
    this.#reads.set(name, page);
    const forget = () => {
      this.#reads.delete(name);
    };
    page.then(forget, forget);
    return page;
  }

  excluded(except: readonly string[]): ReadonlySet<string> {
    const sessions = new Set<string>();
    for (const room of except) {
      for (const id of this.#adapter().rooms.get(room) ?? []) sessions.add(id);
    }
    return sessions;
  }

  deliverStock(room: string, entry: CommittedEntry): void {
    this.stock.deliver(room, entry);
  }

  released(stream: NodeStream): void {
    if (this.#streams.get(stream.id) !== stream) return;
    this.#streams.delete(stream.id);
    this.#store.unwatch(stream.key);
  }

  /** Everyone who connects is in the namespace. */
  watchNamespace(): void {
    void this.#store.watch(namespaceKey(this.namespace));
  }

  /** Rooms of connections are watched also where nobody is a durable member: stock clients are none. */
  watchRoom(room: string): void {
    void this.#store.watch(roomKey(this.namespace, room));
  }

  unwatchRoom(room: string): void {
    this.#store.unwatch(roomKey(this.namespace, room));
  }

  /**
   * A session's own stream begins with its first entry, which may be committed before this node listens: so
   * once it listens it looks.
   */
  watchOwnRoom(session: Session, connection: Connection): void {
    const key = roomKey(this.namespace, session.id);
    const watching = this.#store.watch(key);
    if (watching === undefined) return;
    connection.whenClosed(() => this.#store.unwatch(key));
    const look = async () => {
      await watching;
      if (connection.closed) return;
      const [head] = await this.#store.heads([key]);
      if (head !== undefined) this.addMember(session, connection, { ...ownPlace(head), announced: false });
    };
    look().catch((error: unknown) => this.#reportStoreError(error));
  }

  readFailed(error: unknown): void {
    this.#reportStoreError(error);
  }

  /** Streams that have members here, for the periodic comparison with the store's heads. */
  streams(): NodeStream[] {
    return [...this.#streams.values()];
  }

  /** What the store has under the stream's key; undefined when it has nothing. */
  handleHead(stream: NodeStream, head: StreamHead | undefined): void {
    if (this.#streams.get(stream.id) !== stream) return;
    if (head?.stream === stream.id) stream.handleHead(head);
    else stream.lose();
  }

  #handleRun(entries: readonly CommittedEntry[]): void {
    const [first] = entries;
    if (first === undefined) return;
    const known = this.#streams.get(first.stream);
    if (known !== undefined && known.key !== first.key) known.lose();
    const stream = this.#streams.get(first.stream) ?? this.#streamOfOwnRoom(first);
    if (stream !== undefined) {
      stream.handleCommitted(entries);
      // What does not fit is fetched again.
      if (stream.sequencer.held >= heldEntriesLimit) this.meter?.limitHit("held_entries");
      return;
    }
    const room = roomOfKey(this.namespace, first.key);
    if (room !== undefined) for (const entry of entries) this.deliverStock(room, entry);
  }

  /** A session's own stream begins with its first entry; its member is made then. */
  #streamOfOwnRoom(first: CommittedEntry): NodeStream | undefined {
    const room = roomOfKey(this.namespace, first.key);
    const session = room === undefined ? undefined : this.#findSession(room);
    if (session?.connection === undefined) return undefined;
    const { stream, key, epoch, offset } = first;
    const head = { stream, key, epoch, low: 1, head: offset - 1 };
    if (!session.ownRoomReady) {
      session.ownHead = { ...head, head: offset };
      return undefined;
    }
    const place = { head, epoch, offset: 0, part: 0, shownRoom: "", consumer: undefined, announced: false };
    this.addMember(session, session.connection, place);
    return this.#streams.get(stream);
  }

  #ensureStream(head: StreamHead): NodeStream {
    const known = this.#streams.get(head.stream);
    if (known?.key === head.key && !known.isOver(head)) return known;
    known?.lose();
    const stream = new NodeStream(this, head, roomOfKey(this.namespace, head.key) ?? "");
    this.#streams.set(head.stream, stream);
    void this.#store.watch(stream.key)?.then(() => this.#lookAt(stream));
    return stream;
  }

  /** What was committed between its head and the first announcement that came. */
  async #lookAt(stream: NodeStream): Promise<void> {
    try {
      const [head] = await this.#store.heads([stream.key]);
      this.handleHead(stream, head);
    } catch (error) {
      this.#reportStoreError(error);
    }
  }
}

/**
 * One page of the log: 256 entries or 256 Ki characters, whichever is less, keeps a page below a quarter MB.
 */
const pageEntries = 256;
const pageCharacters = 262_144;
