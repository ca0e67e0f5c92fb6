/**
 * One connection of a session: it gathers frames into packets and says when it takes no more. What waits to
 * be written is limited: beyond the limit members are fed from the log instead.
 */

import { serverFrame } from "../protocol/frames.ts";
import { packetText, sendFramesParsed, framedOptions, writeText, type HoldfastSocket } from "./socket-io.ts";
import type { Member } from "./member.ts";

export class Connection {
  readonly socket: HoldfastSocket;
  /** Memberships of this connection by stream id. */
  readonly members = new Map<number, Member>();
  closed = false;
  #pending: string[] = [];
  #queuedCharacters = 0;
  #packetCharacters = firstPacketCharacters;
  #waitsForDrain = false;
  /** Frames since the welcome, and whether the client has been told of this many. */
  #frames = 0;
  #framesTold = -1;
  readonly #namespace: string;
  readonly #parsed: boolean;
  readonly #bufferedCharactersLimit: number;

  readonly #ends: (() => void)[] = [];

  constructor(
    socket: HoldfastSocket,
    options: {
      readonly namespace: string;
      readonly defaultParser: boolean;
      readonly bufferedCharactersLimit: number;
    },
  ) {
    this.socket = socket;
    this.#namespace = options.namespace;
    this.#parsed = !options.defaultParser;
    this.#bufferedCharactersLimit = options.bufferedCharactersLimit;
    this.#tellFramesWhilePolling();
  }

  /** False while more than the limit waits to be written. */
  get takesMore(): boolean {
    if (this.socket.conn.writeBuffer.length === 0) this.#queuedCharacters = 0;
    return this.#queuedCharacters < this.#bufferedCharactersLimit;
  }

  /**
   * How large the next packet from the log is to be, `most` at most. A packet arrives as a whole or not at
   * all, and a client gives a link up when no ping has come over it for the ping interval and timeout
   * together. So packets begin small and double: over however slow a link each connection brings something.
   */
  nextPacketCharacters(most: number): number {
    const characters = Math.min(this.#packetCharacters, most);
    this.#packetCharacters = Math.max(this.#packetCharacters, Math.min(2 * this.#packetCharacters, most));
    return characters;
  }

  /** Adds a frame to the packet that is written at the end of this turn of the event loop. */
  queue(frame: string): void {
    if (this.closed) return;
    this.#frames += 1;
    this.#add(frame);
  }

  flush(): void {
    if (this.#pending.length === 0) return;
    const frames = this.#pending;
    this.#pending = [];
    if (this.closed) return;
    this.#write(frames.join(","), undefined);
  }

  /** Writes a packet that is the same for many connections, after what is pending here. */
  writeShared(packet: SharedPacket): void {
    if (this.closed) return;
    this.flush();
    this.#frames += 1;
    this.#write(packet.frames, packet);
  }

  /** Feeds this connection's members on as soon as it takes more. */
  wakeOnDrain(): void {
    if (this.#waitsForDrain || this.closed) return;
    if (this.takesMore) {
      this.#wake();
      return;
    }
    this.#waitsForDrain = true;
    this.socket.conn.once("drain", () => {
      this.#waitsForDrain = false;
      this.#queuedCharacters = 0;
      // The write buffer was handed over within `write`; feeding from inside of it would recurse.
      setImmediate(() => this.#wake());
    });
  }

  /**
   * Tells the client why, then closes once that is written. The session goes on with the client's next
   * connection.
   */
  refuse(frame: string): void {
    if (this.closed) return;
    this.queue(frame);
    this.flush();
    this.socket.conn.close();
  }

  close(): void {
    this.closed = true;
    this.#pending = [];
    this.detachMembers();
    for (const end of this.#ends.splice(0)) end();
  }

  /** Calls back once the connection is closed; it must not be yet. */
  whenClosed(end: () => void): void {
    this.#ends.push(end);
  }

  /** Nothing more comes from the log; what answers the client's own events still does. */
  detachMembers(): void {
    for (const member of this.members.values()) member.detach();
    this.members.clear();
  }

  #add(frame: string): void {
    if (this.#pending.length === 0) process.nextTick(() => this.flush());
    this.#pending.push(frame);
  }

  /**
   * A poll is a GET, which browsers and HTTP libraries repeat by themselves when a connection that they kept
   * is reset; an answer that was on its way then is lost, and neither side is told. So with each heartbeat,
   * and once a WebSocket has taken over, the client is told how many frames there should have been.
   */
  #tellFramesWhilePolling(): void {
    const { conn } = this.socket;
    const tell = () => {
      if (this.#framesTold === this.#frames || this.closed) return;
      this.#framesTold = this.#frames;
      this.#add(serverFrame.count(this.#frames));
    };
    const tellIfPolling = () => {
      if (conn.transport.name === "polling") tell();
    };
    // One for each of the client's namespaces, which takes it away again; Node warns of more than ten.
    conn.setMaxListeners(0);
    conn.on("heartbeat", tellIfPolling);
    conn.on("upgrade", tell);
    this.whenClosed(() => {
      conn.off("heartbeat", tellIfPolling);
      conn.off("upgrade", tell);
    });
  }

  #wake(): void {
    if (this.closed) return;
    for (const member of this.members.values()) {
      if (!member.feed.live) member.proceed();
    }
  }

  /** A long-polling connection has no use for a WebSocket frame. */
  #ownOptions(text: string): object {
    return this.socket.conn.transport.name === "websocket" ? framedOptions(text) : { compress: false };
  }

  #write(frames: string, shared: SharedPacket | undefined): void {
    if (this.#parsed) {
      sendFramesParsed(this.socket, JSON.parse(`[${frames}]`) as unknown[]);
      return;
    }
    const text = shared?.text ?? packetText(this.#namespace, frames);
    this.#queuedCharacters += text.length;
    writeText(this.socket.conn, text, shared === undefined ? this.#ownOptions(text) : shared.options());
  }
}

/** In the 14 s that are usual (`halfOpenTimeouts`) it gets over a link of 300 bytes a second. */
const firstPacketCharacters = 4_096;

/** A packet for many connections, encoded once, and into a WebSocket frame only if anyone needs it. */
export class SharedPacket {
  readonly frames: string;
  readonly text: string;
  #options: object | undefined;

  constructor(namespace: string, frames: string) {
    this.frames = frames;
    this.text = packetText(namespace, frames);
  }

  options(): object {
    this.#options ??= framedOptions(this.text);
    return this.#options;
  }
}
