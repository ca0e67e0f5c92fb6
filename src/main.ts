/**
 * One process: reads the environment, builds HTTP server, Socket.IO server and application, listens, and ends
 * in order.
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { Server } from "holdfast";
import pino from "pino";
import { attachApplication, pageDirectory } from "./app/index.ts";
import { type Configuration, ConfigurationError, readConfiguration } from "./configuration.ts";
import { Health } from "./http/health.ts";
import { securityHeaders, staticFiles } from "./http/static-files.ts";

const configuration = configurationOrExit();
const log = pino(
  { level: configuration.logLevel, base: { node: configuration.node ?? process.pid } },
  pino.destination(2),
);

const health = new Health();
const page = staticFiles(pageDirectory);
const httpServer = createServer((request, response) => {
  if (health.handle(request, response) || page(request, response)) return;
  response
    .writeHead(404, { ...securityHeaders, "content-type": "text/plain; charset=utf-8" })
    .end("Not found.\n");
});

const io = new Server(httpServer, {
  delivery: {
    store: configuration.store,
    sessionLifeMs: configuration.sessionLifeMs,
    retention: { entryAgeMs: configuration.retentionMs, mailboxAgeMs: configuration.retentionMs },
    ...(configuration.node === undefined ? {} : { node: configuration.node }),
  },
});
const detachApplication = attachApplication(io, { chatDatabase: configuration.chatDatabase });

io.delivery.on("store_error", ({ error }) => log.error({ error }, "the store refused"));
io.delivery.on("publish_failed", ({ rooms, event, error }) =>
  log.error({ rooms, event, error }, "not published"),
);
io.delivery.on("refused", ({ session, code, detail }) =>
  log.warn({ session, code, detail }, "client refused"),
);

// Listening before the store is open would let clients in whom nothing can be promised.
await io.delivery.ready.catch((error: unknown) =>
  exitOnStart(`HOLDFAST_STORE=${configuration.store} cannot be opened: ${messageOf(error)}`),
);
httpServer.once("error", (error: NodeJS.ErrnoException) => exitOnStart(listenProblem(error)));
httpServer.listen(configuration.port, configuration.host, () => {
  health.readiness = "ready";
  const { port } = httpServer.address() as AddressInfo;
  log.info({ port, host: configuration.host, store: configuration.store }, "listening");
  process.stdout.write(`Holdfast is at ${urlOf(configuration.host, port)}\n`);
});

let isEnding = false;
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, () => {
    if (isEnding) {
      log.warn({ signal }, "second signal, exiting at once");
      process.exit(1);
    }
    isEnding = true;
    void end(signal);
  });
}

/**
 * Lets clients and handlers go in order, and exits: 0 when all of it was done, 1 when the time limit cut it
 * short.
 */
async function end(signal: NodeJS.Signals): Promise<void> {
  log.info({ signal, clients: io.engine.clientsCount }, "draining");
  health.readiness = "draining";
  await wait(configuration.drainLeadMs);

  const limit = setTimeout(() => {
    log.error({ timeoutMs: configuration.shutdownTimeoutMs }, "shutdown took too long and was cut short");
    process.exit(1);
  }, configuration.shutdownTimeoutMs);
  limit.unref();

  try {
    // Closes the listening socket only; connections that are open go on until they are let go in order.
    httpServer.close();
    await io.delivery.close();
    httpServer.closeAllConnections();
    detachApplication();
  } catch (error) {
    log.error({ error }, "shutdown failed");
    process.exit(1);
  }
  log.info("ended");
  process.exit(0);
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

/** What stopped the start, and what to do about it. */
function listenProblem(error: NodeJS.ErrnoException): string {
  const { host, port } = configuration;
  switch (error.code) {
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
      return `Cannot listen on ${host} port ${port}: ${error.message}`;
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
