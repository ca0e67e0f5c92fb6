/**
 * Connection ids that name their node, and what the node says about it to whoever routes by them. Edges that
 * know each node by its name need no more than the id. Those that find nodes by DNS learn the names: every
 * answer says the node's own, and who is asked for a connection of another node's answers 404, upon which an
 * edge may ask the next one, because nothing has been done.
 */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { randomBytes } from "node:crypto";
import type { Server } from "socket.io";

/**
 * Makes connection ids `<node>-<16 characters>`: 20 characters, as `@socket.io/sticky` and load balancers
 * expect.
 */
export function nameNodeInConnectionIds(server: Server, node: string): void {
  const { engine } = server as unknown as { engine: EngineServer };
  engine.generateId = () => `${node}-${randomBytes(12).toString("base64url")}`;
  engine.on("headers", (headers) => {
    headers[nodeHeader] = node;
  });
  const verify = engine.verify.bind(engine);
  // Not a middleware: where there is one, Engine.IO takes no WebTransport.
  engine.verify = (request, isUpgrade, decide) =>
    verify(request, isUpgrade, (fault, context) => {
      if (fault === unknownConnection && isOfAnotherNode(request, node)) answerNotHere(request, isUpgrade);
      else decide(fault, context);
    });
}

function isOfAnotherNode({ _query }: EngineRequest, node: string): boolean {
  const [, name] = /^(\w{3})-/.exec(_query["sid"] ?? "") ?? [];
  return name !== undefined && name !== node;
}

/**
 * With the body of Engine.IO's own answer, which is 400, also for a connection of this node's that is gone.
 */
function answerNotHere(request: EngineRequest, isUpgrade: boolean): void {
  const body = JSON.stringify({ code: unknownConnection, message: "Session ID unknown" });
  const headers = { "content-type": "application/json", "content-length": body.length };
  if (!isUpgrade) return void request.res?.writeHead(404, headers).end(body);
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const socket: Duplex = request.socket;
  socket.on("error", () => socket.destroy());
  socket.end(`HTTP/1.1 404 Not Found\r\n${head.join("")}connection: close\r\n\r\n${body}`);
}

const nodeHeader = "X-Holdfast-Node";
/** Engine.IO's `UNKNOWN_SID`. */
const unknownConnection = 1;

// --- types ---

type EngineRequest = IncomingMessage & {
  readonly _query: Readonly<Record<string, string | undefined>>;
  readonly res?: ServerResponse;
};

type Decide = (fault?: number, context?: unknown) => void;

/** What of Engine.IO's server is used here; `socket-io.test.ts` has the contract. */
type EngineServer = {
  generateId: () => string;
  verify(request: EngineRequest, isUpgrade: boolean, decide: Decide): void;
  on(event: "headers", listener: (headers: Record<string, string>) => void): void;
};
