/**
 * A server that tells how it was asked, and answers everything with one status: `echo-program.ts PORT
 * [ADDRESS [STATUS]]`.
 */

import { createServer } from "node:http";

const [port, address = "127.0.0.1", status = "200"] = process.argv.slice(2);

createServer((request, response) => {
  const { method, url, headers } = request;
  // A body that is left unread would have the connection closed.
  request.resume();
  response.writeHead(Number(status), { "content-type": "application/json" });
  response.end(JSON.stringify({ address, port, method, url, headers }));
}).listen(Number(port), address, () => console.log("listening"));
