/** `/livez` and `/readyz`: whether to restart the process, and whether to send it clients. */

import type { IncomingMessage, ServerResponse } from "node:http";
import { pathOf } from "./request-path.ts";

/**
 * STARTING and DRAINING answer `/readyz` with 404, not 503: HAProxy's `disable-on-404` reads it as "finish
 * what you have", whereas a 503 would cut off the polling clients that are still being served.
 */
export type Readiness = "starting" | "ready" | "draining";

/** Holds the readiness of the process and answers the two health checks. */
export class Health {
  readiness: Readiness = "starting";

  /** Answers `/livez` and `/readyz`; false when the request asks for something else. */
  handle(request: IncomingMessage, response: ServerResponse): boolean {
    const path = pathOf(request);
    if (path === "/livez") return answer(request, response, { status: 200, text: "live" });
    if (path !== "/readyz") return false;
    return answer(request, response, {
      status: this.readiness === "ready" ? 200 : 404,
      text: this.readiness,
    });
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  verdict: { status: number; text: string },
): true {
  response.writeHead(verdict.status, {
    "content-type": "text/plain; charset=utf-8",
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : `${verdict.text}\n`);
  return true;
}
