/** The path that a request asks for. */

import type { IncomingMessage } from "node:http";

/**
 * The path as it was sent, without the query; never decoded, so that it can only match what is written the
 * same way.
 */
export function pathOf(request: IncomingMessage): string {
  const url = request.url ?? "/";
  const end = url.search(/[?#]/);
  return end === -1 ? url : url.slice(0, end);
}
