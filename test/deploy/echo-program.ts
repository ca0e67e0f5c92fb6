/** A second stack that tells how it was asked: `echo-program.ts PORT [ADDRESS]`. */

import { createServer } from "node:http";

const [port, address = "127.0.0.1"] = process.argv.slice(2);

createServer(({ method, url, headers }, response) => {
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ address, method, url, headers }));
}).listen(Number(port), address, () => console.log("listening"));
