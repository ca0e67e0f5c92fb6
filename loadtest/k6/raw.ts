/** The k6 script for scale: clients by hand, many to a virtual user, over WebSockets alone. */

import "./surroundings.ts";
import { RawHoldfast } from "./raw-holdfast.ts";
import { RawStock } from "./raw-stock.ts";
import { runClients } from "./run-clients.ts";

export { options, setup } from "./schedule.ts";

export default runClients({
  transportOf: () => "websocket",
  connect: ({ kind, url, auth }) =>
    kind === "holdfast" ? new RawHoldfast(url, auth) : new RawStock(url, auth),
});
