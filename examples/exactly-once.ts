/**
 * Exactly once: payments into accounts. The effect is in a database of the application's own, so the handler
 * writes the request's key along with it, in the same transaction, under a UNIQUE constraint. When the
 * process dies after the commit and before the outcome is recorded, the handler runs again, finds the key,
 * and answers what it answered then. What it publishes carries the same key by itself, and is stored once.
 *
 * Run it with `node examples/exactly-once.ts [PORT] [DIRECTORY]`.
 */

import { mkdirSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { currentRequest, Server } from "holdfast";

const [port = "3000", directory = "data"] = process.argv.slice(2);
mkdirSync(directory, { recursive: true });
const database = new DatabaseSync(`${directory}/bank.db`);
database.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, balance INTEGER NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS payments (
    request TEXT NOT NULL UNIQUE, account TEXT NOT NULL, amount INTEGER NOT NULL, balance INTEGER NOT NULL
  ) STRICT;
`);
const known = database.prepare("SELECT balance FROM payments WHERE request = ?");
const add = database.prepare(`
  INSERT INTO accounts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET balance = balance + excluded.balance
  RETURNING balance
`);
const insert = database.prepare("INSERT INTO payments VALUES (?, ?, ?, ?)");

const io = new Server(Number(port), { delivery: { store: `sqlite:${directory}/delivery.db` } });

io.on("connection", (socket) => {
  socket.on("watch", (account: string) => socket.join(`account ${account}`));

  socket.on("pay", async (account: string, amount: number, answer: (balance: number) => void) => {
    const balance = pay(currentRequest().id, account, amount);
    await io.to(`account ${account}`).publish("balance", account, balance);
    answer(balance);
  });
});

/** Pays once for each request, and returns the balance after it. */
function pay(request: string, account: string, amount: number): number {
  database.exec("BEGIN IMMEDIATE");
  try {
    const paid = known.get(request) as { balance: number } | undefined;
    const { balance } = paid ?? (add.get(account, amount) as { balance: number });
    if (paid === undefined) insert.run(request, account, amount, balance);
    database.exec("COMMIT");
    return balance;
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

// At the counter: const balance = await socket.emitWithAck("pay", "ann", 10);
console.log(`exactly once, on port ${port}`);
