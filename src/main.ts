/** Reads the environment and becomes a single process, a primary with workers, or one of those workers. */

import cluster from "node:cluster";
import { randomBytes } from "node:crypto";
import pino from "pino";
import { Primary } from "./cluster/primary.ts";
import { WorkerFailed } from "./cluster/worker-pool.ts";
import { joinCluster, notifyReady } from "./cluster/worker.ts";
import { type Configuration, ConfigurationError, readConfiguration } from "./configuration.ts";
import { ServingProcess } from "./serve.ts";

const configuration = configurationOrExit();
const log = pino(
  { level: configuration.logLevel, base: { node: configuration.node ?? process.pid } },
  pino.destination(2),
);

async function runAlone(): Promise<void> {
  const serving = new ServingProcess(configuration, log, { isWorker: false });
  endOnSignal((signal) => serving.end(signal));
  await serving.storeReady.catch(exitWithoutStore);
  const port = await serving.listen().catch((error: unknown) => exitOnStart(listenProblem(error)));
  announce(port);
}

async function runWorker(): Promise<void> {
  const serving = new ServingProcess(configuration, log, { isWorker: true });
  const end = (why: string, lead: boolean) => void serving.end(why, lead).then((code) => process.exit(code));
  joinCluster(serving.io, (lead) => end("primary", lead));
  // Ctrl-C reaches the whole process group; it is the primary that says when its workers end.
  process.on("SIGINT", () => undefined);
  process.on("SIGHUP", () => undefined);
  process.on("SIGTERM", () => end("SIGTERM", false));
  await serving.storeReady.catch(exitWithoutStore);
  serving.markReady();
  notifyReady();
}

async function runPrimary(workers: number): Promise<void> {
  const { host, port, node, drainLeadMs, shutdownTimeoutMs } = configuration;
  const primary = new Primary({
    workers,
    host,
    port,
    // One machine is one place to route to; inside it the primary knows where each connection lives.
    environment: { HOLDFAST_NODE: node ?? randomBytes(3).toString("hex").slice(0, 3) },
    log,
    readyTimeoutMs: workerReadyTimeoutMs,
    drainTimeoutMs: drainLeadMs + shutdownTimeoutMs + workerGraceMs,
  });
  endOnSignal(
    async () => {
      await primary.end();
      return 0;
    },
    () => primary.pool.kill(),
  );
  process.on("SIGHUP", () => void primary.roll().catch(() => undefined));
  const bound = await primary.start().catch((error: unknown) => {
    // A worker that refuses to start has said why.
    if (error instanceof WorkerFailed) {
      process.stderr.write(`Holdfast did not start: ${error.message}.\n`);
      process.exit(error.exitCode === 2 ? 2 : 1);
    }
    return exitOnStart(listenProblem(error));
  });
  announce(bound);
}

function announce(port: number): void {
  const { host, store, workers } = configuration;
  log.info({ port, host, store, workers }, "listening");
  process.stdout.write(`Holdfast is at ${urlOf(host, port)}\n`);
}

/** The first signal ends in order, the second one at once. */
function endOnSignal(
  end: (signal: NodeJS.Signals) => Promise<number>,
  abandon = () => undefined as void,
): void {
  let isEnding = false;
  const handle = (signal: NodeJS.Signals) => {
    if (isEnding) {
      log.warn({ signal }, "second signal, exiting at once");
      abandon();
      process.exit(1);
    }
    isEnding = true;
    void end(signal).then((code) => process.exit(code));
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, handle);
  // The process manager pm2 asks this way, where it is told to.
  process.on("message", (message) => {
    if (message === "shutdown") handle("SIGTERM");
  });
}

function configurationOrExit(): Configuration {
  try {
    return readConfiguration(process.env);
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    return exitOnStart(
      ["Holdfast did not start:", ...error.problems, "See docs/CONFIGURATION.md."].join("\n  "),
    );
  }
}

function exitWithoutStore(error: unknown): never {
  return exitOnStart(`HOLDFAST_STORE=${configuration.store} cannot be opened: ${messageOf(error)}`);
}

/** What stopped the start, and what to do about it. */
function listenProblem(error: unknown): string {
  const { host, port } = configuration;
  switch ((error as NodeJS.ErrnoException).code) {
    case "EADDRINUSE":
      return (
        `Port ${port} on ${host} is in use by another process (perhaps an earlier start of this one).\n` +
        `Stop that one, or choose another port: PORT=${port === 65_535 ? 3000 : port + 1} npm start`
      );
    case "EACCES":
      return `Port ${port} needs rights that this process lacks. Choose one above 1023: PORT=3000 npm start`;
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return `HOST=${host} is not an address of this machine. Try 127.0.0.1, or 0.0.0.0 for all of them.`;
    default:
      return `Cannot listen on ${host} port ${port}: ${messageOf(error)}`;
  }
}

function exitOnStart(message: string): never {
  process.stderr.write(`${message}\n`);
  process.exit(2);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** An address that a browser on this machine can open. */
function urlOf(host: string, port: number): string {
  if (["127.0.0.1", "::1", "0.0.0.0", "::"].includes(host)) return `http://localhost:${port}`;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Opening a large store takes a second or two. */
const workerReadyTimeoutMs = 30_000;
/** Beyond what a worker takes to end in order. */
const workerGraceMs = 5_000;

if (cluster.isWorker) await runWorker();
else if (configuration.workers > 0) await runPrimary(configuration.workers);
else await runAlone();
