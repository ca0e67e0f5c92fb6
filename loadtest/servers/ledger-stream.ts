/**
 * A server's way to the ledger: one request whose body never ends, a line for each thing that happens. What
 * was written is with the kernel at the end of the turn, so it reaches the ledger also when this process is
 * killed in the next one.
 */

import { type ClientRequest, request } from "node:http";
import type { ServerLine } from "../contract.ts";

export class LedgerStream {
  readonly #request: ClientRequest;
  #closing = false;

  private constructor(opened: ClientRequest, gone: (error: Error) => void) {
    this.#request = opened;
    opened.on("error", (error) => {
      if (!this.#closing) gone(error);
    });
  }

  /** Opens the request, and resolves once it is connected; `gone` is called when the ledger goes away. */
  static async open(ledger: string, server: string, gone = endWithoutLedger): Promise<LedgerStream> {
    const opened = request(`${ledger}/servers?name=${encodeURIComponent(server)}`, { method: "POST" });
    await new Promise<void>((resolve, reject) => {
      opened.once("error", reject);
      opened.once("socket", (socket) => {
        socket.setNoDelay(true);
        if (socket.connecting) socket.once("connect", () => resolve());
        else resolve();
      });
      opened.flushHeaders();
    });
    return new LedgerStream(opened, gone);
  }

  write(line: ServerLine): void {
    this.#request.write(`${JSON.stringify(line)}\n`);
  }

  /** Resolves once the ledger has answered, which it does when it has read everything. */
  async close(): Promise<void> {
    this.#closing = true;
    await new Promise<void>((resolve) => {
      this.#request.once("close", resolve);
      this.#request.once("response", (response) => response.resume());
      this.#request.end();
    });
  }
}

/** Without its ledger a server of ours is no evidence of anything. */
function endWithoutLedger(error: Error): void {
  console.error(`The ledger is gone: ${error.message}`);
  process.exit(1);
}
