/**
 * A primary with workers for the tests of the cluster: the shipped primary and worker code, with handlers of
 * its own. `stock` workers run plain Socket.IO with its cluster adapter behind the same primary, as the
 * control.
 */

import cluster from "node:cluster";
import { appendFileSync, existsSync } from "node:fs";
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/cluster-adapter";
import { setupWorker } from "@socket.io/sticky";
import { Server as HoldfastServer } from "holdfast";
import pino from "pino";
import { Server as StockServer } from "socket.io";
import { Primary } from "../../src/cluster/primary.ts";
import { isOrder, type Notice } from "../../src/cluster/messages.ts";
import { joinCluster, notifyReady } from "../../src/cluster/worker.ts";
import { answerParent, tellParent } from "../harness/parent.ts";
import { until } from "../harness/until.ts";
import type { TreeOptions, WorkerState } from "./tree.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as TreeOptions;

if (cluster.isPrimary) await runPrimary();
else if (options.kind === "Holdfast") await runWorker();
else runStockWorker();

async function runPrimary(): Promise<void> {
  const primary = new Primary({
    workers: options.workers,
    host: "127.0.0.1",
    port: options.port ?? 0,
    environment: { HOLDFAST_TEST_NODE: options.node ?? "tst" },
    log: pino({}, pino.destination(2)),
    readyTimeoutMs: 20_000,
    drainTimeoutMs: 20_000,
  });
  answerParent({
    roll: () => primary.roll(),
    workers: () => primary.pool.states satisfies readonly WorkerState[],
    end: () => primary.end(),
  });
  const port = await primary.start();
  await tellParent("ready", { port });
}

async function runWorker(): Promise<void> {
  if (options.tellsLateMs !== undefined) tellLate(options.tellsLateMs);
  const http = createServer();
  const io = new HoldfastServer(http, {
    adapter: createAdapter(),
    delivery: { store: `sqlite:${options.file}`, node: process.env["HOLDFAST_TEST_NODE"] ?? "tst" },
  });
  attach(io as never);
  joinCluster(io, () => void io.delivery.close(options.drain).then(() => process.exit(0)));
  await io.delivery.ready;
  notifyReady();
}

/** Holds back what a worker says of the connections that it has. */
function tellLate(ms: number): void {
  const send = process.send?.bind(process) as (...args: unknown[]) => boolean;
  const sendLate = (message: { readonly type?: string }, ...rest: unknown[]): boolean => {
    if (message.type !== "sticky:connection") return send(message, ...rest);
    setTimeout(() => process.connected && send(message, ...rest), ms);
    return true;
  };
  process.send = sendLate as NonNullable<typeof process.send>;
}

function runStockWorker(): void {
  const io = new StockServer(createServer(), {
    adapter: createAdapter(),
    pingInterval: 8_000,
    pingTimeout: 6_000,
  });
  attach(io);
  setupWorker(io);
  process.on("message", (message) => {
    // What Socket.IO has for the end of a process.
    if (isOrder(message) && message.holdfast === "drain") void io.close().then(() => process.exit(0));
  });
  process.send?.({ holdfast: "ready" } satisfies Notice);
}

function attach(io: StockServer): void {
  io.on("connection", async (socket) => {
    const { room, tells } = socket.handshake.auth as { room?: string; tells?: boolean };
    if (tells === true) socket.emit("at", process.pid);
    if (room !== undefined) await socket.join(room);
    socket.on("say", (id: string, done: (value: string) => void) => {
      io.to(room ?? "").emit("said", id);
      done(id);
    });
    // Which build this is.
    socket.on("build", (done: (url: string) => void) => done(import.meta.resolve("holdfast")));
    // Ends when there is a file; each run is a line of another.
    socket.on("slow", async (id: string, done: (pid: number) => void) => {
      appendFileSync(`${options.file}-runs`, `${id} ${process.pid}\n`);
      await until(() => existsSync(`${options.file}-go`), { what: "leave to end", deadlineMs: 60_000 });
      io.to(socket.id).emit("said", id);
      done(process.pid);
    });
    // The answer may come by another worker; whoever gives it is told who has got it.
    socket.on("ask me", (id: string, done: () => void) => {
      done();
      socket.emit("question", id, (answer: string, thank: (pid: number) => void) => {
        io.to(socket.id).emit("answered", answer, process.pid);
        thank(process.pid);
      });
    });
    socket.on("where", (done: (pid: number) => void) => done(process.pid));
    socket.on("whisper", (id: string) => io.to(room ?? "").volatile.emit("whispered", id));
    socket.on("count", async (done: (count: number) => void) => done((await io.fetchSockets()).length));
  });
}
