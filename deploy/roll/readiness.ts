/** What an instance answers when it is asked whether it takes clients. */

import { request } from "node:http";

/**
 * Asks once. `refused`: nobody listens there, the process is gone. Everything else, silence too, is a process
 * that lives.
 */
export async function askReadiness(readyUrl: string): Promise<Readiness> {
  return await new Promise((resolve) => {
    // A connection of its own for each question: one that is kept open would hold up the end of the process.
    const asking = request(readyUrl, { agent: false, timeout: answerWithinMs }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        if (text.length < shownCharacters) text += part;
      });
      response.on("error", () => undefined);
      response.on("close", () => {
        const status = response.statusCode ?? 0;
        const said = `${status} ${text.slice(0, shownCharacters).trim()}`.trim();
        resolve({ state: status === 200 ? "ready" : "not ready", said });
      });
    });
    asking.on("timeout", () => asking.destroy(new Error(`no answer within ${answerWithinMs} ms`)));
    asking.on("error", (error: NodeJS.ErrnoException) =>
      resolve(
        error.code === "ECONNREFUSED"
          ? { state: "refused", said: "nobody listens" }
          : { state: "not ready", said: error.message },
      ),
    );
    asking.end();
  });
}

/** A process that takes longer is busy with something else than clients. */
const answerWithinMs = 2_000;
const shownCharacters = 200;

// --- types ---

export type Readiness = {
  readonly state: "ready" | "not ready" | "refused";
  /** For people. */
  readonly said: string;
};
