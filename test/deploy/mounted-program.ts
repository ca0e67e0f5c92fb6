/** An application of somebody's own on Holdfast, with the load test's events beside its own. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "holdfast";
import { mountLoadtest } from "../../loadtest/servers/mount.ts";
import { tellParent } from "../harness/parent.ts";

const http = createServer();
const io = new Server(http, { serveClient: false, delivery: { store: "memory:" } });
mountLoadtest(io, { name: `mounted-${process.pid}`, ledger: process.argv[2] });
await io.delivery.ready;
http.listen(0, "127.0.0.1", () => void tellParent("ready", { port: (http.address() as AddressInfo).port }));
