/**
 * The application of a scripted world: it does what each event tells it, step by step, and publishes on
 * command.
 */

import { currentRequest, RetryLater, type Socket } from "../../src/server/index.ts";
import type { History } from "../sim/history.ts";
import type { ScriptedNode } from "./scripted-world.ts";

export class ScriptedApplication {
  readonly pageOfSession = new Map<string, string>();
  readonly #history: History;
  /** Events that have been asked for again once. */
  readonly #retried = new Set<string>();

  constructor(history: History) {
    this.#history = history;
  }

  serve(node: ScriptedNode, socket: Socket): void {
    const { page = "a client", rooms = [] } = socket.handshake.auth as { page?: string; rooms?: string[] };
    // A copy of a page comes with the session of the page.
    if (!this.pageOfSession.has(socket.id)) this.pageOfSession.set(socket.id, page);
    for (const room of rooms) void socket.join(room);
    type Acknowledge = ((...values: unknown[]) => void) | undefined;
    socket.on("do", async (id: string, steps: string, padding: unknown, acknowledge: Acknowledge) => {
      // An event of a stock client has no place in a session.
      const place =
        socket.delivery.session === undefined ? { session: socket.id, sequence: 0 } : currentRequest();
      const { session, sequence } = place;
      const told = { node: node.name, session, sequence, id };
      this.#history.add({ kind: "run", ...told });
      try {
        const reply = steps === "echo" ? [padding] : await this.#follow(node, socket, steps, id);
        acknowledge?.(...reply);
        this.#history.add({ kind: "ran", ...told, how: "done" });
      } catch (error) {
        this.#history.add({ kind: "ran", ...told, how: (error as Error).message });
        throw error;
      }
    });
  }

  /** `;` stands for waiting until a step is done, `&` for going on at once. Returns what to reply with. */
  async #follow(node: ScriptedNode, socket: Socket, steps: string, id: string): Promise<string[]> {
    const reply: string[] = [];
    for (const [, step = "", mark] of steps.matchAll(/\s*([^;&]+)([;&]|$)/g)) {
      if (step.startsWith("reply ")) reply.push(step.slice("reply ".length));
      const done = this.#step(node, socket, step.trim(), id);
      if (mark === "&") done.catch(() => undefined);
      // oxlint-disable-next-line no-await-in-loop -- one step after another is what is asked for.
      else await done;
    }
    return reply;
  }

  async #step(node: ScriptedNode, socket: Socket, step: string, id: string): Promise<void> {
    const [verb, what = "", entry = "", count] = step.split(" ");
    // `join red last 5`: with what was published there before.
    if (verb === "join") await socket.join(what, entry === "last" ? { last: Number(count) } : {});
    else if (verb === "leave") await socket.leave(what);
    // Once more in the very moment in which the first one is refused.
    else if (verb === "insist") await leaving(socket, what).catch(() => leaving(socket, what));
    else if (verb === "publish") await publish(node, { room: what, id: entry });
    else if (verb === "emit") node.server?.to(what).emit("note", entry, "");
    else if (verb === "sleep") await new Promise((resolve) => void setTimeout(resolve, Number(what)));
    else if (verb === "end") socket.delivery.session?.end();
    else if (verb === "fail") throw Object.assign(new Error(what), { code: what });
    else if (verb === "retry" && !this.#retried.has(id)) {
      this.#retried.add(id);
      throw new RetryLater("not yet");
    } else if (!["retry", "reply", ""].includes(verb ?? "")) throw new Error(`no step: ${step}`);
  }
}

export type Publication = {
  /** Several by commas; `all` is everyone. */
  readonly room: string;
  readonly id: string;
  readonly padding?: string;
  readonly except?: string;
};

export async function publish({ server }: ScriptedNode, what: Publication): Promise<void> {
  const { room, id, padding = "", except } = what;
  if (server === undefined) return;
  const target = room === "all" ? server : server.to(room.split(","));
  await (except === undefined ? target : target.except(except)).publish("note", id, padding);
}

function leaving(socket: Socket, room: string): Promise<void> {
  return Promise.resolve(socket.leave(room));
}
