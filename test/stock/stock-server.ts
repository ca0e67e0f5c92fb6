/** The server program on stock Socket.IO: the control. */

import { Server } from "socket.io";
import { runServerProgram } from "../harness/server-program.ts";

runServerProgram((http, options) => {
  const io = new Server(http, options.server);
  return {
    io,
    publish: async (room, event, entry) => {
      io.to(room).emit(event, entry);
      return undefined;
    },
  };
});
