/** One run of `holdfast check`: what is asked, what is known so far, and when it has to end. */

import type { IncomingHttpHeaders } from "node:http";
import type { Proxy } from "./cures.ts";
import type { ServerKind } from "./session-probe.ts";
import type { Target } from "./target.ts";

export class Inquiry {
  readonly target: Target;
  /** Aborted by Ctrl-C and by the deadline of the whole run. */
  readonly signal: AbortSignal;
  readonly tell: (text: string) => void;
  /** The certificate is good; from here on no connection takes another one. */
  verifies = false;
  handshake: Handshake | undefined;
  offersPolling = true;
  pollingWorks = false;
  webSocketWorks = false;
  proxy: Proxy | undefined;
  server: ServerKind | undefined;
  /** Connections by the node name that their ids begin with. */
  readonly nodes = new Map<string, number>();
  connections = 0;

  constructor(target: Target, signal: AbortSignal, tell: (text: string) => void) {
    this.target = target;
    this.signal = signal;
    this.tell = tell;
  }

  get secure(): boolean {
    return this.target.url.protocol === "https:";
  }

  /** A secret is shown to nobody who has not proved who he is. */
  get mayShowSecrets(): boolean {
    return !this.secure || this.verifies || this.target.insecure;
  }

  /** Notes which node a connection has come to. */
  sawConnection(id: string): void {
    this.connections += 1;
    const node = nodeOf(id);
    if (node !== undefined) this.nodes.set(node, (this.nodes.get(node) ?? 0) + 1);
  }

  /**
   * Every connection had a node's name in its id. By chance alone one in 64 random ids of another server
   * looks like that.
   */
  get idsNameNodes(): boolean {
    const named = [...this.nodes.values()].reduce((sum, count) => sum + count, 0);
    return named > 1 && named === this.connections;
  }

  /** Looks at an answer for who wrote it: what to change depends on the proxy. */
  sawAnswer({ server }: IncomingHttpHeaders, body: string): void {
    if (/^(nginx|openresty)\b/.test(server?.toString() ?? "")) this.proxy ??= "nginx";
    else if (haproxyPage.test(body)) this.proxy ??= "HAProxy";
  }
}

export function nodeOf(id: string): string | undefined {
  return /^([A-Za-z0-9_]{3})-[\w-]{16}$/.exec(id)?.[1];
}

/** HAProxy does not say its name; its error pages are its own. */
const haproxyPage = /^<html><body><h1>\d{3} [\w -]+<\/h1>\r?\n/;

export type Handshake = {
  readonly sid: string;
  readonly upgrades: readonly string[];
  readonly pingInterval: number;
  readonly pingTimeout: number;
  readonly maxPayload: number;
};
