/** The handshake, long-polling without cookies, WebSocket, and the way from the one to the other. */

import * as cures from "./cures.ts";
import { echo } from "./echo.ts";
import { countedFaults, faultOf, type LinkFault } from "./fault.ts";
import { type Finding, ok, problem, skipped, warning } from "./finding.ts";
import type { Inquiry } from "./inquiry.ts";
import { PollingLink } from "./polling-link.ts";
import { WebSocketLink } from "./websocket-link.ts";

export async function checkHandshake(inquiry: Inquiry): Promise<Finding> {
  try {
    const link = await PollingLink.open(inquiry);
    inquiry.handshake = link.handshake;
    await link.close();
    const { sid, pingInterval, pingTimeout, maxPayload, upgrades: offered } = link.handshake;
    const pings = `ping every ${pingInterval / 1_000} s, ${pingTimeout / 1_000} s for the answer`;
    const figures = {
      sid,
      pingIntervalMs: pingInterval,
      pingTimeoutMs: pingTimeout,
      maxPayload,
      upgrades: offered,
    };
    return ok(`${pings}, messages up to ${maxPayload} bytes, id ${sid.slice(0, 4)}…`, figures);
  } catch (error) {
    return await handshakeFault(inquiry, faultOf(error, inquiry.target.timeoutMs));
  }
}

async function handshakeFault(inquiry: Inquiry, fault: LinkFault): Promise<Finding> {
  if (fault.location !== undefined) return problem(fault.message, [cures.redirected]);
  if (fault.isBadGateway) return problem(fault.message, [cures.badGateway]);
  if (fault.isRateLimit) return problem(fault.message, [cures.rateLimited]);
  if (fault.status === 403) return problem(fault.message, [cures.forbidden(inquiry.secure)]);
  if (fault.status === 400 && /Transport unknown/.test(fault.body)) {
    // A server without polling; WebSocket has a handshake of its own.
    const link = await WebSocketLink.open(inquiry).catch(() => undefined);
    if (link !== undefined) {
      inquiry.handshake = link.handshake;
      inquiry.offersPolling = false;
      await link.close();
      return ok("by WebSocket; the server has long-polling switched off");
    }
  }
  // Socket.IO 2 puts the length of a packet in front of it.
  if (/^\d+:0\{/.test(fault.body)) return problem("Socket.IO 2 answers", [cures.oldSocketIo]);
  if (fault.status === undefined && fault.code !== "CONTENT")
    return problem(fault.message, [cures.pollingBroken]);
  return problem(fault.message, [cures.notSocketIo]);
}

/** Many clients at a time, each with several requests: all of them have to find their way back. */
export async function checkPolling(inquiry: Inquiry): Promise<Finding> {
  if (!inquiry.offersPolling) return skipped("the server has long-polling switched off");
  const { clients } = inquiry.target;
  const faults: LinkFault[] = [];
  const startedAt = performance.now();
  const waiting = Array.from({ length: clients }, (_, index) => index);
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const fault = await pollOnce(inquiry);
      if (fault !== undefined) faults.push(fault);
      if (inquiry.signal.aborted) return;
    }
  };
  await Promise.all(Array.from({ length: Math.min(clients, atOnce) }, worker));
  inquiry.pollingWorks = faults.length === 0;
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  const figures = { clients, failed: faults.length, nodes: Object.fromEntries(inquiry.nodes) };
  const nodes = inquiry.idsNameNodes ? `; nodes ${shownNodes(inquiry)}` : "";
  if (faults.length === 0) {
    return ok(
      `${clients} of ${clients} clients without cookies, ${requests} requests each, ${seconds} s${nodes}`,
      figures,
    );
  }
  const seen = `${faults.length} of ${clients} clients failed: ${countedFaults(faults)}${nodes}`;
  if (faults.every(({ isRateLimit }) => isRateLimit)) return warning(seen, [cures.rateLimited], figures);
  return problem(seen, [pollingCure(inquiry, faults)], figures);
}

function pollingCure(inquiry: Inquiry, faults: readonly LinkFault[]): cures.Cure {
  if (faults.some(({ isUnknownSession }) => isUnknownSession)) {
    return cures.noStickiness(inquiry.idsNameNodes ? inquiry.nodes.size : 0);
  }
  if (!faults.some(({ isBadGateway }) => isBadGateway)) return cures.pollingBroken;
  return faults.length < inquiry.target.clients ? cures.someGatewaysBad : cures.badGateway;
}

/** One client from its handshake to its end. Returns what went wrong. */
async function pollOnce(inquiry: Inquiry): Promise<LinkFault | undefined> {
  const { timeoutMs } = inquiry.target;
  let link: PollingLink | undefined;
  try {
    link = await PollingLink.open(inquiry);
    for (let number = 1; number <= roundTrips; number += 1) await echo(link, number, timeoutMs);
    return undefined;
  } catch (error) {
    return faultOf(error, timeoutMs);
  } finally {
    await link?.close();
  }
}

export async function checkWebSocket(inquiry: Inquiry): Promise<Finding> {
  const { timeoutMs } = inquiry.target;
  const startedAt = performance.now();
  let link: WebSocketLink | undefined;
  try {
    link = await WebSocketLink.open(inquiry);
    await echo(link, 1, timeoutMs);
    inquiry.webSocketWorks = true;
    const tookMs = Math.round(performance.now() - startedAt);
    return ok(`opened, one message there and back, ${tookMs} ms`, { tookMs });
  } catch (error) {
    const fault = faultOf(error, timeoutMs);
    if (fault.isRateLimit) return warning(fault.message, [cures.rateLimited]);
    const cure = fault.isBadGateway && !inquiry.pollingWorks ? cures.badGateway : cures.noUpgrade;
    return problem(`not opened: ${fault.message}`, [cure], { status: fault.status });
  } finally {
    await link?.close();
  }
}

/** What stock clients do: begin with polling, and go on as a WebSocket with the same id. */
export async function checkUpgrade(inquiry: Inquiry): Promise<Finding> {
  if (!inquiry.webSocketWorks) return skipped("WebSockets do not get through");
  if (!inquiry.handshake?.upgrades.includes("websocket")) return skipped("the server offers no upgrade");
  const results = await Promise.all(Array.from({ length: upgrades }, () => upgradeOnce(inquiry)));
  const faults = results.filter((fault) => fault !== undefined);
  const figures = { clients: upgrades, failed: faults.length };
  if (faults.length === 0)
    return ok(`${upgrades} of ${upgrades} polling clients went on as WebSockets`, figures);
  const seen = `${faults.length} of ${upgrades} clients failed: ${countedFaults(faults)}`;
  if (faults.every(({ isRateLimit }) => isRateLimit)) return warning(seen, [cures.rateLimited], figures);
  const cure = inquiry.pollingWorks ? cures.upgradeLost : cures.noStickiness(inquiry.nodes.size);
  return problem(seen, [cure], figures);
}

async function upgradeOnce(inquiry: Inquiry): Promise<LinkFault | undefined> {
  const { timeoutMs } = inquiry.target;
  let polling: PollingLink | undefined;
  let link: WebSocketLink | undefined;
  try {
    polling = await PollingLink.open(inquiry);
    link = await WebSocketLink.upgrade(inquiry, polling);
    await echo(link, 1, timeoutMs);
    return undefined;
  } catch (error) {
    return faultOf(error, timeoutMs);
  } finally {
    await (link ?? polling)?.close();
  }
}

function shownNodes({ nodes }: Inquiry): string {
  const sorted = [...nodes].toSorted(([a], [b]) => a.localeCompare(b)).slice(0, nodesShown);
  return (
    sorted.map(([node, count]) => `${node} ${count}`).join(", ") + (nodes.size > nodesShown ? ", …" : "")
  );
}

const roundTrips = 3;
/** The handshake, three messages there, at least one poll for each, and the end. */
const requests = 8;
const upgrades = 5;
/** More clients come one after the other, so that a check is no load. */
const atOnce = 30;
const nodesShown = 6;
