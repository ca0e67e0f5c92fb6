/** May a page of another host use this server? The browser asks by headers. */

import { ask, type Answer } from "./ask.ts";
import * as cures from "./cures.ts";
import { faultOf } from "./fault.ts";
import { type Finding, ok, problem, skipped, warning } from "./finding.ts";
import type { Inquiry } from "./inquiry.ts";
import { pollingPath } from "./polling-link.ts";
import { WebSocketLink } from "./websocket-link.ts";

export async function checkOrigin(inquiry: Inquiry): Promise<Finding> {
  const { origin, url, timeoutMs } = inquiry.target;
  if (origin === undefined) return skipped("only matters for pages of another host; give --origin URL");
  // Without requests of HTTP there is nothing that a browser would keep back.
  if (!inquiry.offersPolling) {
    return (await webSocketFault(inquiry, origin, {})) ?? ok("CORS does not apply to WebSockets");
  }
  try {
    const simple = await ask(inquiry, { path: pollingPath(inquiry), headers: { origin } });
    const ownPage = origin === url.origin;
    const allowed = simple.headers["access-control-allow-origin"];
    const credentials = simple.headers["access-control-allow-credentials"] === "true";
    const figures = { origin, status: simple.status, allowed: allowed ?? null, credentials };
    if (simple.status !== 200) {
      return problem(
        `status ${simple.status} for a request of ${origin}`,
        [cures.originRefused(origin)],
        figures,
      );
    }
    if (ownPage)
      return (await webSocketFault(inquiry, origin, figures)) ?? ok("the page's own host", figures);
    if (allowed?.includes(",")) {
      return problem(`access-control-allow-origin: ${allowed}`, [cures.originTwice], figures);
    }
    if (allowed !== origin && allowed !== "*") {
      const said = allowed === undefined ? "no access-control-allow-origin" : `only ${allowed} is allowed`;
      return problem(said, [cures.originRefused(origin)], figures);
    }
    const refused = await webSocketFault(inquiry, origin, figures);
    if (refused !== undefined) return refused;
    const preflight = await askBeforehand(inquiry, origin);
    const seen = `${origin} is let in, ${credentials && allowed !== "*" ? "with" : "without"} credentials`;
    if (preflight.status >= 200 && preflight.status < 300 && allows(preflight, origin))
      return ok(seen, figures);
    const said = `${seen}; OPTIONS gives status ${preflight.status}`;
    return warning(said, [cures.preflightRefused], { ...figures, preflightStatus: preflight.status });
  } catch (error) {
    return problem(faultOf(error, timeoutMs).message, [cures.pollingBroken]);
  }
}

function askBeforehand(inquiry: Inquiry, origin: string): Promise<Answer> {
  const headers = {
    origin,
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
  };
  return ask(inquiry, { method: "OPTIONS", path: pollingPath(inquiry), headers });
}

function allows({ headers }: Answer, origin: string): boolean {
  const allowed = headers["access-control-allow-origin"];
  return allowed === origin || allowed === "*";
}

async function webSocketFault(
  inquiry: Inquiry,
  origin: string,
  figures: Finding["figures"],
): Promise<Finding | undefined> {
  if (!inquiry.webSocketWorks) return undefined;
  try {
    const link = await WebSocketLink.open(inquiry, { origin });
    await link.close();
    return undefined;
  } catch (error) {
    const { message } = faultOf(error, inquiry.target.timeoutMs);
    return problem(`a WebSocket of ${origin}: ${message}`, [cures.originOnWebSocket], figures);
  }
}
