/**
 * Two workers of one machine, each on a port of its own, so that a benchmark can publish in one and be a
 * member in the other. Hints of commits pass through the shipped pool of workers, or not at all.
 */

import cluster, { type Worker } from "node:cluster";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createAdapter, setupPrimary } from "@socket.io/cluster-adapter";
import { Server as DurableServer } from "holdfast";
import { Server as StockServer, type ServerOptions } from "socket.io";
import { isOrder } from "../src/cluster/messages.ts";
import { WorkerPool } from "../src/cluster/worker-pool.ts";
import { joinCluster, notifyReady } from "../src/cluster/worker.ts";
import { answerParent, tellParent } from "../test/harness/parent.ts";
import type { Ready, ServerInput } from "./server-program.ts";

const input = JSON.parse(process.argv[2] ?? "{}") as ServerInput;

if (cluster.isPrimary) await runPrimary();
else await runWorker();

async function runPrimary(): Promise<void> {
  cluster.setupPrimary({ serialization: "advanced" });
  setupPrimary();
  const joined = new Map<Worker, number>();
  const ports: number[] = [];
  cluster.on("message", (worker, message: Told) => {
    if (message.port !== undefined) ports.push(message.port);
    if (message.joined !== undefined) joined.set(worker, message.joined);
  });
  const nobody = { open: () => undefined, close: () => undefined, forget: () => undefined };
  const silent = { info: () => undefined, warn: console.error, error: console.error };
  const pool = new WorkerPool({
    size: 2,
    fork: () => cluster.fork(),
    routing: nobody,
    log: silent,
    readyTimeoutMs: 20_000,
    drainTimeoutMs: 20_000,
  });
  await pool.start();
  answerParent({ joined: () => [...joined.values()].reduce((sum, count) => sum + count, 0) });
  const [port = 0, publisherPort = 0] = ports;
  await tellParent("ready", { port, publisherPort, creditPort: 0 } satisfies Ready);
}

async function runWorker(): Promise<void> {
  const http = createServer();
  const settings: Partial<ServerOptions> = {
    pingInterval: 300_000,
    pingTimeout: 300_000,
    serveClient: false,
    adapter: createAdapter() as never,
  };
  const durable =
    input.kind === "stock"
      ? undefined
      : new DurableServer(http, { ...settings, delivery: { store: input.store } });
  const io = durable === undefined ? new StockServer(http, settings) : (durable as unknown as StockServer);
  let joined = 0;
  io.on("connection", async (socket) => {
    socket.on("say", (room: string, at: number) => io.to(room).emit("entry", { at, text: "x".repeat(100) }));
    const { rooms } = socket.handshake.auth as { rooms: readonly string[] };
    for (const room of rooms) await socket.join(room);
    tell({ joined: (joined += 1) });
  });
  // Without the cluster's messages a process finds by looking what the other has committed.
  if (durable !== undefined && input.workers === "with hints") joinCluster(durable, () => process.exit(0));
  process.on("message", (message) => isOrder(message) && message.holdfast === "drain" && process.exit(0));
  await durable?.delivery.ready;
  // Each on a port of its own, instead of one that the primary shares out.
  http.listen({ port: 0, host: "127.0.0.1", exclusive: true }, () => {
    tell({ port: (http.address() as AddressInfo).port });
    notifyReady();
  });
}

function tell(message: Told): void {
  process.send?.(message);
}

type Told = { readonly port?: number; readonly joined?: number };
