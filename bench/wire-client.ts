/**
 * A client that costs the load generator next to nothing: a TCP socket that speaks just enough WebSocket,
 * Engine.IO and Socket.IO to be a member and a sender. Real clients would be the bottleneck long before the
 * server is. What a real Holdfast client sends by itself (confirmed positions, the low-water mark), this one
 * sends too, at the same pace, so that the server is spared nothing.
 */

import { connect, type Socket } from "node:net";
import { randomBytes } from "node:crypto";
import { frameEvent, encodeHello, clientFrame, protocolVersion } from "../src/protocol/frames.ts";

/** Stands once in every entry, and nowhere else in what a server sends: counting it counts deliveries. */
export const entryMark = "~";

export class WireClient {
  readonly #kind: Kind;
  readonly #socket: Socket;
  readonly #hello: string;
  readonly #onText: ((text: string) => void) | undefined;
  readonly #onEntries: ((count: number) => void) | undefined;
  readonly #connected = Promise.withResolvers<void>();
  #state: "upgrading" | "greeting" | "connected" = "upgrading";
  /** Bytes of a header, or of text, that is not complete yet. */
  #rest: Buffer = empty;
  /** Payload bytes of the frame under way that have not been seen yet. */
  #missing = 0;
  #delivered = 0;
  #stream = 0;
  #base = 0;
  #confirmed = 0;
  #confirmTimer: NodeJS.Timeout | undefined;

  constructor(options: WireClientOptions) {
    this.#kind = options.kind;
    this.#onText = options.onText;
    this.#onEntries = options.onEntries;
    this.#hello = `40${JSON.stringify({ rooms: options.rooms, ...(this.#kind === "holdfast" && resume) })}`;
    this.#socket = connect({ port: options.port, host: "127.0.0.1", noDelay: true });
    this.#socket.on("data", (bytes: Buffer) => this.#take(bytes));
    this.#socket.on("error", (error) => this.#connected.reject(error));
    this.#socket.on("close", () => this.#connected.reject(new Error("closed by the server")));
    this.#socket.write(
      "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n" +
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
    );
  }

  /** Fulfils once the server has welcomed the client; rejects when the connection ends before. */
  get connected(): Promise<void> {
    return this.#connected.promise;
  }

  /** Entries that have arrived. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Sends an Engine.IO packet as one masked text frame; the mask of zeros is as valid and costs nothing. */
  send(text: string): void {
    const { length } = text;
    const bytes = Buffer.allocUnsafe(length < 126 ? 6 + length : 8 + length);
    bytes[0] = 0x81;
    if (length < 126) bytes[1] = 0x80 | length;
    else {
      bytes[1] = 0x80 | 126;
      bytes.writeUInt16BE(length, 2);
    }
    bytes.writeUInt32BE(0, bytes.length - length - 4);
    bytes.write(text, bytes.length - length, "latin1");
    this.#socket.write(bytes);
  }

  close(): void {
    clearTimeout(this.#confirmTimer);
    this.#socket.destroy();
  }

  #take(received: Buffer): void {
    let bytes = this.#rest.length === 0 ? received : Buffer.concat([this.#rest, received]);
    this.#rest = empty;
    if (this.#state === "upgrading") {
      const end = bytes.indexOf("\r\n\r\n");
      if (end < 0) {
        this.#rest = bytes;
        return;
      }
      this.#state = "greeting";
      bytes = bytes.subarray(end + 4);
    }
    // Counting needs no whole frames, and once the stream is known neither does anything else.
    const whole = this.#onText !== undefined || this.#state !== "connected" || this.#needsStream();
    if (whole) this.#takeFrames(bytes);
    else this.#count(bytes);
  }

  #takeFrames(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      const header = headerOf(bytes, at);
      if (header === undefined || header.end > bytes.length) break;
      this.#handleText(bytes.toString("latin1", header.start, header.end));
      at = header.end;
    }
    this.#rest = bytes.subarray(at);
  }

  #count(bytes: Buffer): void {
    const before = this.#delivered;
    let at = 0;
    for (;;) {
      const end = Math.min(bytes.length, at + this.#missing);
      for (let index = bytes.indexOf(markByte, at); index >= 0 && index < end; ) {
        this.#delivered += 1;
        index = bytes.indexOf(markByte, index + 1);
      }
      this.#missing -= end - at;
      at = end;
      if (at === bytes.length) break;
      const header = headerOf(bytes, at);
      if (header === undefined) {
        this.#rest = bytes.subarray(at);
        break;
      }
      at = header.start;
      this.#missing = header.end - header.start;
    }
    if (this.#delivered > before) this.#handleEntries(this.#delivered - before);
  }

  #handleText(text: string): void {
    if (text.startsWith("0")) {
      this.send(this.#hello);
      return;
    }
    if (text.startsWith("40")) {
      this.#state = "connected";
      this.#connected.resolve();
    } else if (text.startsWith("44")) this.#connected.reject(new Error(text));
    const entries = this.#kind === "holdfast" ? /\["en",(\d+),\[(\d+),/.exec(text) : null;
    if (entries !== null && this.#stream === 0) {
      this.#stream = Number(entries[1]);
      this.#base = Number(entries[2]) - 1 - this.#delivered;
    }
    const marks = text.split(entryMark).length - 1;
    this.#delivered += marks;
    if (marks > 0) this.#handleEntries(marks);
    this.#onText?.(text);
  }

  #handleEntries(count: number): void {
    if (this.#kind === "holdfast") this.#confirmWhenDue();
    this.#onEntries?.(count);
  }

  #needsStream(): boolean {
    return this.#kind === "holdfast" && this.#stream === 0;
  }

  #confirmWhenDue(): void {
    if (this.#delivered - this.#confirmed >= confirmEntries) this.#confirm();
    else this.#confirmTimer ??= setTimeout(() => this.#confirm(), confirmDelayMs);
  }

  #confirm(): void {
    clearTimeout(this.#confirmTimer);
    this.#confirmTimer = undefined;
    this.#confirmed = this.#delivered;
    this.send(framesText(clientFrame.positions([[this.#stream, this.#base + this.#delivered]])));
  }
}

/** An Engine.IO packet that carries Holdfast's frames. */
export function framesText(...frames: readonly string[]): string {
  return `42["${frameEvent}",${frames.join(",")}]`;
}

/**
 * Where the payload of the WebSocket frame at `at` begins and ends; undefined while the header is incomplete.
 */
function headerOf(bytes: Buffer, at: number): { readonly start: number; readonly end: number } | undefined {
  const short = bytes[at + 1];
  if (short === undefined) return undefined;
  if (short < 126) return { start: at + 2, end: at + 2 + short };
  const start = at + (short === 126 ? 4 : 10);
  if (bytes.length < start) return undefined;
  const length = short === 126 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2));
  return { start, end: start + length };
}

const empty = Buffer.alloc(0);
const markByte = entryMark.charCodeAt(0);
/** The defaults of the client's `acknowledgeEntries` and `acknowledgeDelayMs`. */
const confirmEntries = 256;
const confirmDelayMs = 1_000;
const resume = {
  pid: "",
  offset: encodeHello({ versions: [protocolVersion], low: 1, next: 1, positions: [] }),
};

// --- types ---

export type Kind = "stock" | "holdfast";

export type WireClientOptions = {
  readonly kind: Kind;
  readonly port: number;
  readonly rooms: readonly string[];
  /** Takes every Engine.IO packet; without it entries are only counted, which is far cheaper. */
  readonly onText?: (text: string) => void;
  /** Told how many entries a read has brought. */
  readonly onEntries?: (count: number) => void;
};
