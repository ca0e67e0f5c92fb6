/**
 * The server program of the black-box tests, the same for stock Socket.IO and for Holdfast: only the
 * construction of the server differs. It is written as an application would be, and shows no favour to
 * either.
 *
 * Clients introduce themselves in `auth`: `name` (whose events these are, across connections), `rooms`
 * (joined at each connection, as a stock application has to), `principal`.
 */

import { createHash } from "node:crypto";
import { appendFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import type { Server, ServerOptions, Socket } from "socket.io";
import { answerParent, tellParent } from "./parent.ts";

/** Runs the program with the options in the first argument, JSON; tells the test `ready` with the port. */
export function runServerProgram(make: MakeServer): void {
  const options = JSON.parse(process.argv[2] ?? "{}") as ProgramOptions;
  const http = createServer();
  const { io, publish } = make(http, options);
  const log = new ConnectionLog();
  io.use((socket, next) => {
    const { principal } = introduction(socket);
    if (principal !== undefined) socket.data.principal = principal;
    next();
  });
  io.on("connection", (socket) => serve(socket, options, log));
  answerParent(commands(io, publish, log));
  http.listen(options.port ?? 0, options.host ?? "127.0.0.1", () => {
    void tellParent("ready", { port: (http.address() as AddressInfo).port } satisfies Ready);
  });
}

function serve(socket: Socket, options: ProgramOptions, log: ConnectionLog): void {
  const { name, rooms } = introduction(socket);
  log.connections.push({ name, id: socket.id, recovered: socket.recovered });
  socket.on("disconnect", (reason) => log.disconnects.push({ name, id: socket.id, reason }));
  // Synchronously, so that the record is with the kernel, and outlives a SIGKILL, before anything else
  // happens.
  const record = (work: Work): void => {
    const handled: Handled = { name, id: work.id, session: socket.id, pid: process.pid };
    appendFileSync(options.handledFile, `${JSON.stringify(handled)}\n`);
  };
  socket.on("work", async (work: Work, acknowledge?: (reply: WorkReply) => void) => {
    record(work);
    if (work.delayMs !== undefined) await pause(work.delayMs);
    if (work.refuse !== undefined) throw Object.assign(new Error(work.refuse), { code: "refused_by_test" });
    if (work.publishTo !== undefined)
      socket.to(work.publishTo).emit("entry", { room: work.publishTo, id: work.id });
    acknowledge?.({ id: work.id, ...fingerprint(work.payload) });
  });
  socket.on("round trip", (acknowledge: () => void) => acknowledge());
  for (const room of rooms ?? []) void socket.join(room);
}

function commands(io: Server, publish: Publish, log: ConnectionLog): Parameters<typeof answerParent>[0] {
  return {
    /**
     * Publishes entries `from` … `from + count - 1` to a room, each when the one before it has its receipt.
     */
    publish: async ({
      room,
      from,
      count,
      intervalMs,
      padding = 0,
    }: PublishInput): Promise<(Receipt | null)[]> => {
      const receipts: (Receipt | null)[] = [];
      for (let id = from; id < from + count; id += 1) {
        const entry: RoomEntry = padding === 0 ? { room, id } : { room, id, padding: "x".repeat(padding) };
        receipts.push((await publish(room, "entry", entry)) ?? null);
        if (intervalMs !== undefined) await pause(intervalMs);
      }
      return receipts;
    },
    volatile: ({ room, event, values }: VolatileInput): void => {
      io.to(room).volatile.emit(event, ...values);
    },
    status: (): ServerStatus => ({
      sockets: io.of("/").sockets.size,
      engineClients: io.engine.clientsCount,
      rooms: Object.fromEntries([...io.of("/").adapter.rooms].map(([room, members]) => [room, [...members]])),
      connections: log.connections,
      disconnects: log.disconnects,
      rssBytes: process.memoryUsage.rss(),
    }),
    close: async (): Promise<void> => {
      await io.close();
    },
  };
}

function introduction(socket: Socket): Introduction {
  return socket.handshake.auth as Introduction;
}

/** What of a payload has to be right at the other end. */
export function fingerprint(payload: string | Uint8Array | undefined): {
  bytes: number;
  sha256: string | null;
} {
  if (payload === undefined) return { bytes: 0, sha256: null };
  const bytes = typeof payload === "string" ? Buffer.from(payload) : payload;
  return { bytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
}

class ConnectionLog {
  readonly connections: { name: string; id: string; recovered: boolean }[] = [];
  readonly disconnects: { name: string; id: string; reason: string }[] = [];
}

// --- types ---

export type MakeServer = (http: HttpServer, options: ProgramOptions) => { io: Server; publish: Publish };
/**
 * Resolves when the server takes responsibility for the entry; stock Socket.IO takes none, and has no
 * receipt.
 */
export type Publish = (room: string, event: string, entry: RoomEntry) => Promise<Receipt | undefined>;

export type ProgramOptions = {
  readonly port?: number;
  readonly host?: string;
  /** The options of Socket.IO's own server. */
  readonly server?: Partial<ServerOptions>;
  /** The `delivery` option of Holdfast; stock Socket.IO gets none. */
  readonly delivery?: { readonly store: string } & Readonly<Record<string, unknown>>;
  /** Each handler call is a line here. */
  readonly handledFile: string;
};

export type Ready = { readonly port: number };
export type Receipt = { readonly stream: number; readonly epoch: string; readonly offset: number };
export type RoomEntry = { readonly room: string; readonly id: number; readonly padding?: string };

/** What a client puts into its `auth`. */
export type Introduction = {
  readonly name: string;
  readonly rooms?: readonly string[];
  readonly principal?: string;
};

/** The argument of the event `work`. */
export type Work = {
  readonly id: number;
  readonly payload?: string | Uint8Array;
  /** How long the handler takes. */
  readonly delayMs?: number;
  /** The handler throws an error with this message. */
  readonly refuse?: string;
  /** The handler publishes the event's id to this room, to everybody but the sender, before it answers. */
  readonly publishTo?: string;
};
export type WorkReply = { readonly id: number; readonly bytes: number; readonly sha256: string | null };
export type Handled = {
  readonly name: string;
  readonly id: number;
  readonly session: string;
  readonly pid: number;
};

export type PublishInput = {
  readonly room: string;
  readonly from: number;
  readonly count: number;
  readonly intervalMs?: number;
  /** Characters added to each entry, to make traffic. */
  readonly padding?: number;
};
export type VolatileInput = {
  readonly room: string;
  readonly event: string;
  readonly values: readonly unknown[];
};

export type ServerStatus = {
  readonly sockets: number;
  readonly engineClients: number;
  readonly rooms: Readonly<Record<string, readonly string[]>>;
  readonly connections: readonly {
    readonly name: string;
    readonly id: string;
    readonly recovered: boolean;
  }[];
  readonly disconnects: readonly { readonly name: string; readonly id: string; readonly reason: string }[];
  readonly rssBytes: number;
};
