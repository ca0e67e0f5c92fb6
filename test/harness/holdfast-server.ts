/** The server program on Holdfast. */

import { Server } from "holdfast";
import { runServerProgram } from "./server-program.ts";

runServerProgram((http, options) => {
  if (options.delivery === undefined) throw new Error("Holdfast is tested with an explicit store");
  const io = new Server(http, { ...options.server, delivery: options.delivery });
  return { io, publish: (room, event, entry) => io.to(room).publish(event, entry) };
});
