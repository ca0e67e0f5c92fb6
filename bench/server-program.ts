/** The server that is measured: one small application, on stock Socket.IO or on Holdfast. */

import { createServer } from "node:http";
import { createServer as createCreditServer, type AddressInfo } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Server as DurableServer } from "holdfast";
import { Server as StockServer, type ServerOptions } from "socket.io";
import { answerParent, tellParent } from "../test/harness/parent.ts";
import { PublishLoop } from "./publish-loop.ts";
import { streamsAdapter } from "./streams-adapter.ts";
import { entryMark, type Kind } from "./wire-client.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as ServerInput;
const http = createServer();
// Pings would be load of their own; connections last for seconds here, so neither side sends any.
const settings: Partial<ServerOptions> = { pingInterval: 300_000, pingTimeout: 300_000, serveClient: false };
const durable =
  options.kind === "stock"
    ? undefined
    : new DurableServer(http, { ...settings, delivery: { store: options.store } });
const io = durable === undefined ? await stockServer() : (durable as unknown as StockServer);

let joined = 0;
io.on("connection", async (socket) => {
  socket.on("work", (text: string, acknowledge: (text: string) => void) => acknowledge(text));
  socket.on("say", (room: string, at: number) => io.to(room).emit("entry", { at, text: padding }));
  const { rooms } = socket.handshake.auth as { rooms: readonly string[] };
  for (const room of rooms) await socket.join(room);
  joined += 1;
});

/** Some 130 characters with its name and id: a line of chat. */
const padding = `${"x".repeat(99)}${entryMark}`;
const loop = new PublishLoop(publishTo);
const collectGarbage = garbageCollector();
let issued = 0;
let completed = 0;
let window = 0;
let pace: NodeJS.Timeout | undefined;

/** Keeps a window of entries on their way; the load generator says how many have arrived everywhere. */
function publishWindow(): void {
  while (issued - completed < window) publish();
}

function publish(): void {
  issued += 1;
  io.to("room").emit("entry", { id: issued, text: padding });
}

/** One that fails ends the process, and the trial with it. */
function publishTo(room: string): void {
  issued += 1;
  const entry = { id: issued, text: padding };
  if (durable === undefined) io.to(room).emit("entry", entry);
  else void durable.to(room).publish("entry", entry).then(noteStored);
}

function noteStored(): void {
  loop.noteStored();
}

/** It stores nothing, and with a Redis it reaches other processes through the adapter. */
async function stockServer(): Promise<StockServer> {
  if (!options.store.startsWith("redis:")) return new StockServer(http, settings);
  return new StockServer(http, { ...settings, adapter: await streamsAdapter(options.store, noteStored) });
}

const credits = createCreditServer((socket) => {
  let rest = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    const numbers = (rest + text).split("\n");
    rest = numbers.pop() ?? "";
    completed = Math.max(completed, Number(numbers.at(-1) ?? 0));
    publishWindow();
  });
  socket.on("error", () => undefined);
});

answerParent({
  joined: () => joined,
  usage: ({ collect }: { collect: boolean }): Usage => {
    if (collect) for (let pass = 0; pass < 3; pass += 1) collectGarbage();
    const { user, system } = process.cpuUsage();
    return { cpuMicros: user + system, rssBytes: process.memoryUsage.rss(), issued, stored: loop.stored };
  },
  publish: (input: PublishInput) => {
    clearInterval(pace);
    window = input.window ?? 0;
    if (input.perSecond !== undefined) pace = setInterval(publish, 1_000 / input.perSecond);
    publishWindow();
  },
  keepPublishing: ({ window: underWay }: { window: number }) => loop.keep(underWay),
  /** An orderly exit, in which a profiler that the process was started with writes its file. */
  exit: () => process.exit(0),
});
await durable?.delivery.ready;
credits.listen(0, "127.0.0.1", () => {
  http.listen(0, "127.0.0.1", () => {
    const port = (http.address() as AddressInfo).port;
    void tellParent("ready", { port, creditPort: (credits.address() as AddressInfo).port } satisfies Ready);
  });
});

/**
 * The collector without a flag on the command line, so that both processes start as they would in production.
 */
function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

// --- types ---

export type ServerInput = {
  readonly kind: Kind;
  /** Of Holdfast; for stock the address of a Redis stands for its adapter. */
  readonly store: string;
  readonly workers?: Workers;
};
/** Two worker processes instead of one; told of each other's commits, or left to find them by looking. */
export type Workers = "with hints" | "without hints";
export type Ready = {
  readonly port: number;
  /** Of another worker, where there are some. */
  readonly publisherPort?: number;
  readonly creditPort: number;
};
export type Usage = {
  readonly cpuMicros: number;
  readonly rssBytes: number;
  readonly issued: number;
  /** Publishes of the loop that have been stored. */
  readonly stored: number;
};
/** Neither: publishing ends. */
export type PublishInput = { readonly window?: number; readonly perSecond?: number };
