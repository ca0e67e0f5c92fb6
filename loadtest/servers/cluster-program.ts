/**
 * Several nodes under load as one cluster: the shipped primary and its workers, with the application of the
 * load test in them. Workers of a control run behind the same primary, by Socket.IO's own sticky module and
 * cluster adapter.
 */

import cluster from "node:cluster";
import { createServer } from "node:http";
import { setupWorker } from "@socket.io/sticky";
import type { Server as HoldfastServer } from "holdfast";
import pino from "pino";
import { isOrder } from "../../src/cluster/messages.ts";
import { Primary } from "../../src/cluster/primary.ts";
import { joinCluster, notifyReady } from "../../src/cluster/worker.ts";
import { InternalPort } from "../../src/http/internal-port.ts";
import { answerParent, type ChildEvent, tellParent } from "../../test/harness/parent.ts";
import { ask, type Hushed, Talks } from "./cluster-talks.ts";
import type { ServerOptions } from "./kinds.ts";
import { Node, type Usage } from "./node.ts";
import type { Talking } from "./speaker.ts";
import { now } from "./wall-clock.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as ClusterOptions;
// Ctrl-C reaches the whole group; it is the conductor that says when its servers end.
process.on("SIGINT", () => undefined);
if (cluster.isPrimary) await runPrimary();
else await runWorker();

async function runPrimary(): Promise<void> {
  const primary = new Primary({
    workers: options.workers,
    host: "0.0.0.0",
    port: options.port,
    environment: {},
    log: pino({ level: "warn" }, pino.destination(2)),
    readyTimeoutMs: 30_000,
    drainTimeoutMs: 60_000,
  });
  const workers = () => primary.pool.answering;
  const talks = new Talks();
  cluster.on("message", (_worker, message: ChildEvent) => {
    if (message.event === "hushed") void talks.handOver(message.value as Hushed, workers());
  });
  answerParent({
    talk: async (talking: Talking) => await talks.begin(talking, workers()),
    talks: () => talks.list,
    close: async (input: unknown) => {
      const worker = workers().at(-1);
      if (worker !== undefined) await ask(worker, "close", input);
    },
    usage: async (): Promise<Usage> => {
      const usages = await Promise.all(workers().map((worker) => ask<Usage>(worker, "usage", {})));
      const { user, system } = process.cpuUsage();
      return { cpuMicros: usages.reduce((sum, { cpuMicros }) => sum + cpuMicros, user + system) };
    },
  });
  const internal = new InternalPort({
    readiness: () => primary.readiness,
    metrics: () => Promise.resolve(""),
    metricsType: "text/plain",
    roll: (tell) => primary.roll(tell),
  });
  await internal.listen("127.0.0.1", options.internalPort);
  await primary.start();
  await tellParent("ready", {});
}

async function runWorker(): Promise<void> {
  // Sticky hands connections over; this server does not listen itself.
  const name = `${options.name} worker ${cluster.worker?.id}`;
  const node = await Node.open(createServer(), { ...options, inCluster: true }, name);
  answerParent(node.commands);
  const { io } = node.made;
  if (node.made.isDurable) joinCluster(io as unknown as HoldfastServer, () => void end(node));
  else {
    setupWorker(io);
    process.on("message", (message) => {
      if (isOrder(message) && message.holdfast === "drain") void end(node);
    });
  }
  notifyReady();
}

async function end(node: Node): Promise<void> {
  await tellParent("hushed", { pid: process.pid, at: now() } satisfies Hushed);
  await node.hush();
  await node.close();
  process.exit(0);
}

// --- types ---

export type ClusterOptions = ServerOptions & { readonly workers: number; readonly internalPort: number };
