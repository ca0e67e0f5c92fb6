/**
 * The ledger: a process of its own that takes what servers and clients report, and judges it. It knows
 * nothing of Holdfast or Socket.IO.
 */

import { writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { createInterface } from "node:readline";
import { gzipSync } from "node:zlib";
import { answerParent, tellParent } from "../../test/harness/parent.ts";
import type { ClientAnswer, ClientPart, Happening, ServerLine, Start } from "../contract.ts";
import { Book } from "./book.ts";
import { courseOf } from "./course.ts";
import { complaintsOf, emissionLag, type Expectations, objectionsTo } from "./validity.ts";
import { verdictOf } from "./verdict.ts";

const addresses = JSON.parse(process.argv[2] ?? "[]") as string[];
const book = new Book();
/** What clients are told when they report. */
let answer: ClientAnswer = {};
/** Streams of servers that have not ended. */
let serversTold = 0;

// The conductor ends it, also when Ctrl-C reaches the whole group.
process.on("SIGINT", () => undefined);

const routes: Readonly<Record<string, (request: IncomingMessage, url: URL) => Promise<string>>> = {
  "GET /clock": async () => String(performance.timeOrigin + performance.now()),
  "POST /start": async (request) => {
    book.start = (await json(request)) as Start;
    return "";
  },
  "POST /clients": async (request) => {
    for (const part of (await json(request)) as ClientPart[]) book.addPart(part);
    return JSON.stringify(answer);
  },
  "POST /servers": async (request, url) => {
    const server = url.searchParams.get("name") ?? "";
    serversTold += 1;
    try {
      for await (const line of createInterface({ input: request })) takeLine(server, line);
    } catch {
      // It was killed. What it had written has been read.
    } finally {
      serversTold -= 1;
    }
    return "";
  },
};

/** Half a line is what a killed server was about to write. */
function takeLine(server: string, text: string): void {
  let line: ServerLine;
  try {
    line = JSON.parse(text) as ServerLine;
  } catch {
    return;
  }
  book.addLine(server, line);
}

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://ledger");
  const route = routes[`${request.method} ${url.pathname}`];
  if (route === undefined) response.writeHead(404).end();
  else response.end(await route(request, url));
}

answerParent({
  note: (happening: Happening) => void book.happenings.push(happening),
  /** Has clients end their talk at another moment than was planned. */
  hush: (changed: ClientAnswer) => void (answer = changed),
  progress: (): Progress => ({
    startedAt: book.start?.startedAt,
    deliveries: book.deliveries,
    published: book.publishes + book.said,
    handled: book.handled,
    connected: book.connected(),
    serversTold,
  }),
  /** Writes all of it into a file. */
  dump: ({ file }: { readonly file: string }) => writeFileSync(file, gzipSync(JSON.stringify(book.dump()))),
  complaints: () => complaintsOf(book.clients()),
  judge,
});

function judge({ lateAfterMs, ...expectations }: Expectations & { readonly lateAfterMs: number }): Judgement {
  book.addSays();
  const handlersReported = book.handled > 0;
  // Without reports of servers a client that publishes knows by the entries what became of its events.
  const judgesByEntries = !handlersReported && book.said > 0;
  const places = [...book.entries.values()].flatMap(({ place }) => (place === undefined ? [] : [place]));
  return {
    handlersReported,
    verdict: verdictOf(book, { lateAfterMs, judgesByEntries, killsUnknown: expectations.isTarget === true }),
    objections: objectionsTo(book, expectations),
    course: courseOf(book),
    happenings: book.happenings,
    startedAt: book.start?.startedAt ?? 0,
    emissionLagMs: emissionLag(book.clients()).summary(),
    durabilities: [...new Set(places.map(({ durability }) => durability))],
  };
}

const servers = addresses.map(() =>
  createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(400);
      response.end();
    });
  }),
);
let port = Number(process.argv[3] ?? 0);
for (const [index, server] of servers.entries()) {
  // A server's stream lasts as long as the server, and clients come back on the connection that they have.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 600_000;
  await new Promise<void>((resolve) => server.listen(port, addresses[index], resolve));
  port = (server.address() as AddressInfo).port;
}
await tellParent("ready", { port });

// --- types ---

export type Progress = {
  readonly startedAt: number | undefined;
  readonly deliveries: number;
  readonly published: number;
  readonly handled: number;
  readonly connected: number;
  readonly serversTold: number;
};

export type Judgement = {
  /** Servers told which events they handled; without that only clients can tell. */
  readonly handlersReported: boolean;
  readonly verdict: ReturnType<typeof verdictOf>;
  readonly objections: readonly string[];
  readonly course: ReturnType<typeof courseOf>;
  readonly happenings: readonly Happening[];
  readonly startedAt: number;
  readonly emissionLagMs: ReturnType<ReturnType<typeof emissionLag>["summary"]>;
  readonly durabilities: readonly string[];
};
