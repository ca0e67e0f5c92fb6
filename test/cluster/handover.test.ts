/** The moment in which the primary hands a connection to a worker: what the client sends then is not lost. */

import { randomBytes } from "node:crypto";
import { createConnection } from "node:net";
import { expect, test } from "vitest";
import { until } from "../harness/until.ts";
import { startTree, type Tree } from "./tree.ts";

test("what arrives while a worker takes over the connection waits for the worker", {
  timeout: 60_000,
}, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers: 1 });
  const { pid = 0 } = (await tree.workers())[0] ?? {};
  const client = createConnection({ port: tree.port, host: "127.0.0.1", noDelay: true });
  context.onTestFinished(() => void client.destroy());
  let answers = "";
  client.setEncoding("latin1").on("data", (text: string) => {
    answers += text;
  });
  // A worker that is slow to take it over. A client waits for the worker's first word before it goes on; then
  // it is the primary that is slow to let go, and which of the two reads first is a matter of luck.
  process.kill(pid, "SIGSTOP");
  client.write(upgrade);
  await primaryHasRead(tree);
  client.write(maskedFrame("40"));
  await primaryHasRead(tree);
  process.kill(pid, "SIGCONT");
  await until(() => answers.includes('40{"sid"'), { what: "to be let in", state: () => answers });
  expect(answers).toContain("101 Switching Protocols");
});

test("a body that comes in many pieces is passed on whole", { timeout: 60_000 }, async (context) => {
  const tree = await startTree(context, { kind: "Holdfast", workers: 1 });
  const url = `${tree.url}/socket.io/?EIO=4&transport=polling`;
  const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1)) as { sid: string };
  // A hello, and as many empty packets as make it a large one.
  const body = `40${"\u001e6".repeat(200_000)}`;
  const response = await fetch(`${url}&sid=${sid}`, { method: "POST", body });
  expect(await response.text()).toBe("ok");
  expect(await (await fetch(`${url}&sid=${sid}`)).text()).toContain('40{"sid"');
});

/** It answers in turn with what comes from its clients. */
async function primaryHasRead(tree: Tree): Promise<void> {
  for (let answer = 0; answer < 20; answer++) await tree.workers();
}

const upgrade = [
  "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
  "Host: holdfast",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
  "\r\n",
].join("\r\n");

/** A short text in one frame, with a mask of zeros. */
function maskedFrame(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x81, 0x80 | text.length, 0, 0, 0, 0]), Buffer.from(text)]);
}
