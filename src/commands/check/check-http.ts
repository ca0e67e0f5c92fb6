/** Does the site answer, and does its clock go right? */

import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { ask, type Answer } from "./ask.ts";
import * as cures from "./cures.ts";
import { faultOf, type LinkFault } from "./fault.ts";
import { type Finding, ok, problem, skipped, warning } from "./finding.ts";
import type { Inquiry } from "./inquiry.ts";

/** Returns the addresses, or nothing when nobody knows the name. */
export async function resolveHost({ target }: Inquiry): Promise<readonly string[]> {
  const host = target.url.hostname.replace(/^\[(.*)\]$/, "$1");
  const found = await lookup(host, { all: true }).catch((): LookupAddress[] => []);
  return found.map(({ address }) => address);
}

/** The front page, because it needs nothing but the proxy; what it says does not matter. */
export async function checkHttp(inquiry: Inquiry, addresses: readonly string[]): Promise<HttpFinding> {
  const where = shownAddresses(addresses);
  let answer: Answer;
  try {
    answer = await ask(inquiry, { path: "/" });
  } catch (error) {
    return { finding: unanswered(faultOf(error, inquiry.target.timeoutMs), where) };
  }
  const { status, tookMs, headers } = answer;
  const { location } = headers;
  const seen = `${where} answers in ${Math.round(tookMs)} ms, status ${status}`;
  const figures = { addresses, status, tookMs: Math.round(tookMs), location };
  if (status >= 502 && status <= 504) return { finding: warning(seen, [cures.badGateway], figures), answer };
  return { finding: ok(location === undefined ? seen : `${seen} to ${location}`, figures), answer };
}

function unanswered(fault: LinkFault, where: string): Finding {
  const seen = `${where}: ${fault.message}`;
  const speaksNoTls = /^(EPROTO|ERR_SSL)/.test(fault.code);
  return problem(speaksNoTls ? `${where}: no TLS handshake` : seen, [
    speaksNoTls ? cures.notTls : cures.nothingListens,
  ]);
}

/** `Date` has whole seconds, so the middle of its second is held against the middle of the request. */
export function checkClock(answer: Answer): Finding {
  const { date } = answer.headers;
  const theirs = date === undefined ? Number.NaN : Date.parse(date);
  if (Number.isNaN(theirs)) return skipped("the answer has no Date");
  const ours = Date.now() - answer.tookMs / 2;
  const differenceMs = theirs + 500 - ours;
  const uncertaintyMs = 500 + answer.tookMs / 2;
  const seconds = (Math.abs(differenceMs) / 1_000).toFixed(1);
  const figures = { differenceMs: Math.round(differenceMs), uncertaintyMs: Math.round(uncertaintyMs) };
  if (Math.abs(differenceMs) - uncertaintyMs <= toleratedMs) {
    return ok(
      `within ${Math.max(1, Math.ceil(Math.abs(differenceMs) / 1_000))} s of this machine's`,
      figures,
    );
  }
  const way = differenceMs > 0 ? "ahead of" : "behind";
  return warning(`the server's is ${seconds} s ${way} this machine's`, [cures.clockOff(seconds)], figures);
}

function shownAddresses(addresses: readonly string[]): string {
  const [first = "", ...others] = addresses;
  return others.length === 0 ? first : `${first} (and ${others.length} more)`;
}

const toleratedMs = 2_000;

export type HttpFinding = { readonly finding: Finding; readonly answer?: Answer };
