/**
 * The application of these tests: every feature that a guarantee is about, reached by events from the clients
 * and by commands from the test. It is written as an application on Holdfast would be: rooms are joined once
 * per session, and SIGTERM ends the process in order.
 */

import { appendFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import {
  DeliveryError,
  type DeliveryOptions,
  type Receipt,
  Server,
  type Session,
  type Socket,
} from "holdfast";
import { answerParent, tellParent } from "../harness/parent.ts";
import { fingerprint } from "../harness/server-program.ts";
import type {
  Answered,
  Asked,
  Call,
  Extent,
  Introduction,
  PeculiarName,
  ProgramOptions,
  Reports,
  Status,
} from "./contract.ts";
import { everyone, peculiarNames } from "./contract.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as ProgramOptions;
const http = createServer();
const denied = new Set<string>();
const delivery: DeliveryOptions = {
  ...options.delivery,
  ...(options.authorizes === true ? { authorize: (_socket: Socket, room: string) => !denied.has(room) } : {}),
};
const io = new Server(http, { ...options.server, delivery });
const reports: Reports = { publishFailed: [], refused: [], storeErrors: [], sessionEvents: [] };
const asked = new Map<number, Asked>();
const sessions = new Map<string, Session>();

io.delivery.on("publish_failed", ({ event, error }) =>
  reports.publishFailed.push(`${event} ${codeOf(error)}`),
);
io.delivery.on("refused", ({ code, detail }) => reports.refused.push(`${code} ${detail}`));
io.delivery.on("store_error", ({ error }) => reports.storeErrors.push(codeOf(error)));

io.use((socket, next) => {
  // What a careless application logs. The test looks for tokens in it.
  console.log(`handshake ${JSON.stringify(socket.handshake)}`);
  const { principal } = socket.handshake.auth as Introduction;
  if (principal !== undefined) socket.data.principal = principal;
  next();
});

io.on("session", (session) => {
  const note = (what: string) => reports.sessionEvents.push(`${what} ${session.id}`);
  sessions.set(session.id, session);
  note("session");
  for (const event of ["suspend", "resume", "moved", "end"]) session.on(event, () => note(event));
});

io.on("connection", (socket) => {
  const { name, rooms = [] } = socket.handshake.auth as Introduction;
  const record = (call: Call): void => {
    const line = { name, id: call.id, session: socket.id, pid: process.pid };
    // Synchronously, so that it is with the kernel, and outlives a SIGKILL, before anything else happens.
    appendFileSync(options.handledFile, `${JSON.stringify(line)}\n`);
  };
  socket.on("call", async (call: Call, acknowledge?: (answer: unknown) => void) => {
    record(call);
    const room = typeof call.publishTo === "string" ? call.publishTo : "several";
    const entry = { room, id: call.id, from: name };
    // Both ways of publishing have to survive a crash in front of, between and behind them.
    if (call.publishTo !== undefined && call.id % 2 === 0)
      await io.to(call.publishTo).publish("entry", entry);
    else if (call.publishTo !== undefined) io.to(call.publishTo).emit("entry", entry);
    if (call.delayMs !== undefined) await pause(call.delayMs);
    const padding = "a".repeat(call.answerCharacters ?? 0);
    acknowledge?.({ id: call.id, pid: process.pid, padding, ...fingerprint(call.payload) });
  });
  socket.on("where am I", (acknowledge: (answer: unknown) => void) => {
    acknowledge({ id: socket.id, rooms: [...socket.rooms], data: socket.data });
  });
  socket.on("remember", (key: string, value: unknown) => {
    (socket.data as Record<string, unknown>)[key] = value;
  });
  socket.on("round trip", (acknowledge: () => void) => acknowledge());
  for (const peculiar of peculiarNames) listenTo(socket, peculiar);
  if (!socket.recovered) for (const room of rooms) void socket.join(room, { show: true });
});

function listenTo(socket: Socket, peculiar: PeculiarName): void {
  socket.on(peculiar, async (value: unknown, acknowledge: (answer: unknown) => void) => {
    await socket.join(peculiar, { show: true });
    await io.to(peculiar).publish(peculiar, value);
    acknowledge({ name: peculiar, value, inRoom: socket.rooms.has(peculiar) });
  });
}

answerParent({
  /**
   * Entries `from` … `from + count - 1`, all called at once; resolves to the offsets, or to the errors'
   * codes.
   */
  publish: async ({ room, from, count, padding = 0 }: PublishInput): Promise<(number | string)[]> => {
    const text = padding === 0 ? {} : { padding: "x".repeat(padding) };
    const receipts = Array.from({ length: count }, (_, index) =>
      (room === everyone ? io : io.to(room))
        .publish("entry", { room, id: from + index, ...text })
        .then((receipt: Receipt) => receipt.offset, codeOf),
    );
    return await Promise.all(receipts);
  },
  /** Asks a session, and leaves the question open; `answered` tells what has become of it. */
  ask: ({ question, session, id, timeoutMs }: AskInput): void => {
    const target = sessions.get(session);
    if (target === undefined) throw new Error(`no session ${session}`);
    const state: Asked = { answers: [] };
    asked.set(question, state);
    const emitter = timeoutMs === undefined ? target : target.timeout(timeoutMs);
    emitter.emitWithAck("question", id).then(
      (value) => state.answers.push({ value }),
      (error: unknown) => state.answers.push({ error: codeOf(error) }),
    );
  },
  answered: ({ question }: { question: number }): readonly Answered[] => asked.get(question)?.answers ?? [],
  /** First offset of a room that is still kept, and the last one. */
  extent: async ({ room }: { room: string }): Promise<Extent> => {
    const { low, head } = await io.delivery.read(room, { limit: 1 });
    return { low, head };
  },
  /** What a property of every object would be if wire input had got at their prototype. */
  polluted: (): unknown => (({}) as { polluted?: unknown }).polluted ?? null,
  withdraw: ({ session, room }: { session: string; room: string }): void => io.in(session).socketsLeave(room),
  deny: ({ room }: { room: string }): void => void denied.add(room),
  kick: ({ session }: { session: string }): void => {
    io.in(session).disconnectSockets(true);
  },
  status: async (): Promise<Status> => ({
    sockets: io.of("/").sockets.size,
    waitingToBeWritten: [...io.of("/").sockets.values()].map(({ conn }) => waitingCharacters(conn)),
    figures: await io.delivery.figures(),
    reports,
  }),
});

process.once("SIGTERM", () => {
  void io.delivery.close().then(() => process.exit(0));
});

await io.delivery.ready;
http.listen(options.port ?? 0, "127.0.0.1", () => {
  void tellParent("ready", { port: (http.address() as AddressInfo).port });
});

/** The write buffer of Engine.IO is not public; what is in it is what a slow client costs. */
function waitingCharacters(connection: object): number {
  const { writeBuffer } = connection as { readonly writeBuffer: readonly { readonly data?: unknown }[] };
  return writeBuffer.reduce((sum, { data }) => sum + (typeof data === "string" ? data.length : 0), 0);
}

function codeOf(error: unknown): string {
  return error instanceof DeliveryError ? error.code : String(error);
}

// --- types ---

type PublishInput = {
  readonly room: string;
  readonly from: number;
  readonly count: number;
  readonly padding?: number;
};
type AskInput = {
  readonly question: number;
  readonly session: string;
  readonly id: number;
  readonly timeoutMs?: number;
};
