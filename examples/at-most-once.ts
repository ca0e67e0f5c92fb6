/**
 * At most once: positions of players in a game. A new one comes in a moment, so one that is lost is no loss,
 * and one that comes late would be wrong. `volatile` says so, on both sides; nothing is stored, queued or
 * sent again.
 *
 * Run it with `node examples/at-most-once.ts [PORT]`.
 */

import { Server } from "holdfast";

const [port = "3000"] = process.argv.slice(2);
const io = new Server(Number(port), { delivery: { store: "memory:" } });

io.on("connection", (socket) => {
  socket.on("position", (player: string, x: number, y: number) => {
    socket.broadcast.volatile.emit("position", player, x, y);
  });
});

// In the game: socket.volatile.emit("position", "ann", 3, 4);
console.log(`at most once, on port ${port}`);
