/**
 * What a node writes to one connection, as it stands on the wire. A client ignores what it gets twice, so a
 * member that is fed twice shows here alone.
 */

import { frameEvent } from "../../src/protocol/frames.ts";

export class WireWatch {
  readonly #report: (what: string) => void;
  /** By stream, the last offset that was written. */
  readonly #written = new Map<number, number>();

  constructor(report: (what: string) => void) {
    this.#report = report;
  }

  /** Takes the text of a Socket.IO packet on its way to the client. */
  written(packet: string): void {
    if (!packet.startsWith(frames)) return;
    for (const frame of (JSON.parse(packet.slice(1)) as unknown[]).slice(1)) this.#frame(frame as Frame);
  }

  #frame([kind, stream, ...rest]: Frame): void {
    switch (kind) {
      case "st":
        this.#written.set(stream, Math.max(this.#written.get(stream) ?? 0, Number(rest[1])));
        return;
      case "le":
        this.#written.delete(stream);
        return;
      case "ga":
        // A reset may lead back, and what follows it is counted from there.
        this.#written.set(stream, Number(rest[2]));
        return;
      case "en":
        for (const [offset] of rest as readonly (readonly number[])[]) this.#entry(stream, Number(offset));
        return;
      default:
    }
  }

  #entry(stream: number, offset: number): void {
    const last = this.#written.get(stream) ?? 0;
    if (offset <= last) this.#report(`${stream}:${offset} is written after ${stream}:${last}`);
    this.#written.set(stream, offset);
  }
}

type Frame = readonly [kind: string, stream: number, ...rest: unknown[]];

/** An event of the default namespace that carries frames. */
const frames = `2["${frameEvent}",`;
