/** `holdfast roll`: asks a running primary to exchange its workers, and says what it does meanwhile. */

import { request } from "node:http";
import { createInterface } from "node:readline";

export type RollTarget = { readonly host: string; readonly port: number };
type Write = (line: string) => void;

/**
 * Returns the exit code: 0 when all workers are new ones, 1 when the old ones go on and `complain` was told
 * why, 2 when nobody answers.
 */
export async function roll(target: RollTarget, print: Write, complain: Write): Promise<number> {
  return await new Promise((resolve) => {
    const asking = request({
      ...target,
      path: "/roll",
      method: "POST",
      headers: { "holdfast-command": "roll", host: `localhost:${target.port}` },
    });
    asking.on("error", (error) => {
      complain(`Nobody answers at ${target.host} port ${target.port}: ${error.message}.`);
      complain(
        "Start the primary with HOLDFAST_WORKERS and HOLDFAST_INTERNAL_PORT, and give the same port here:",
      );
      complain("HOLDFAST_INTERNAL_PORT=9464 npx holdfast roll, or npx holdfast roll --port 9464.");
      resolve(2);
    });
    asking.on("response", (response) => {
      let code: number | undefined;
      const isRoll = response.headers["content-type"] === "application/x-ndjson";
      const lines = createInterface({ input: response });
      lines.on("line", (line) => {
        if (isRoll) code = tell(line, print, complain) ?? code;
        else complain(line);
      });
      // A primary that dies tears the connection; what it had said until then has been printed.
      response.on("error", () => undefined);
      lines.on("close", () => {
        if (isRoll && code === undefined) complain("The primary ended before the roll did.");
        resolve(isRoll ? (code ?? 1) : response.statusCode === 404 ? 2 : 1);
      });
    });
    asking.end();
  });
}

/** Passes one line of the answer on. Returns the exit code if it is the last one. */
function tell(line: string, print: Write, complain: Write): number | undefined {
  const { progress, refused, details = [], rolled } = JSON.parse(line) as Answer;
  if (progress !== undefined) print(progress);
  if (refused !== undefined) {
    complain(`Not rolled, the workers there were go on: ${refused}`);
    for (const detail of details) complain(`  ${detail}`);
    return 1;
  }
  return rolled === true ? 0 : undefined;
}

/** A newer primary may say more. */
type Answer = {
  readonly progress?: string;
  readonly rolled?: boolean;
  readonly refused?: string;
  readonly details?: readonly string[];
};
