/**
 * One node under load: a small application on Holdfast or on a control, which publishes on its own account,
 * handles what clients emit, and tells the ledger of both. Health and drain are those of the shipped process.
 */

import { createServer } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { Server } from "socket.io";
import { currentRequest } from "holdfast";
import { Health } from "../../src/http/health.ts";
import { answerParent, tellParent } from "../../test/harness/parent.ts";
import { type Introduction, lastPublisher, replyTo, type Work } from "../contract.ts";
import { type MadeServer, makeServer, type ServerOptions } from "./kinds.ts";
import { LedgerStream } from "./ledger-stream.ts";
import { Speaker, type Talking } from "./speaker.ts";
import { now } from "./wall-clock.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as ServerOptions;
const health = new Health();
const http = createServer((request, response) => {
  if (!health.handle(request, response)) response.writeHead(404).end();
});
const made: MadeServer = await makeServer(http, options);
const ledger = await LedgerStream.open(options.ledger, options.name);
// With the process, because a node that is started again counts from one again.
const speaker = new Speaker(`${options.name}.${process.pid}`, made.publish, ledger);

attach(made.io);

function attach(io: Server): void {
  io.on("connection", (socket) => {
    const { client, rooms } = socket.handshake.auth as Introduction;
    const joined = Promise.resolve(socket.recovered ? undefined : socket.join([...rooms]));
    socket.on("arrive", async (acknowledge: () => void) => {
      await joined;
      acknowledge();
    });
    socket.on("work", async ({ id, intendedAt, publishTo }: Work, acknowledge?: (reply: string) => void) => {
      const key = made.isDurable ? (currentRequest()?.id ?? "none") : `${client}:${id}`;
      ledger.write(["run", client, id, now(), key]);
      if (publishTo !== undefined)
        await speaker.say({ publisher: `client ${client}`, sequence: id, room: publishTo, intendedAt });
      acknowledge?.(replyTo(client, id));
    });
  });
}

answerParent({
  /** Answers with the name that its entries carry. */
  talk: (talking: Talking) => speaker.talk(talking),
  /** Publishes the last entry of each room; answers when all have their receipts. */
  close: async ({ rooms }: { readonly rooms: readonly string[] }) => {
    const intendedAt = now();
    const say = (room: string, index: number) =>
      speaker.say({ publisher: lastPublisher, sequence: index + 1, room, intendedAt });
    await Promise.all(rooms.map(say));
  },
  usage: () => {
    const { user, system } = process.cpuUsage();
    return { cpuMicros: user + system };
  },
});

process.on("SIGTERM", () => void end());
// Ctrl-C reaches the whole group; it is the conductor that says when its servers end.
process.on("SIGINT", () => undefined);

http.listen(options.port, "127.0.0.1", () => {
  health.readiness = "ready";
  void tellParent("ready", {});
});

async function end(): Promise<void> {
  health.readiness = "draining";
  await wait(options.drainLeadMs);
  await speaker.hush();
  http.close();
  await made.close();
  http.closeAllConnections();
  await ledger.close();
  process.exit(0);
}
