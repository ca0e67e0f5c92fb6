/** Real proxies with a configuration of the test's own, mostly a wrong one. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createConnection } from "node:net";
import { systemProgram } from "../../../scripts/system-packages.mjs";
import { startChild } from "../../harness/child.ts";
import { freePort } from "../../harness/free-port.ts";
import type { Owner } from "../../harness/owner.ts";
import { until } from "../../harness/until.ts";

export const haproxy = systemProgram("haproxy");
export const nginx = systemProgram("nginx");

/** Starts HAProxy with `rules` in its one front end and a back end with these lines. Returns its port. */
export async function startHaproxy(
  owner: Owner,
  parts: {
    readonly backend: readonly string[];
    readonly rules?: readonly string[];
    readonly bind?: string;
    readonly timeouts?: readonly string[];
  },
): Promise<number> {
  const port = await freePort();
  const { backend, rules = [], bind = "", timeouts = [] } = parts;
  const text = [
    "global",
    "  maxconn 1000",
    "defaults",
    "  mode http",
    "  timeout connect 3s",
    "  timeout client 60s",
    "  timeout server 60s",
    "  timeout tunnel 75s",
    ...timeouts.map((line) => `  ${line}`),
    "frontend site",
    `  bind 127.0.0.1:${port} ${bind}`,
    ...rules.map((line) => `  ${line}`),
    "  default_backend nodes",
    "backend nodes",
    "  balance roundrobin",
    ...backend.map((line) => `  ${line}`),
    "",
  ].join("\n");
  const file = join(folderOf(owner), "haproxy.cfg");
  writeFileSync(file, text);
  startChild(owner, { program: haproxy ?? "", native: true, args: ["-db", "-f", file] });
  await listening(port);
  return port;
}

/**
 * Server lines for nodes by name; with the rule that keeps a client at its node, unless it is `scattered`.
 */
export function haproxyNodes(ports: Readonly<Record<string, number>>, scattered = false): readonly string[] {
  const rule = "use-server %[urlp(sid),field(1,-)] if { urlp(sid) -m found }";
  const servers = Object.entries(ports).map(([name, port]) => `server ${name} 127.0.0.1:${port}`);
  return scattered ? servers : [rule, ...servers];
}

/** Starts nginx with these lines in front of and inside the location of Socket.IO. Returns its port. */
export async function startNginx(
  owner: Owner,
  parts: {
    readonly http: readonly string[];
    readonly location: readonly string[];
    readonly listen?: string;
    readonly server?: readonly string[];
  },
): Promise<number> {
  const port = await freePort();
  const folder = folderOf(owner);
  const { http, location, listen = "", server = [] } = parts;
  const scratch = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const text = [
    `pid ${folder}/nginx.pid;`,
    "error_log stderr;",
    "daemon off;",
    "master_process off;",
    "events { worker_connections 1000; }",
    "http {",
    "  access_log off;",
    ...scratch.map((name) => `  ${name}_temp_path ${folder}/${name};`),
    ...http.map((line) => `  ${line}`),
    "  server {",
    `    listen 127.0.0.1:${port} ${listen};`,
    ...server.map((line) => `    ${line}`),
    "    location / {",
    ...location.map((line) => `      ${line}`),
    "    }",
    "  }",
    "}",
    "",
  ].join("\n");
  const file = join(folder, "nginx.conf");
  writeFileSync(file, text);
  startChild(owner, { program: nginx ?? "", native: true, args: ["-c", file, "-e", "stderr"] });
  await listening(port);
  return port;
}

/** The upstream of each node by the prefix of the sid, and all of them in turn for a client that is new. */
export function nginxNodes(ports: Readonly<Record<string, number>>, scattered = false): readonly string[] {
  const all = Object.values(ports).map((port) => `server 127.0.0.1:${port};`);
  const each = Object.entries(ports).map(([name, port]) => `upstream ${name} { server 127.0.0.1:${port}; }`);
  const routes = Object.keys(ports).map((name) => `"~^${name}-" ${name};`);
  const ways = scattered ? [] : routes;
  return [
    `upstream any { ${all.join(" ")} }`,
    ...each,
    `map $arg_sid $node { default any; ${ways.join(" ")} }`,
    "map $http_upgrade $connection_upgrade { default upgrade; '' ''; }",
  ];
}

/** What a location needs to pass everything on. */
export const passesAll: readonly string[] = [
  "proxy_pass http://$node;",
  "proxy_http_version 1.1;",
  "proxy_set_header Upgrade $http_upgrade;",
  "proxy_set_header Connection $connection_upgrade;",
  "proxy_set_header Host $host;",
  "proxy_buffering off;",
  "proxy_read_timeout 75s;",
];

function folderOf(owner: Owner): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-proxy-"));
  owner.onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function listening(port: number): Promise<void> {
  const tries = () =>
    new Promise<boolean>((resolve) => {
      const socket = createConnection({ port, host: "127.0.0.1" });
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    });
  await until(tries, { deadlineMs: 10_000, what: `a proxy on port ${port}` });
}
