/**
 * What a finding means and what to change, in which file. Everything that names a shipped file or a setting
 * stands here; a line for one proxy is left out where another one was recognised.
 */

import { type ErrorCode, errorCatalogue } from "../../protocol/errors.ts";

/** Shipped files and folders that cures send their reader to. */
export const places = {
  haproxyNodes: "haproxy/nodes.cfg",
  haproxyBase: "haproxy/base.cfg",
  haproxyEdge: "haproxy/edge-tls.cfg",
  nginxNodes: "nginx/parts/nodes-map.conf",
  nginxHttp: "nginx/parts/http.conf",
  nginxSocketIo: "nginx/parts/socketio.conf",
  nginxTls: "nginx/parts/edge-tls.conf",
  tls: "deploy/tls/README.md",
  settings: "docs/CONFIGURATION.md",
  options: "docs/OPTIONS.md",
  redis: "docs/REDIS.md",
  compatibility: "docs/COMPATIBILITY.md",
} as const;

export function noStickiness(nodes: number): Cure {
  const seen =
    nodes === 1
      ? "All connection ids name the same node: two nodes may run under one HOLDFAST_NODE."
      : "A hash of the sid does not do: the sid is made after the choice of the node.";
  return {
    means:
      "No stickiness: a client's next request reaches a node that does not know its connection. Clients " +
      "that poll are cut off again and again.",
    change: [
      `HAProxy: route by the node prefix of the sid, use-server in the backend (${places.haproxyNodes}).`,
      `nginx: route by the node prefix of the sid, sticky route or map (${places.nginxNodes}).`,
      "Nodes: give each the HOLDFAST_NODE by which the proxy calls it. " + seen,
    ],
  };
}

export const badGateway: Cure = {
  means: "The proxy answers, and has no node behind it that does.",
  change: [
    "Nodes: is one ready? GET /readyz of each has to answer 200; their log says why not.",
    `HAProxy: server lines and option httpchk name the nodes' ports (${places.haproxyNodes}).`,
    `nginx: the upstream block names the nodes' ports (${places.nginxNodes}).`,
  ],
};

export const someGatewaysBad: Cure = {
  means:
    "Some requests reach a node, others none: the proxy sends clients to nodes that are not there. For " +
    "some seconds that is so after its start or reload, until its checks have found out.",
  change: [
    "Check again in ten seconds. If it is the same then:",
    `HAProxy: server lines without check, or for nodes that never run (${places.haproxyNodes}).`,
    `nginx: server lines of nodes that do not run (${places.nginxNodes}).`,
    "Nodes: is each ready? GET /readyz has to answer 200; their log says why not.",
  ],
};

export const rateLimited: Cure = {
  means:
    "The limit on new connections turned some away. All clients of this check come from one address, as " +
    "users behind one company's proxy do.",
  change: [
    `HAProxy: the rate limit of handshakes, HANDSHAKES_PER_10S (${places.haproxyBase}); or fewer --clients.`,
    `nginx: limit_req of handshakes (${places.nginxHttp}); or fewer --clients.`,
  ],
};

export const pollingBroken: Cure = {
  means: "Clients that poll fail. Every client begins by polling unless it was told not to.",
  change: [
    `HAProxy: both timeout server and timeout client exceed the ping interval (${places.haproxyBase}).`,
    `nginx: proxy_read_timeout exceeds the ping interval, proxy_buffering is off (${places.nginxSocketIo}).`,
    "Nodes: their log at the time of this check.",
  ],
};

export const noUpgrade: Cure = {
  means:
    "WebSockets do not get through: the request to upgrade is not passed on, or is refused. Clients stay " +
    "with long-polling, which costs several times as much; those that only use WebSocket do not connect.",
  change: [
    "nginx: proxy_http_version 1.1, proxy_set_header Upgrade $http_upgrade and proxy_set_header " +
      `Connection with the map for it, for it (${places.nginxHttp}).`,
    "HAProxy: it passes upgrades by itself; look for http-request rules that delete the header, and at " +
      `what stands in front of it (${places.haproxyEdge}).`,
    'Nodes: transports of new Server(...) has to contain "websocket".',
  ],
};

export const upgradeLost: Cure = {
  means:
    "A WebSocket from the beginning works, one that takes a polling connection over does not: it comes to " +
    "another node than the one that knows the connection.",
  change: [
    `HAProxy: use-server has to apply to WebSocket requests too (${places.haproxyNodes}).`,
    `nginx: the location of Socket.IO uses the same upstream for all requests (${places.nginxSocketIo}).`,
  ],
};

export const notSocketIo: Cure = {
  means: "Who answers there is not Socket.IO, or not under this path.",
  change: [
    "Is the path right? --path has to be that of new Server(..., { path }).",
    `HAProxy: path_beg of Socket.IO leads to the nodes, the rest elsewhere (${places.haproxyEdge}).`,
    `nginx: location of Socket.IO leads to the nodes, the rest elsewhere (${places.nginxSocketIo}).`,
  ],
};

export const forbidden = (secure: boolean): Cure => ({
  means: secure
    ? "A rule refuses Socket.IO's requests."
    : "A rule refuses Socket.IO's requests; the shipped edges do so where there is no TLS.",
  change: [
    ...(secure ? [] : ["Client: use https://, and check that address."]),
    `HAProxy: http-request deny or return rules (${places.haproxyEdge}).`,
    `nginx: deny and return rules in the location of Socket.IO (${places.nginxSocketIo}).`,
    "Nodes: allowRequest of new Server(...).",
  ],
});

export const redirected: Cure = {
  means: "Socket.IO's clients do not follow redirects reliably, and WebSockets not at all.",
  change: ["Client: use the address that the redirect leads to; check that one."],
};

export const oldSocketIo: Cure = {
  means: "The server speaks the protocol of Socket.IO 2. Clients of Socket.IO 3 and 4 do not get in.",
  change: ["Nodes: upgrade the server to Socket.IO 4, or set allowEIO3 there and the other way round."],
};

export const nothingListens: Cure = {
  means: "Nothing takes connections at this address and port.",
  change: [
    "Proxy: does it run? systemctl status haproxy (or nginx) says so, and why not.",
    "Nodes, if there is no proxy: HOST is 127.0.0.1 unless it is set, which other machines cannot reach " +
      `(${places.settings}).`,
    "Network: the firewall, and whether the name leads to the right machine.",
  ],
};

export const notTls: Cure = {
  means: "The port does not speak TLS.",
  change: [
    `HAProxy: bind with ssl crt /etc/holdfast/tls/site.pem (${places.haproxyEdge}).`,
    `nginx: listen ... ssl with ssl_certificate (${places.nginxTls}).`,
    "Or the address is one for http://.",
  ],
};

export const expired = (day: string): Cure => ({
  means: `The certificate ended on ${day}. Browsers and clients refuse to connect.`,
  change: [
    `HAProxy: the renewed chain and its key into /etc/holdfast/tls/site.pem; reload (${places.tls}).`,
    `nginx: the renewed chain and its key into what ssl_certificate names; reload (${places.tls}).`,
    "And find out why it was not renewed by itself.",
  ],
});

export const expiresSoon = (days: number): Cure => ({
  means: `The certificate ends in ${days} days; renewal should have happened by now.`,
  change: [`Renew it, and look at what should have (${places.tls}).`],
});

export const notYetValid: Cure = {
  means: "The certificate is not valid yet: it is too new, or this machine's clock is behind.",
  change: ["Compare the clocks of this machine and of the one that made the certificate."],
};

export const untrusted: Cure = {
  means: "The certificate was not signed by an authority that this machine trusts. Browsers refuse it too.",
  change: [
    `Proxy: a certificate of a public authority in /etc/holdfast/tls/site.pem (${places.tls}).`,
    "A private authority: give its certificate with --ca FILE, and to all clients.",
  ],
};

export const chainIncomplete: Cure = {
  means: "The issuer of the certificate is not known here: an intermediate certificate may be missing.",
  change: [
    `HAProxy: certificate, intermediate ones and key in /etc/holdfast/tls/site.pem (${places.tls}).`,
    `nginx: ssl_certificate is the file with the whole chain (${places.tls}).`,
    "A private authority: give its certificate with --ca FILE, and to all clients.",
  ],
};

export const wrongHost = (host: string, names: string): Cure => ({
  means: `The certificate is for ${names}, not for ${host}.`,
  change: [`A certificate whose names contain ${host} (${places.tls}), or the URL with the right name.`],
});

export const oldTls: Cure = {
  means: "TLS older than 1.2 is accepted. No current client needs it, and it is broken.",
  change: [
    `HAProxy: ssl-default-bind-options ssl-min-ver TLSv1.2 (${places.haproxyBase}).`,
    `nginx: ssl_protocols TLSv1.2 TLSv1.3 (${places.nginxTls}).`,
  ],
};

export const clockOff = (seconds: string): Cure => ({
  means:
    `The clocks differ by ${seconds} s. Certificates, retention and times of messages go by the server's; ` +
    "deadlines that are compared across machines are wrong by that much.",
  change: [
    "Both machines: timedatectl has to say that the clock is synchronised (chrony or systemd-timesyncd).",
  ],
});

export const originRefused = (origin: string): Cure => ({
  means: `Pages of ${origin} cannot read the answers: the browser keeps them back.`,
  change: [
    `Nodes: new Server(..., { cors: { origin: ["${origin}"], credentials: true } }).`,
    "Or serve the page from the same host as Socket.IO, as the shipped proxies do; then nothing is needed.",
  ],
});

export const originTwice: Cure = {
  means: "The header stands there twice, and browsers take neither: both the proxy and the server set it.",
  change: [
    "nginx: remove add_header Access-Control-Allow-Origin from the location of Socket.IO.",
    "HAProxy: remove http-response add-header access-control-allow-origin.",
  ],
};

export const originOnWebSocket: Cure = {
  means: "WebSockets with this Origin are refused, although CORS does not apply to them.",
  change: ["Nodes: allowRequest of new Server(...), or a rule of the proxy on the header Origin."],
};

export const preflightRefused: Cure = {
  means: "Asking beforehand (OPTIONS) is refused. Clients with extraHeaders cannot poll; others can.",
  change: [
    "Proxy: pass OPTIONS on to the nodes, as every other method.",
    "Nodes: cors of new Server(...) answers it.",
  ],
};

export const plainServer = (recovers: boolean): Cure => ({
  means:
    "Plain Socket.IO. Missing are: G1 client to server (an event is lost with its link), G2 server to " +
    "client (nothing waits for who is away), G3 never silently (nobody is told), G4 replies, G5 effects " +
    "(a repeated event takes effect again), G6 session (socket.id, rooms and data end with the link), G7 " +
    "bounded memory, G8 large payloads in parts." +
    (recovers
      ? " Its connection state recovery covers part of G2 and G6, not half-open links or crashes."
      : ""),
  change: [
    `Nodes: Server of "holdfast" in place of socket.io's (${places.compatibility}).`,
    'Clients: io of "holdfast/client" in place of socket.io-client\'s.',
  ],
});

export function refusedByHoldfast(code: ErrorCode): Cure {
  const { message, fix } = errorCatalogue[code];
  return { means: message, change: [`${fix} (docs/ERRORS.md)`] };
}

export const refusedWithoutAuth: Cure = {
  means: "The namespace asks its clients for something. Sessions were not tried; what is above was.",
  change: ['Give what the application\'s own clients give as auth: --auth \'{"token":"..."}\'.'],
};

export const refusedWithAuth: Cure = {
  means: "The namespace refuses what --auth says.",
  change: ["Is --auth what the application's own clients give? The message is the application's."],
};

export const unknownNamespace = (namespace: string): Cure => ({
  means: `The server has no namespace ${namespace}.`,
  change: ["Give one of the application's with --namespace."],
});

export const noWelcome: Cure = {
  means: "The connection stands, and the session is not opened: a Holdfast whose store is away does that.",
  change: [
    `Nodes: is what HOLDFAST_STORE names there? Their log says "the store refused" (${places.settings}).`,
    "An application: a middleware that never calls next().",
  ],
};

export const messagesWrong: Cure = {
  means: "Messages do not come back as they went: what lies in between drops or reorders them.",
  change: ["Nodes: their log at the time of this check. Proxy: whether it changes bodies."],
};

export const notResumed: Cure = {
  means: "A client that comes back gets a new session, and what it missed is lost to it.",
  change: [
    `Nodes: HOLDFAST_STORE has to outlive the process; memory: does not (${places.settings}).`,
    `Nodes: several of them need one store: HOLDFAST_STORE=redis://... on all (${places.redis}).`,
  ],
};

export const storeNotShared = (nodes: readonly string[]): Cure => ({
  means:
    `Nodes without a shared store: ${nodes.join(", ")} does not know the sessions of the others. A client ` +
    "that comes back to another node loses its session, and rooms end at the node.",
  change: [
    `Nodes: the same HOLDFAST_STORE for all: sqlite:FILE on one machine, redis://HOST on several ` +
      `(${places.settings}, ${places.redis}).`,
  ],
});

export const bodyLimit = (bytes: string): Cure => ({
  means:
    `A message of ${bytes} is too large for what lies in between, although the server takes it. A client ` +
    "that polls is cut off when it sends one, and sends it again.",
  change: [
    `nginx: client_max_body_size 1m, above maxHttpBufferSize (${places.nginxHttp}).`,
    "HAProxy: rules with req.body_size or req.hdr(content-length), and what stands behind it " +
      `(${places.haproxyEdge}).`,
  ],
});

export const beyondMaxPayload = (maxPayload: number): Cure => ({
  means: `The server takes messages of at most ${maxPayload} bytes, so --large asks for too much.`,
  change: [
    `Nodes: maxHttpBufferSize of new Server(...). Holdfast cuts larger events itself (${places.options}).`,
  ],
});

export const largeLost: Cure = {
  means: "A large message does not get through, small ones do.",
  change: [
    `nginx: client_max_body_size, client_body_timeout (${places.nginxHttp}).`,
    `HAProxy: timeout client and timeout server against what the upload takes (${places.haproxyBase}).`,
  ],
};

export const cutWhileIdle = (seconds: string, pingSeconds: string, transport: string): Cure => ({
  means:
    `A time-out of about ${seconds} s lies in between, shorter than the ping interval of ${pingSeconds} s. ` +
    "Silent clients are cut off and come back all the time.",
  change: [
    transport === "websocket"
      ? `HAProxy: timeout tunnel, and timeout client and timeout server, 75s (${places.haproxyBase}).`
      : `HAProxy: timeout server 60s; timeout client 30s is enough (${places.haproxyBase}).`,
    `nginx: proxy_read_timeout 75s, and proxy_send_timeout (${places.nginxSocketIo}).`,
    "Another load balancer: its idle time-out. Or pingInterval of new Server(...) below it.",
  ],
});

export const tooSlow: Cure = {
  means: "Every answer takes its time, so that the whole check does not get through.",
  change: ["The load of proxy and nodes, and the way there; --timeout 3 shows sooner what is slow."],
};

// --- types ---

export type Proxy = "HAProxy" | "nginx";

export type Cure = {
  /** What it means, in a sentence or two. */
  readonly means: string;
  /** What to change; a line that begins with a proxy's name is for that proxy. */
  readonly change: readonly string[];
};
