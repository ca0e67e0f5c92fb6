/** A plain Socket.IO server with the options of its argument, and no handlers at all. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "socket.io";

const http = createServer((_request, response) => void response.writeHead(404).end());
new Server(http, JSON.parse(process.argv[2] ?? "{}") as object);
http.listen(0, "127.0.0.1", () => console.log(`port ${(http.address() as AddressInfo).port}`));
