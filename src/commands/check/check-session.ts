/** The session: who answers, numbered messages, coming back, and coming back to another node. */

import { isErrorCode } from "../../protocol/errors.ts";
import * as cures from "./cures.ts";
import { echoed, sendEcho } from "./echo.ts";
import type { EngineLink } from "./engine-link.ts";
import { faultOf } from "./fault.ts";
import { type Finding, ok, problem, skipped, warning } from "./finding.ts";
import { type Inquiry, nodeOf } from "./inquiry.ts";
import { PollingLink } from "./polling-link.ts";
import { type Entered, outcomesIn, SessionProbe } from "./session-probe.ts";
import { WebSocketLink } from "./websocket-link.ts";

export class SessionChecks {
  readonly #inquiry: Inquiry;
  readonly #probe: SessionProbe;
  #link: EngineLink | undefined;
  /** The node on which the session was opened; "" where ids do not name any. */
  #home = "";

  constructor(inquiry: Inquiry) {
    this.#inquiry = inquiry;
    this.#probe = new SessionProbe(inquiry.target);
  }

  async checkSession(): Promise<Finding> {
    const { auth, namespace } = this.#inquiry.target;
    if (auth !== undefined && !this.#inquiry.mayShowSecrets) {
      return skipped("--auth is not shown to a server whose certificate is not good; --insecure does");
    }
    this.#link = await this.#open();
    let entered: Entered;
    try {
      entered = await this.#probe.connect(this.#link);
    } catch (error) {
      const { message } = faultOf(error, this.#inquiry.target.timeoutMs);
      return problem(`no answer to CONNECT ${namespace}: ${message}`, [cures.noWelcome]);
    }
    if (entered.kind === "refused") return this.#refused(entered);
    if (entered.kind === "plain") {
      this.#inquiry.server = entered.recovers ? "plain recovering" : "plain";
      const seen = `plain Socket.IO${entered.recovers ? " with connection state recovery" : ""}`;
      return warning(seen, [cures.plainServer(entered.recovers)], { server: this.#inquiry.server });
    }
    this.#inquiry.server = "holdfast";
    this.#home = nodeOf(this.#link.handshake.sid) ?? "";
    const { version, limits } = entered.welcome;
    const where = this.#home === "" ? "" : ` on node ${this.#home}`;
    return ok(`Holdfast, protocol ${version}, a session of its own${where}`, {
      server: "holdfast",
      protocol: version,
      limits,
    });
  }

  /** Five numbered messages have to be answered in their order. */
  async checkMessages(): Promise<Finding> {
    const { timeoutMs } = this.#inquiry.target;
    const startedAt = performance.now();
    const wanted = Array.from({ length: messages }, (_, index) => index + 1);
    try {
      const link = await this.#linkNow();
      const came = this.#probe.opened ? await this.#recorded(link) : await answered(link, timeoutMs);
      const tookMs = Math.round(performance.now() - startedAt);
      const figures = { sent: wanted, came, tookMs };
      if (came.join() !== wanted.join()) {
        return problem(
          `${wanted.join(" ")} were sent, ${came.join(" ")} came back`,
          [cures.messagesWrong],
          figures,
        );
      }
      const how = this.#probe.opened ? "recorded and answered in order" : "answered in order";
      return ok(`${wanted.join(" ")} ${how}, ${tookMs} ms`, figures);
    } catch (error) {
      return problem(faultOf(error, timeoutMs).message, [cures.messagesWrong]);
    }
  }

  /** Cuts the link behind five messages; whatever of them had arrived, each has to end once. */
  async checkResume(): Promise<Finding> {
    if (!this.#probe.opened) return skipped(this.#whyNoSession());
    const { timeoutMs } = this.#inquiry.target;
    const before = this.#probe.id;
    try {
      const link = await this.#linkNow();
      const sent = await this.#probe.send(link, messages);
      link.cut();
      const startedAt = performance.now();
      // To the same node first, so that a store that is not shared shows as what it is.
      const sameNode = this.#home === "" ? undefined : await this.#openOn(this.#home);
      this.#link = sameNode ?? (await this.#open());
      const entered = await this.#probe.connect(this.#link);
      if (entered.kind !== "holdfast") return problem("not let in again", [cures.notResumed]);
      if (!entered.welcome.resumed) {
        return problem(`a new session in place of the old one (${entered.welcome.refused})`, [
          cures.notResumed,
        ]);
      }
      const tookMs = Math.round(performance.now() - startedAt);
      const kept = outcomesIn(entered.welcome.frames);
      const missing = sent.filter((sequence) => !kept.includes(sequence));
      await this.#probe.sendAgain(this.#link, missing);
      const came = missing.length === 0 ? [] : await this.#probe.outcomes(this.#link, missing.length);
      this.#probe.settle();
      const figures = { recorded: kept.length, sentAgain: missing.length, tookMs };
      const lost = sent.filter((sequence) => !kept.includes(sequence) && !came.includes(sequence));
      if (lost.length > 0 || this.#probe.id !== before) {
        return problem(`${lost.length} of ${messages} messages were lost`, [cures.messagesWrong], figures);
      }
      const inFlight = `${kept.length} of ${messages} messages in flight were recorded`;
      const how = `${inFlight}, ${missing.length} sent again`;
      return ok(`the same session after a cut, ${tookMs} ms; ${how}, none lost`, figures);
    } catch (error) {
      return problem(faultOf(error, timeoutMs).message, [cures.notResumed]);
    }
  }

  /**
   * Comes back to each of the other nodes; where a new session is opened instead, it does not know this one.
   */
  async checkNodes(): Promise<Finding> {
    if (!this.#probe.opened) return skipped(this.#whyNoSession());
    const { nodes, connections } = this.#inquiry;
    const home = this.#home;
    const others = [...nodes.keys()].filter((node) => node !== home);
    if (others.length === 0) {
      const seen = home === "" ? "connection ids name no nodes" : `one node, ${home}`;
      return ok(`${seen}, in ${connections} connections`, { nodes: [...nodes.keys()] });
    }
    const strangers: string[] = [];
    const resumed: string[] = [];
    try {
      for (const node of others.slice(0, nodesMax)) {
        const link = await this.#openOn(node);
        if (link === undefined) continue;
        await this.#link?.close();
        this.#link = link;
        const entered = await this.#probe.connect(link);
        const isKnown = entered.kind === "holdfast" && entered.welcome.resumed;
        (isKnown ? resumed : strangers).push(node);
      }
    } catch (error) {
      return problem(faultOf(error, this.#inquiry.target.timeoutMs).message, [cures.notResumed]);
    }
    const figures = { nodes: [...nodes.keys()], resumed, strangers };
    if (strangers.length > 0) {
      const seen = `the session of ${home} is a new one on ${strangers.join(", ")}`;
      return problem(seen, [cures.storeNotShared(strangers)], figures);
    }
    if (resumed.length === 0) return ok(`no other node was met again in ${attemptsMax} connections`, figures);
    return ok(`the same session on ${resumed.join(", ")}, opened on ${home}`, figures);
  }

  /** Leaves nothing behind but a session that ends by itself. */
  async end(): Promise<void> {
    await this.#link?.close();
  }

  #refused(entered: Extract<Entered, { kind: "refused" }>): Finding {
    const { auth, namespace } = this.#inquiry.target;
    const seen = `CONNECT ${namespace} is refused: ${JSON.stringify(entered.message)}`;
    const figures = { message: entered.message, code: entered.code };
    if (entered.isUnknownNamespace) return problem(seen, [cures.unknownNamespace(namespace)], figures);
    if (isErrorCode(entered.code)) return problem(seen, [cures.refusedByHoldfast(entered.code)], figures);
    if (auth !== undefined) return problem(seen, [cures.refusedWithAuth], figures);
    return { result: "skipped", seen, figures, cures: [cures.refusedWithoutAuth] };
  }

  #whyNoSession(): string {
    const { server } = this.#inquiry;
    return server === undefined ? "no session was opened" : "plain Socket.IO has no sessions";
  }

  async #linkNow(): Promise<EngineLink> {
    if (this.#link?.isOpen === true) return this.#link;
    this.#link = await this.#open();
    return this.#link;
  }

  async #open(): Promise<EngineLink> {
    const inquiry = this.#inquiry;
    return await (inquiry.webSocketWorks ? WebSocketLink.open(inquiry) : PollingLink.open(inquiry));
  }

  /** Connects until the proxy has chosen this node; the others are left again at once. */
  async #openOn(node: string): Promise<EngineLink | undefined> {
    for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
      const link = await this.#open();
      if (nodeOf(link.handshake.sid) === node) return link;
      await link.close();
    }
    return undefined;
  }

  /** A message that was answered is answered again, from the record. */
  async #recorded(link: EngineLink): Promise<readonly number[]> {
    const sent = await this.#probe.send(link, messages);
    const came = await this.#probe.outcomes(link, messages);
    await this.#probe.sendAgain(link, sent.slice(0, 1));
    const again = await this.#probe.outcomes(link, 1);
    this.#probe.settle();
    return again[0] === sent[0] ? came : [...came, ...again];
  }
}

async function answered(link: EngineLink, timeoutMs: number): Promise<readonly number[]> {
  for (let number = 1; number <= messages; number += 1) await sendEcho(link, number);
  const came: number[] = [];
  while (came.length < messages) {
    const number = echoed(await link.next(timeoutMs, (message) => echoed(message) !== undefined));
    if (number !== undefined) came.push(number);
  }
  return came;
}

const messages = 5;
/** Of a large fleet not every node is visited. */
const nodesMax = 8;
const attemptsMax = 40;
