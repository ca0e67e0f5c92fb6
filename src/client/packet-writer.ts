/**
 * Gathers the frames of one turn into as few packets as their size allows, and writes them to the connection.
 */

import { frameEvent } from "../protocol/frames.ts";
import { packetEvent, type Packet, type ManagerInternals } from "./socket-io-client.ts";

/** What the writer needs of its socket. */
type Target = {
  readonly connected: boolean;
  readonly nsp: string;
  readonly io: ManagerInternals;
  packet(packet: Packet): void;
};

export class PacketWriter {
  readonly #target: Target;
  #frames: string[] = [];

  constructor(target: Target) {
    this.#target = target;
  }

  write(frame: string): void {
    if (this.#frames.length === 0) queueMicrotask(() => this.flush());
    this.#frames.push(frame);
  }

  /** Forgets what has not been written: the connection is gone, and the core sends again what matters. */
  clear(): void {
    this.#frames = [];
  }

  /** Writes now what would be written at the end of this turn. */
  flush(): void {
    const frames = this.#frames;
    this.#frames = [];
    const { engine } = this.#target.io;
    // An expired ping closes the connection by itself; what we hold back is sent again on the next one.
    if (!this.#target.connected || engine === undefined || engine._hasPingExpired()) return;
    let start = 0;
    let characters = 0;
    for (let index = 0; index <= frames.length; index++) {
      const length = frames[index]?.length ?? 0;
      if (index > start && (index === frames.length || characters + length > packetCharacters)) {
        this.#writePacket(frames.slice(start, index));
        start = index;
        characters = 0;
      }
      characters += length;
    }
  }

  #writePacket(frames: readonly string[]): void {
    const { io, nsp } = this.#target;
    // A parser of the application's own gets values; the default one would only make this very text of them.
    if (io.opts.parser !== undefined) {
      const values = frames.map((frame) => JSON.parse(frame) as unknown);
      this.#target.packet({ type: packetEvent, data: [frameEvent, ...values] });
      return;
    }
    const namespace = nsp === "/" ? "" : `${nsp},`;
    io.engine?.write(`2${namespace}["${frameEvent}",${frames.join(",")}]`, { compress: false });
  }
}

/**
 * A packet arrives as a whole or not at all, and a link that shows no sign of life for 14 s is given up: a
 * larger one would never get over a slow link, however often it is sent.
 */
const packetCharacters = 16_384;
