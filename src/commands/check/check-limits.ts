/**
 * What lies in between: how large a message it lets through, and how long it leaves a silent client alone.
 */

import * as cures from "./cures.ts";
import { echo } from "./echo.ts";
import type { EngineLink } from "./engine-link.ts";
import { faultOf, type LinkFault } from "./fault.ts";
import { type Finding, ok, problem, skipped } from "./finding.ts";
import type { Inquiry } from "./inquiry.ts";
import { PollingLink } from "./polling-link.ts";
import { WebSocketLink } from "./websocket-link.ts";

/** One message as the body of a POST, and one as a WebSocket's frame. Both are answered by a small one. */
export async function checkLarge(inquiry: Inquiry): Promise<Finding> {
  const maxPayload = inquiry.handshake?.maxPayload ?? 0;
  const bytes = inquiry.target.largeBytes ?? Math.min(maxPayload, largeByDefault) - frameBytes;
  if (bytes > maxPayload) {
    return problem(`the server takes ${maxPayload} bytes`, [cures.beyondMaxPayload(maxPayload)], {
      bytes,
      maxPayload,
    });
  }
  const ways = transportsOf(inquiry);
  const faults: string[] = [];
  const found: cures.Cure[] = [];
  for (const { name, open } of ways) {
    const fault = await tryLarge(inquiry, open, bytes);
    if (fault === undefined) continue;
    if (fault.status === 413) {
      const passes = await largestPassing(inquiry, open, bytes);
      faults.push(`${name}: ${fault.message}; about ${shownBytes(passes)} pass`);
      found.push(cures.bodyLimit(shownBytes(bytes)));
    } else {
      faults.push(`${name}: ${fault.message}`);
      found.push(cures.largeLost);
    }
  }
  if (ways.length === 0) return skipped("no transport works");
  const figures = { bytes, transports: ways.map(({ name }) => name), faults };
  if (faults.length > 0) return problem(faults.join("; "), [...new Set(found)], figures);
  return ok(`${shownBytes(bytes)} arrived by ${ways.map(({ name }) => name).join(" and by ")}`, figures);
}

async function tryLarge(
  inquiry: Inquiry,
  open: () => Promise<EngineLink>,
  bytes: number,
): Promise<LinkFault | undefined> {
  const { timeoutMs } = inquiry.target;
  let link: EngineLink | undefined;
  try {
    link = await open();
    await echo(link, 1, timeoutMs, bytes);
    return undefined;
  } catch (error) {
    return faultOf(error, timeoutMs);
  } finally {
    await link?.close();
  }
}

/** Halves the distance a few times; good enough to recognise the limit in a configuration. */
async function largestPassing(
  inquiry: Inquiry,
  open: () => Promise<EngineLink>,
  bytes: number,
): Promise<number> {
  let [passing, refused] = [0, bytes];
  for (let step = 0; step < halvings && !inquiry.signal.aborted; step += 1) {
    const middle = Math.round((passing + refused) / 2);
    if ((await tryLarge(inquiry, open, middle)) === undefined) passing = middle;
    else refused = middle;
  }
  return passing;
}

/** Says nothing for a while, and answers the server's pings, as a page does whose user has gone for lunch. */
export async function checkIdle(inquiry: Inquiry): Promise<Finding> {
  const { handshake, target } = inquiry;
  if (handshake === undefined) return skipped("no transport works");
  const { pingInterval, pingTimeout } = handshake;
  const wanted =
    target.idleMs === "ping" ? Math.min(pingInterval + pingTimeout + marginMs, idleMsMax) : target.idleMs;
  const idleMs = wanted ?? Math.min(shortMs, pingInterval);
  const ways = transportsOf(inquiry);
  if (ways.length === 0) return skipped("no transport works");
  inquiry.tell(`idle for ${idleMs / 1_000} s`);
  const held = await Promise.all(ways.map((way) => hold(inquiry, way, idleMs)));
  const cut = held.filter(({ fault }) => fault !== undefined);
  const figures = {
    idleMs,
    pingIntervalMs: pingInterval,
    held: held.map(({ name, heldMs, pings, fault }) => ({
      name,
      heldMs,
      pings,
      fault: fault?.message ?? null,
    })),
  };
  if (cut.length > 0) {
    const seen = cut.map(
      ({ name, heldMs, fault }) => `${name} cut after ${shownSeconds(heldMs)} s (${fault?.message})`,
    );
    return problem(
      seen.join("; "),
      cut.map((one) => idleCure(one, pingInterval)),
      figures,
    );
  }
  const names = ways.map(({ name }) => name).join(" and ");
  const pings = Math.min(...held.map((one) => one.pings));
  const seen = `${names} held for ${idleMs / 1_000} s, ${pings} pings each`;
  if (wanted !== undefined && wanted > pingInterval) return ok(seen, figures);
  const more = `time-outs up to the ping interval of ${pingInterval / 1_000} s show with --idle`;
  return ok(`${names} held for ${idleMs / 1_000} s; ${more}, which was not given`, figures);
}

async function hold(inquiry: Inquiry, { name, open }: Way, idleMs: number): Promise<Held> {
  const { timeoutMs } = inquiry.target;
  let link: EngineLink | undefined;
  try {
    link = await open();
    const over = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => over.resolve(undefined), idleMs);
    inquiry.signal.addEventListener("abort", () => over.resolve(undefined), { once: true });
    const fault = await Promise.race([link.ended, over.promise]);
    clearTimeout(timer);
    const heldMs = performance.now() - link.startedAt;
    if (fault === undefined) await echo(link, 1, timeoutMs);
    return { name, heldMs, pings: link.pings, fault };
  } catch (error) {
    const heldMs = link === undefined ? 0 : performance.now() - link.startedAt;
    return { name, heldMs, pings: link?.pings ?? 0, fault: faultOf(error, timeoutMs) };
  } finally {
    await link?.close();
  }
}

function idleCure({ name, heldMs, fault }: Held, pingInterval: number): cures.Cure {
  // A connection that was cut at once has another fault than a time-out.
  if (heldMs < 500) return fault?.isBadGateway === true ? cures.badGateway : cures.pollingBroken;
  return cures.cutWhileIdle(shownSeconds(heldMs), String(pingInterval / 1_000), name);
}

function transportsOf(inquiry: Inquiry): readonly Way[] {
  const polling: Way = { name: "polling", open: () => PollingLink.open(inquiry) };
  const webSocket: Way = { name: "websocket", open: () => WebSocketLink.open(inquiry) };
  return [...(inquiry.pollingWorks ? [polling] : []), ...(inquiry.webSocketWorks ? [webSocket] : [])];
}

function shownSeconds(ms: number): string {
  return (Math.round(ms / 100) / 10).toString();
}

function shownBytes(bytes: number): string {
  return bytes >= 10_000 ? `${Math.round(bytes / 1_000)} kB` : `${bytes} bytes`;
}

const largeByDefault = 1_000_000;
/** What a proxy and Engine.IO count beside the message itself. */
const frameBytes = 1_000;
const halvings = 6;
const marginMs = 5_000;
/** Longer silences are tried only by who says how long. */
export const idleMsMax = 600_000;
/** Without --idle: long enough for the worst time-outs, and short enough for every check. */
const shortMs = 3_000;

type Way = { readonly name: string; readonly open: () => Promise<EngineLink> };

type Held = {
  readonly name: string;
  readonly heldMs: number;
  readonly pings: number;
  readonly fault: LinkFault | undefined;
};
