/**
 * One direction of a relayed link: reads from one socket, writes to another, in between held, delayed or
 * slowed. The lane keeps the byte order and passes on how the reading side ended: a FIN as a FIN, a reset as
 * a reset.
 */

import type { Socket } from "node:net";

export class Lane {
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #queue: Piece[] = [];
  #queuedBytes = 0;
  #bytes = 0;
  #held = false;
  #delayMs: number;
  #bytesPerSecond: number;
  #timer: NodeJS.Timeout | undefined;
  /** No byte leaves before this moment: how a lane with a rate spaces its slices. */
  #nextWriteAt = 0;

  constructor(source: Socket, target: Socket, pace: Pace) {
    this.#source = source;
    this.#target = target;
    this.#delayMs = pace.delayMs ?? 0;
    this.#bytesPerSecond = pace.bytesPerSecond ?? Infinity;
    source.on("data", (bytes: Buffer) => this.#push({ kind: "bytes", bytes, at: performance.now() }));
    source.on("end", () => this.#push({ kind: "end", at: performance.now() }));
    // Every error of a socket ends it, for the lane it feeds and for the one that writes to it.
    source.on("error", () => this.#push({ kind: "reset", at: performance.now() }));
    target.on("drain", () => this.#pump());
    target.on("close", () => this.#drop());
  }

  /** Bytes forwarded so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes that have arrived from the source and wait here: proof that the sender did write. */
  get heldBytes(): number {
    return this.#queuedBytes;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Forwards nothing more until `release`, not even the end of the connection. The sender is not told. */
  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#pump();
  }

  /**
   * Changes latency (milliseconds) and rate (bytes per second); what is left out goes back to none and no
   * limit.
   */
  pace({ delayMs = 0, bytesPerSecond = Infinity }: Pace): void {
    this.#delayMs = delayMs;
    this.#bytesPerSecond = bytesPerSecond;
    this.#nextWriteAt = 0;
    this.#pump();
  }

  report(): string {
    return `${this.#bytes} bytes${this.#held ? `, held with ${this.#queuedBytes} more` : ""}`;
  }

  #push(piece: Piece): void {
    if (this.#target.destroyed) return;
    this.#queue.push(piece);
    if (piece.kind === "bytes") this.#queuedBytes += piece.bytes.length;
    // The kernel's own buffers then fill up and the sender is slowed, as on a real link of this rate.
    if (this.#queuedBytes >= this.#queueLimit) this.#source.pause();
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    while (!this.#held && !this.#target.destroyed && !this.#target.writableNeedDrain) {
      const piece = this.#queue[0];
      if (piece === undefined) break;
      const waitMs = Math.max(piece.at + this.#delayMs, this.#nextWriteAt) - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), Math.ceil(waitMs));
        break;
      }
      this.#forward(piece);
    }
    if (this.#queuedBytes < this.#queueLimit) this.#source.resume();
  }

  #forward(piece: Piece): void {
    if (piece.kind === "reset") {
      this.#target.resetAndDestroy();
    } else if (piece.kind === "end") {
      this.#queue.shift();
      this.#target.end();
    } else {
      const { bytes } = piece;
      const slice = bytes.subarray(0, this.#sliceBytes);
      if (slice.length === bytes.length) this.#queue.shift();
      else this.#queue[0] = { ...piece, bytes: bytes.subarray(slice.length) };
      this.#queuedBytes -= slice.length;
      this.#bytes += slice.length;
      this.#nextWriteAt = performance.now() + (slice.length / this.#bytesPerSecond) * 1_000;
      this.#target.write(slice);
    }
  }

  /** What waits for a socket that is gone waits for nothing; and nothing more is read for it. */
  #drop(): void {
    clearTimeout(this.#timer);
    this.#queue.length = 0;
    this.#queuedBytes = 0;
    // Reading on, into nothing, keeps the other end in the belief that it is heard: that is what half-open
    // means.
    this.#source.resume();
  }

  /** Twenty slices a second: fine enough to look like a slow link, coarse enough to cost nothing. */
  get #sliceBytes(): number {
    return this.#bytesPerSecond === Infinity ? Infinity : Math.max(1, Math.floor(this.#bytesPerSecond / 20));
  }

  /**
   * With a rate, half a second of it, so that the lane itself hides little of the slowness from the sender.
   */
  get #queueLimit(): number {
    return this.#bytesPerSecond === Infinity ? queueBytesLimit : Math.max(1_024, this.#bytesPerSecond / 2);
  }
}

/**
 * Above this a held or blocked lane stops reading. Large enough that ordinary test traffic is always counted.
 */
const queueBytesLimit = 4 * 1024 * 1024;

// --- types ---

export type Pace = { readonly delayMs?: number | undefined; readonly bytesPerSecond?: number | undefined };

type Piece =
  | { readonly kind: "bytes"; readonly bytes: Buffer; readonly at: number }
  | { readonly kind: "end"; readonly at: number }
  | { readonly kind: "reset"; readonly at: number };
