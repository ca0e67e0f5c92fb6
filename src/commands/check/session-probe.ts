/**
 * A client of one namespace that says just enough to try a session: who answers, whether numbered events are
 * recorded and answered in order, and whether the session goes on at the next connection.
 *
 * Its events are given up before they are run (`ca`), so that they take their turn, are recorded and are
 * answered as all events are, and no handler of the application ever sees them.
 */

import {
  clientFrame,
  decodeServerFrame,
  decodeWelcome,
  encodeHello,
  frameEvent,
  parseJson,
  protocolVersion,
  type Welcome,
} from "../../protocol/frames.ts";
import type { EngineLink } from "./engine-link.ts";
import { LinkFault } from "./fault.ts";
import type { Target } from "./target.ts";

export class SessionProbe {
  readonly #target: Target;
  readonly #instance = `check-${Math.random().toString(36).slice(2)}`;
  #token = "";
  #attempt = 0;
  #low = 1;
  #next = 1;
  #generation = 0;
  /** The session's public id, which is also `socket.id`. */
  id = "";

  constructor(target: Target) {
    this.#target = target;
  }

  get opened(): boolean {
    return this.#token !== "";
  }

  /**
   * Enters the namespace, with the session if there is one. A session that is opened in its place is returned
   * as such, and is not gone on with: the first one may still live at another node.
   */
  async connect(link: EngineLink): Promise<Entered> {
    this.#attempt += 1;
    const { namespace, auth, timeoutMs } = this.#target;
    const holder = { instance: this.#instance, generation: this.#generation, attempt: this.#attempt };
    const [low, next] = [this.#low, this.#next];
    const hello = encodeHello({ versions: [protocolVersion], low, next, positions: [], holder });
    await link.send(`0${this.#prefix}${JSON.stringify({ ...auth, pid: this.#token, offset: hello })}`);
    const answer = await link.next(timeoutMs, (message) => /^[04]/.test(message) && this.#isOurs(message));
    const entered = readAnswer(
      answer[0] === "4",
      parseJson(answer.slice(1 + this.#prefix.length)),
      namespace,
    );
    if (entered.kind !== "holdfast") return entered;
    const { welcome } = entered;
    const isOurs = this.#token === "" || welcome.resumed;
    if (isOurs) {
      this.#token = entered.token;
      this.id = entered.id;
      this.#generation = welcome.generation;
      // As every client, so that the server knows that the welcome has arrived.
      await this.#sendFrames(link, [clientFrame.probe(0)]);
    }
    return entered;
  }

  /** Sends so many numbered events, each in a packet of its own. Returns their sequences. */
  async send(link: EngineLink, count: number): Promise<readonly number[]> {
    const sequences = Array.from({ length: count }, () => this.#next++);
    for (const sequence of sequences) await this.#sendFrames(link, [clientFrame.cancel(sequence)]);
    return sequences;
  }

  async sendAgain(link: EngineLink, sequences: readonly number[]): Promise<void> {
    for (const sequence of sequences) await this.#sendFrames(link, [clientFrame.cancel(sequence)]);
  }

  /** Waits for so many outcomes, and returns their sequences in the order in which they came. */
  async outcomes(link: EngineLink, count: number): Promise<readonly number[]> {
    const settled: number[] = [];
    while (settled.length < count) {
      const head = `2${this.#prefix}["${frameEvent}",`;
      const message = await link.next(this.#target.timeoutMs, (text) => text.startsWith(head));
      const values = parseJson(message.slice(1 + this.#prefix.length)) as unknown[];
      settled.push(...outcomesIn(values.slice(1)));
    }
    return settled;
  }

  /** Everything that was sent is settled. */
  settle(): void {
    this.#low = this.#next;
  }

  get #prefix(): string {
    const { namespace } = this.#target;
    return namespace === "/" ? "" : `${namespace},`;
  }

  #isOurs(message: string): boolean {
    const rest = message.slice(1);
    return this.#prefix === "" ? !rest.startsWith("/") : rest.startsWith(this.#prefix);
  }

  async #sendFrames(link: EngineLink, frames: readonly string[]): Promise<void> {
    await link.send(`2${this.#prefix}["${frameEvent}",${frames.join(",")}]`);
  }
}

/** Sequences whose outcome is among these frames. Throws for a refusal. */
export function outcomesIn(frames: readonly unknown[]): readonly number[] {
  return frames.flatMap((value) => {
    const frame = decodeServerFrame(value);
    if (typeof frame === "string") throw new LinkFault("CONTENT", `a frame that is none: ${frame}`);
    if (frame.kind === "error") throw new LinkFault("CONTENT", `refused as ${frame.code}: ${frame.detail}`);
    if (frame.kind === "expired" || frame.kind === "result" || frame.kind === "rejected") {
      return [frame.sequence];
    }
    return [];
  });
}

function readAnswer(isRefusal: boolean, value: unknown, namespace: string): Entered {
  const answer = (value ?? {}) as Record<string, unknown>;
  if (isRefusal) {
    const { code } = (answer["data"] ?? {}) as { code?: unknown };
    const { message: given } = answer;
    const message = typeof given === "string" ? given : "no reason given";
    const isUnknownNamespace = message === "Invalid namespace";
    return { kind: "refused", message, code: typeof code === "string" ? code : "", isUnknownNamespace };
  }
  const { sid, pid, holdfast } = answer;
  const welcome = decodeWelcome(holdfast);
  if (welcome !== undefined && typeof sid === "string" && typeof pid === "string") {
    return { kind: "holdfast", welcome, id: sid, token: pid };
  }
  if (typeof sid !== "string") {
    throw new LinkFault("CONTENT", `an answer to CONNECT ${namespace} that is not Socket.IO's`);
  }
  return { kind: "plain", recovers: typeof pid === "string" };
}

// --- types ---

/** `plain recovering`: Socket.IO with its own connection state recovery. */
export type ServerKind = "holdfast" | "plain" | "plain recovering";

export type Entered =
  | { readonly kind: "holdfast"; readonly welcome: Welcome; readonly id: string; readonly token: string }
  | { readonly kind: "plain"; readonly recovers: boolean }
  | {
      readonly kind: "refused";
      readonly message: string;
      readonly code: string;
      readonly isUnknownNamespace: boolean;
    };
