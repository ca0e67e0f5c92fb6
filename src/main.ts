/** Reads the environment and becomes a single process, a primary with workers, or one of those workers. */

import cluster from "node:cluster";
import pino from "pino";
import { Primary } from "./cluster/primary.ts";
import { WorkerFailed } from "./cluster/worker-pool.ts";
import { PrimaryMetrics } from "./cluster/primary-metrics.ts";
import { joinCluster, notifyEnding, notifyReady } from "./cluster/worker.ts";
import { type Configuration, ConfigurationError, readConfiguration } from "./configuration.ts";
import { type Certificate, readCertificate } from "./http/certificate.ts";
import { InternalPort, type InternalPortOptions } from "./http/internal-port.ts";
import { contentType as metricsType } from "./metrics/registry.ts";
import { errorCatalogue } from "./protocol/errors.ts";
import { ServingProcess } from "./serve.ts";
import { shownAddress } from "./store/redis/address.ts";
import { claimAnyNodeName, claimNodeName, isNodeInUse } from "./store/node-name.ts";

const configuration = configurationOrExit();
const log = pino(
  { level: configuration.logLevel, base: { node: configuration.node ?? process.pid } },
  pino.destination(2),
);

/** Where the claim is a lease it would keep the name from a successor for a while. */
let releaseNodeName: () => Promise<void> = async () => undefined;

async function runAlone(): Promise<void> {
  const certificate = certificateOrExit();
  const node = await claimedNodeOrExit();
  const serving = new ServingProcess({ ...configuration, node }, log, { isWorker: false, certificate });
  endOnSignal((signal) => serving.end(signal));
  renewOnSignal(serving);
  await openInternalPort({
    readiness: () => serving.readiness,
    metrics: () => serving.scrape(),
    roll: () =>
      Promise.reject(new Error("this is a single process, there are no workers: set HOLDFAST_WORKERS")),
  });
  await serving.storeReady.catch(exitWithoutStore);
  await serving.applicationReady.catch(exitWithoutNames);
  const port = await serving.listen().catch((error: unknown) => exitOnStart(listenProblem(error)));
  announce(port);
}

async function runWorker(): Promise<void> {
  const serving = new ServingProcess(configuration, log, { isWorker: true });
  const { metrics } = serving;
  const measure = async () => (await metrics?.snapshot()) ?? [];
  const end = async (why: string, lead: boolean) => {
    const code = await serving.end(why, lead);
    await notifyEnding(await measure());
    process.exit(code);
  };
  joinCluster(serving.io, (lead) => void end("primary", lead), measure);
  // Ctrl-C reaches the whole process group; it is the primary that says when its workers end.
  process.on("SIGINT", () => undefined);
  process.on("SIGHUP", () => undefined);
  process.on("SIGTERM", () => void end("SIGTERM", false));
  await serving.storeReady.catch(exitWithoutStore);
  await serving.applicationReady.catch(exitWithoutNames);
  serving.markReady();
  notifyReady();
}

async function runPrimary(workers: number): Promise<void> {
  const { host, port, drainLeadMs, shutdownTimeoutMs } = configuration;
  const node = await claimedNodeOrExit();
  const primary = new Primary({
    workers,
    host,
    port,
    // One machine is one place to route to; inside it the primary knows where each connection lives.
    environment: { HOLDFAST_NODE: node },
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
  if (configuration.internalPort !== undefined) {
    const metrics = new PrimaryMetrics(primary.pool);
    await openInternalPort({
      readiness: () => primary.readiness,
      metrics: () => metrics.scrape(),
      roll: (tell) => primary.roll(tell),
    });
  }
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

/** Opened first of all, so that whoever watches sees the start as well. */
async function openInternalPort(options: Omit<InternalPortOptions, "metricsType">): Promise<void> {
  const { internalPort, internalHost } = configuration;
  if (internalPort === undefined) return;
  const port = await new InternalPort({ ...options, metricsType })
    .listen(internalHost, internalPort)
    .catch((error: unknown) => {
      const wrong = `HOLDFAST_INTERNAL_PORT=${internalPort}, HOLDFAST_INTERNAL_HOST=${internalHost}`;
      return exitOnStart(`The internal port cannot be opened (${wrong}): ${messageOf(error)}`);
    });
  process.stdout.write(`Health, metrics and commands are at ${urlOf(internalHost, port)}\n`);
}

function announce(port: number): void {
  const { host, workers } = configuration;
  log.info({ port, host, store: shownAddress(configuration.store), workers }, "listening");
  const scheme = configuration.tls === undefined ? "http" : "https";
  process.stdout.write(`Holdfast is at ${urlOf(host, port, scheme)}\n`);
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
    void end(signal).then(async (code) => {
      await releaseNodeName();
      process.exit(code);
    });
  };
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, handle);
  // The process manager pm2 asks this way, where it is told to.
  process.on("message", (message) => {
    if (message === "shutdown") handle("SIGTERM");
  });
}

function certificateOrExit(): Certificate | undefined {
  if (configuration.tls === undefined) return undefined;
  try {
    const certificate = readCertificate(configuration.tls);
    reportOn(certificate);
    return certificate;
  } catch (error) {
    return exitOnStart(["Holdfast did not start:", messageOf(error)].join("\n  "));
  }
}

/** A certificate that is wrong changes nothing: a renewal that failed must not end the service. */
function renewOnSignal(serving: ServingProcess): void {
  const { tls } = configuration;
  // The hang-up of a terminal that is closed, in front of which somebody tried this out.
  if (tls === undefined && process.stdout.isTTY) return;
  process.on("SIGHUP", () => {
    if (tls === undefined) return log.warn("SIGHUP: there is no certificate to read again");
    try {
      const certificate = readCertificate(tls);
      serving.useCertificate(certificate);
      log.info({ validTo: certificate.validTo }, "the certificate was read again");
      reportOn(certificate);
    } catch (error) {
      log.error(
        { reason: messageOf(error) },
        "the certificate was not exchanged: the one before stays in use",
      );
    }
  });
}

function reportOn({ warning, validFrom, validTo }: Certificate): void {
  if (warning !== undefined) log.warn({ validFrom, validTo }, warning);
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

/**
 * Before anything else is started or opened: of two trees with one name the second never comes to be. The
 * claim ends with the process, so that the name stays taken while clients are let go.
 */
async function claimedNodeOrExit(): Promise<string> {
  const { node, store } = configuration;
  try {
    const onLost = (error: unknown) =>
      log.error({ error }, "the node name is not this process's alone any more: restart one of the two");
    if (node !== undefined) {
      releaseNodeName = await claimNodeName(store, node, onLost);
      return node;
    }
    const { name, release } = await claimAnyNodeName(store, onLost);
    releaseNodeName = release;
    return name;
  } catch (error) {
    if (!isNodeInUse(error)) return exitWithoutStore(error);
    const { fix } = errorCatalogue.node_in_use;
    return exitOnStart(`HOLDFAST_NODE=${node ?? ""}: ${messageOf(error)} ${fix}`);
  }
}

function exitWithoutStore(error: unknown): never {
  return exitOnStart(
    `HOLDFAST_STORE=${shownAddress(configuration.store)} cannot be opened: ${messageOf(error)}`,
  );
}

function exitWithoutNames(error: unknown): never {
  const { chatDatabase } = configuration;
  return exitOnStart(
    `HOLDFAST_CHAT_DATABASE=${shownAddress(chatDatabase)} cannot be opened: ${messageOf(error)}`,
  );
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
function urlOf(host: string, port: number, scheme = "http"): string {
  if (["127.0.0.1", "::1", "0.0.0.0", "::"].includes(host)) return `${scheme}://localhost:${port}`;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Opening a large store takes a second or two. */
const workerReadyTimeoutMs = 30_000;
/** Beyond what a worker takes to end in order. */
const workerGraceMs = 5_000;

if (cluster.isWorker) await runWorker();
else if (configuration.workers > 0) await runPrimary(configuration.workers);
else await runAlone();
