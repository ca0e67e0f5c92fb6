/**
 * One node: a server on a port of its own that shares nothing with the others but the store. It publishes on
 * its own account, and for clients that ask it to. The same application runs on Holdfast and on stock
 * Socket.IO with its recovery over Redis Streams; only the construction differs.
 */

import { appendFileSync } from "node:fs";
import { createServer, type Server as HttpServer } from "node:http";
import type { Server } from "socket.io";
import { answerParent, tellParent } from "../harness/parent.ts";
import type {
  EntryArguments,
  Introduction,
  LedgerLine,
  NodeProgramOptions,
  NodeProgress,
  Place,
  TalkInput,
  Work,
} from "./contract.ts";
import { wallClock } from "./wall-clock.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as NodeProgramOptions;
/**
 * Connections whose client is gone without a word end after three seconds. At the rates of these tests there
 * would be a thousand of them otherwise, on either kind of server.
 */
const heartbeat = { pingInterval: 1_500, pingTimeout: 1_500 } as const;
const tickMs = 20;

const http = createServer();
const { io, publish, figures } =
  options.kind === "Holdfast" ? await makeHoldfast(http) : await makeStock(http);
const numbers = new Map<string, number>();
const waiting = new Set<Promise<unknown>>();
const failures: string[] = [];
let [attempts, receipts] = [0, 0];
let timer: NodeJS.Timeout | undefined;

io.on("connection", (socket) => {
  const { name, rooms } = socket.handshake.auth as Introduction;
  socket.on("work", async ({ id, publishTo }: Work, acknowledge: (id: number) => void) => {
    record({ kind: "handled", client: name, id, pid: process.pid, at: wallClock() });
    if (publishTo !== undefined) await announce(publishTo, `${name}:${id}`);
    acknowledge(id);
  });
  // A client that knows itself to be a member of its rooms may be held to what is published from then on.
  const joined = Promise.resolve(socket.recovered ? undefined : socket.join([...rooms]));
  socket.on("arrive", async (acknowledge: () => void) => {
    await joined;
    acknowledge();
  });
});

answerParent({
  /** Publishes to the rooms in turn at a steady rate, whether or not earlier entries have their receipts. */
  talk: ({ rooms, rate }: TalkInput): void => {
    let [owed, turn] = [0, 0];
    timer = setInterval(() => {
      owed += (rate * tickMs) / 1_000;
      for (; owed >= 1; owed -= 1) speak(rooms[(turn += 1) % rooms.length] ?? "");
    }, tickMs);
  },
  /** Stops talking; answers when nothing waits for its receipt any more. */
  hush: async (): Promise<void> => {
    clearInterval(timer);
    while (waiting.size > 0) await Promise.all(waiting);
  },
  /** One entry to each room, all at once; answers with their ids when all have their receipts. */
  say: async ({ rooms, padding }: { rooms: readonly string[]; padding?: number }): Promise<string[]> => {
    const ids = rooms.map((room) => nextId(room));
    await Promise.all(rooms.map((room, index) => announce(room, ids[index] ?? "", padding)));
    return ids;
  },
  /** Events that are stored nowhere: for everybody who is connected here. */
  whisper: ({ flag, text }: { flag: "local" | "volatile"; text: string }): void => {
    io[flag].emit("whisper", text);
  },
  progress: (): NodeProgress => ({ attempts, receipts, waiting: waiting.size, failures: failures.slice(-5) }),
  figures: () => figures(),
});

http.listen(options.port, "127.0.0.1", () => void tellParent("ready", {}));

async function makeHoldfast(server: HttpServer): Promise<Made> {
  const { Server: HoldfastServer } = await import("holdfast");
  const holdfast = new HoldfastServer(server, {
    ...heartbeat,
    delivery: { store: options.store, showRooms: true, ...options.delivery },
  });
  await holdfast.delivery.ready;
  return {
    io: holdfast as unknown as Server,
    publish: async (room, ...entry) => await holdfast.to(room).publish("entry", ...entry),
    figures: () => holdfast.delivery.figures(),
  };
}

async function makeStock(server: HttpServer): Promise<Made> {
  const { Server: StockServer } = await import("socket.io");
  const { createAdapter } = await import("@socket.io/redis-streams-adapter");
  const { createClient } = await import("redis");
  const redis = createClient({ url: options.store, RESP: 2 });
  redis.on("error", () => undefined);
  await redis.connect();
  const stock = new StockServer(server, {
    ...heartbeat,
    adapter: createAdapter(redis),
    connectionStateRecovery: {},
  });
  return {
    io: stock,
    publish: async (room, ...entry) => void stock.to(room).emit("entry", ...entry),
    figures: async () => ({}),
  };
}

function speak(room: string): void {
  attempts += 1;
  const spoken = announce(room, nextId(room))
    // A refusal is in the ledger; the entry may come or not.
    .then(
      () => (receipts += 1),
      () => undefined,
    )
    .finally(() => waiting.delete(spoken));
  waiting.add(spoken);
}

/** Publishes, and writes down before and after what is known of it. */
async function announce(room: string, id: string, padding = 0): Promise<void> {
  record({ kind: "attempt", room, id });
  try {
    const receipt = await publish(room, room, id, ...(padding === 0 ? [] : ["x".repeat(padding)]));
    const { epoch = "", offset = 0, durability = "" } = receipt ?? {};
    const known = receipt === undefined ? {} : { place: { epoch, offset } satisfies Place, durability };
    record({ kind: "receipt", room, id, ...known });
  } catch (error) {
    failures.push(String(error));
    record({ kind: "failure", room, id, error: String(error) });
    throw error;
  }
}

function nextId(room: string): string {
  const number = (numbers.get(room) ?? 0) + 1;
  numbers.set(room, number);
  // With the process, because a node that is started again counts from one again.
  return `${options.name}.${process.pid}:${number}`;
}

function record(line: LedgerLine): void {
  appendFileSync(options.ledgerFile, `${JSON.stringify(line)}\n`);
}

// --- types ---

type Made = {
  readonly io: Server;
  readonly publish: (
    room: string,
    ...entry: [...EntryArguments, padding?: string]
  ) => Promise<(Place & { readonly durability: string }) | undefined>;
  readonly figures: () => Promise<unknown>;
};
