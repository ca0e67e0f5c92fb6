/**
 * At least once: orders that are confirmed by mail. Holdfast hands an order to the handler until its outcome
 * is recorded. The mail is sent by somebody else's server, which takes part in no transaction of ours: when
 * this process dies after the mail has gone out and before the outcome is recorded, the handler runs again,
 * and so does the mail. The order is never forgotten; a second mail is the price.
 *
 * Run it with `node examples/at-least-once.ts [PORT] [DIRECTORY]`.
 */

import { appendFile, mkdir } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { currentRequest, RetryLater, Server } from "holdfast";

const [port = "3000", directory = "data"] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const io = new Server(Number(port), { delivery: { store: `sqlite:${directory}/orders.db` } });

io.on("connection", (socket) => {
  socket.on("order", async (order: { mail: string; article: string }, answer: (reply: string) => void) => {
    try {
      await sendMail(order.mail, `Your order of ${order.article}`, currentRequest().id);
    } catch (cause) {
      // The mail server is down: the client sends the order again later, with a growing delay.
      throw new RetryLater("the mail server is down", { cause });
    }
    answer("ordered");
  });
});

/** Stands for a mail server: the mail is out with the first line, and it takes its time to say so. */
async function sendMail(address: string, subject: string, id: string): Promise<void> {
  await appendFile(`${directory}/mails.txt`, `${id} ${address}: ${subject}\n`);
  await pause(200);
}

// In the shop: const reply = await socket.emitWithAck("order", { mail: "ann@example.org", article: "a kettle"
// });
console.log(`at least once, on port ${port}`);
