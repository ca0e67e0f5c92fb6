/** One process that serves clients, by itself or as a worker: HTTP server, Socket.IO server, application. */

import { createServer, type RequestListener, type Server as HttpServer } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import { createAdapter } from "@socket.io/cluster-adapter";
import { Server } from "holdfast";
import type { Logger } from "pino";
import { type Application, attachApplication, pageDirectory } from "./app/index.ts";
import type { Configuration } from "./configuration.ts";
import type { Certificate } from "./http/certificate.ts";
import { isWebSocket } from "./http/forwarded.ts";
import { Health, type Readiness } from "./http/health.ts";
import { SecondStack } from "./http/second-stack.ts";
import { securityHeaders, staticFiles } from "./http/static-files.ts";
import { expose } from "./metrics/registry.ts";
import { ServerMetrics } from "./metrics/server-metrics.ts";
import { isRedisAddress } from "./store/open.ts";
import { openSharedKeys } from "./store/redis/shared-keys.ts";

export class ServingProcess {
  readonly io: Server;
  /** Undefined without an internal port: nobody would read them. */
  readonly metrics: ServerMetrics | undefined;
  readonly #http: HttpServer | TlsServer;
  readonly #secondStack: SecondStack | undefined;
  readonly #health = new Health();
  readonly #configuration: Configuration;
  readonly #log: Logger;
  readonly #application: Application;
  #ending: Promise<number> | undefined;

  constructor(
    configuration: Configuration,
    log: Logger,
    how: { readonly isWorker: boolean; readonly certificate?: Certificate | undefined },
  ) {
    this.#configuration = configuration;
    this.#log = log;
    const { target } = configuration.secondStack;
    this.#secondStack =
      target === undefined ? undefined : new SecondStack({ ...configuration.secondStack, target, log });
    this.#http = createHttpServer(how.certificate, this.#website());
    const { store, sessionLifeMs, retentionMs, node, chatDatabase, internalPort } = configuration;
    this.metrics = internalPort === undefined ? undefined : new ServerMetrics();
    this.io = new Server(this.#http, {
      // By default Engine.IO ends what is not its own after a second, also while somebody else answers it.
      ...(this.#secondStack === undefined ? {} : { destroyUpgrade: false }),
      // What is not stored, volatile events above all, reaches the other workers through the primary; a Redis
      // has a way of its own, also to other machines.
      ...(how.isWorker && !isRedisAddress(store) ? { adapter: createAdapter() } : {}),
      delivery: {
        store,
        sessionLifeMs,
        retention: { entryAgeMs: retentionMs, mailboxAgeMs: retentionMs },
        ...(node === undefined ? {} : { node }),
        ...(this.metrics === undefined ? {} : { meter: this.metrics.meter }),
      },
    });
    this.#passUpgradesOn();
    this.metrics?.attach(this.io);
    this.#application = attachApplication(this.io, { chatDatabase, openSharedKeys });
    this.#logReports();
  }

  /** Fulfils when the store is open; before that clients would be let in whom nothing can be promised. */
  get storeReady(): Promise<void> {
    return this.io.delivery.ready;
  }

  /** Fulfils when the application can do its work. */
  get applicationReady(): Promise<void> {
    return this.#application.ready;
  }

  /** Takes clients on a port of its own. Returns the port; rejects with Node's error. */
  async listen(): Promise<number> {
    const { host, port } = this.#configuration;
    await new Promise<void>((resolve, reject) => {
      this.#http.once("error", reject);
      this.#http.listen(port, host, resolve);
    });
    this.markReady();
    return (this.#http.address() as AddressInfo).port;
  }

  /** For handshakes from now on; connections that are open keep the one that they began with. */
  useCertificate({ context }: Certificate): void {
    if ("setSecureContext" in this.#http) this.#http.setSecureContext(context);
  }

  get readiness(): Readiness {
    return this.#health.readiness;
  }

  /** The metrics of this process alone, in Prometheus' format. */
  async scrape(): Promise<string> {
    return await expose(this.metrics === undefined ? [] : [await this.metrics.snapshot()]);
  }

  /** Readiness says so from now on. */
  markReady(): void {
    this.#health.readiness = "ready";
  }

  /**
   * Lets clients and handlers go in order. Returns the exit code: 0 when all of it was done, 1 when the time
   * limit cut it short or something failed. A second call returns what the first one will. Without `lead`,
   * load balancers get no time to notice.
   */
  end(why: string, lead = true): Promise<number> {
    this.#ending ??= this.#end(why, lead);
    return this.#ending;
  }

  async #end(why: string, lead: boolean): Promise<number> {
    const { drainLeadMs, shutdownTimeoutMs } = this.#configuration;
    const log = this.#log;
    log.info({ why, clients: this.io.engine.clientsCount }, "draining");
    this.#health.readiness = "draining";
    this.metrics?.drainBegun();
    if (lead) await wait(drainLeadMs);
    const cut = wait(shutdownTimeoutMs, 1, { ref: false }).then((code) => {
      log.error({ timeoutMs: shutdownTimeoutMs }, "shutdown took too long and was cut short");
      return code;
    });
    const code = await Promise.race([this.#letGo(), cut]);
    this.metrics?.drainEnded(code === 0 ? "completed" : "cut_short");
    return code;
  }

  async #letGo(): Promise<number> {
    const { drainBatchSize: batchSize, drainBatchIntervalMs: batchIntervalMs } = this.#configuration;
    // Half of the time for the clients, the rest for the handlers of the last ones and for the store.
    const withinMs = this.#configuration.shutdownTimeoutMs / 2;
    try {
      // Closes the listening socket only; connections that are open go on until they are let go in order.
      this.#http.close();
      await Promise.all([
        this.io.delivery.close({ batchSize, batchIntervalMs, withinMs, handlersTimeoutMs: withinMs }),
        this.#secondStack?.end(withinMs),
      ]);
      this.#http.closeAllConnections();
      await this.#application.close();
    } catch (error) {
      this.#log.error({ error }, "shutdown failed");
      return 1;
    }
    this.#log.info("ended");
    return 0;
  }

  /** What answers the requests that are not Socket.IO's. */
  #website(): RequestListener {
    const secondStack = this.#secondStack;
    const page = secondStack === undefined ? staticFiles(pageDirectory) : undefined;
    return (request, response) => {
      if (this.#health.handle(request, response)) return;
      if (secondStack !== undefined) return secondStack.answer(request, response);
      if (page?.(request, response)) return;
      response
        .writeHead(404, { ...securityHeaders, "content-type": "text/plain; charset=utf-8" })
        .end("Not found.\n");
    };
  }

  #passUpgradesOn(): void {
    const secondStack = this.#secondStack;
    if (secondStack === undefined) return;
    const path = `${this.io.path()}/`;
    this.#http.on("upgrade", (request, socket, head) => {
      // As Engine.IO tells its own from others.
      if (!request.url?.startsWith(path)) secondStack.upgrade(request, socket, head);
    });
  }

  #logReports(): void {
    const log = this.#log;
    this.io.delivery.on("store_error", ({ error }) => log.error({ error }, "the store refused"));
    this.io.delivery.on("publish_failed", ({ rooms, event, error }) =>
      log.error({ rooms, event, error }, "not published"),
    );
    this.io.delivery.on("refused", ({ session, code, detail }) =>
      log.warn({ session, code, detail }, "client refused"),
    );
  }
}

function createHttpServer(certificate: Certificate | undefined, listener: RequestListener) {
  const options = { shouldUpgradeCallback: isWebSocket };
  if (certificate === undefined) return createServer(options, listener);
  return createTlsServer(
    { ...options, ...certificate.context, handshakeTimeout: handshakeTimeoutMs },
    listener,
  );
}

/** Node's own is two minutes, for each connection of somebody who never says a word. */
const handshakeTimeoutMs = 10_000;
