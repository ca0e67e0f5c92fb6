/** The application of `deploy/second-stack/` on a machine, and what it says of who asks. */

import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { join } from "node:path";
import type { Child } from "../harness/child.ts";
import type { Site } from "./site.ts";

/** Starts it on its own port, 3000 on loopback; resolves when it takes requests. */
export async function startSecondStack(site: Site, environment: Record<string, string> = {}): Promise<Child> {
  const child = site.start({
    program: join(site.repository, "deploy/second-stack/application.ts"),
    name: environment["INSTANCE"] ?? "second stack",
    environment: { PORT: "3000", HOST: "127.0.0.1", ...environment },
  });
  await child.line(/The second stack is at/, 30_000);
  return child;
}

/** Whom it sees when `url` is asked for `/who`. */
export async function whoAsks(url: string, options: Asking = {}): Promise<Who> {
  const { status, text } = await ask(`${url}/who`, options);
  if (status !== 200) throw new Error(`${url}/who: ${status} ${text}`);
  return JSON.parse(text) as Who;
}

/** One request on a connection of its own. */
export function ask(url: string, { ca, headers = {}, method, body }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const send = url.startsWith("https:") ? httpsRequest : httpRequest;
    const options = { headers, agent: false, method: method ?? "GET", ...(ca === undefined ? {} : { ca }) };
    const outgoing = send(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text, headers: response.headers }),
      );
    });
    outgoing.setTimeout(20_000, () => outgoing.destroy(new Error(`no answer from ${url}`)));
    outgoing.on("error", reject).end(body);
  });
}

// --- types ---

export type Who = {
  readonly instance: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly client: string;
  readonly scheme: string;
};

export type Asking = {
  readonly ca?: string | string[];
  readonly headers?: Readonly<Record<string, string>>;
  readonly method?: string;
  readonly body?: Buffer;
};

export type Answer = {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, unknown>>;
};
