/** One node under load, as a process of its own. Health and drain are those of the shipped process. */

import { createServer } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { Health } from "../../src/http/health.ts";
import { answerParent, tellParent } from "../../test/harness/parent.ts";
import type { ServerOptions } from "./kinds.ts";
import { Node } from "./node.ts";

const options = JSON.parse(process.argv[2] ?? "{}") as ServerOptions;
const health = new Health();
const http = createServer((request, response) => {
  if (!health.handle(request, response)) response.writeHead(404).end();
});
const node = await Node.open(http, options, options.name);
answerParent(node.commands);

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
  await node.hush();
  await node.close(http);
  process.exit(0);
}
