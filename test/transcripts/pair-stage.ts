/**
 * The protocol's own machines, a client and a server with a link between them (`Pair`), under commands. Says
 * what the link carries, frame by frame, and what both sides do.
 */

import type { SavedSession } from "../../src/protocol/client-session.ts";
import { decodeWelcome } from "../../src/protocol/frames.ts";
import type { Run } from "../../src/protocol/inbox.ts";
import { Pair } from "../../src/protocol/testing/pair.ts";
import { smallClient, smallLimits } from "../../src/protocol/testing/pair-sizes.ts";
import type { Handling } from "../../src/protocol/testing/process-model.ts";
import { PairWitness } from "./pair-witness.ts";
import { durationOf, settingsOf, shortened, type Stage, unfolded } from "./script.ts";

export class PairStage implements Stage {
  readonly #pair: Pair;
  readonly #witness: PairWitness;
  readonly #handlings = new Map<string, Handling>();
  readonly #emits = new Map<string, number>();
  #saved: SavedSession | undefined;
  #told: string[] = [];

  /** `command`: `pair`, with settings of the pair, of the client and of the advertised limits. */
  constructor(command: string) {
    const settings = settingsOf(command.split(" ").slice(1));
    const unknown = Object.keys(settings).find((name) => !settingNames.has(name));
    if (unknown !== undefined) throw new Error(`${unknown} is no setting of a pair`);
    this.#pair = new Pair({
      ...settings,
      limits: settings,
      client: settings,
      handle: (run, attempt) => this.#handle(run, attempt),
      carried: (from, what, arrives) => {
        const way = from === "client" ? "client -> server" : "server -> client";
        this.#tell(`${way}  ${wireText(what)}${arrives ? "" : "   (lost)"}`);
      },
    });
    this.#witness = new PairWitness(this.#pair, (words) => this.#tell(`    ${words}`));
  }

  perform(command: string): readonly string[] {
    this.#told = [];
    const silent = command.startsWith("silently ");
    this.#do(silent ? command.slice("silently ".length) : command);
    this.#witness.look();
    return silent ? [] : this.#told;
  }

  #do(command: string): void {
    const pair = this.#pair;
    const [verb = "", name = "", ...rest] = command.split(" ");
    if (command === "wait") this.#wait(Number.POSITIVE_INFINITY);
    else if (verb === "wait") this.#wait(durationOf(command));
    else if (verb === "connect") pair.connect();
    else if (verb === "emit" || verb === "reply") this.#emit(verb, name, rest);
    else if (verb === "cancel") pair.cancel(this.#emits.get(name) ?? -1);
    else if (verb === "publish")
      pair.publish(name, { announce: !rest.includes("unannounced"), args: paddingOf(rest) });
    else if (verb === "handler") this.#handlings.set(name, handlingOf(rest));
    else if (command.startsWith("client says "))
      this.#inject(() => pair.server?.handleFrame(JSON.parse(unfolded(command.slice(12)))));
    else if (command.startsWith("server welcomes ")) this.#welcome(JSON.parse(command.slice(16)));
    else if (command.startsWith("server says "))
      this.#inject(() => pair.client.handleFrame(pair.schedule.now, JSON.parse(unfolded(command.slice(12)))));
    else this.#fault(command);
  }

  #fault(command: string): void {
    const pair = this.#pair;
    const [verb, ...rest] = command.split(" ");
    const settings = settingsOf(rest);
    if (command === "link is reset") pair.cut();
    else if (command === "link goes half-open") pair.cutHalfOpen();
    else if (command === "server crashes") pair.crashServer();
    else if (command === "session moves") pair.moveServer();
    else if (command === "session is lost") pair.loseSession();
    else if (command === "page reloads") pair.reloadPage();
    else if (command === "page saves") this.#saved = pair.client.save();
    else if (command === "page is restored") pair.reloadPage(this.#saved);
    else if (command === "client gives the session up") pair.reset();
    else if (command === "head is compared") pair.server?.handleHead();
    else if (verb === "limits") pair.limits = { ...pair.limits, ...settings };
    else if (command.startsWith("store forgets ")) pair.store.outcomes.delete(Number(rest[1]));
    else if (verb === "trim") pair.store.trim(settings["below"] ?? 1);
    else if (verb === "rewind") pair.store.rewind(settings["to"] ?? 0, `e${settings["epoch"]}`);
    else throw new Error("nobody knows this command");
  }

  #emit(verb: "emit" | "reply", name: string, rest: readonly string[]): void {
    const wantsReply = rest.includes("asks");
    if (verb === "reply") this.#emits.set(name, this.#pair.reply(name, rest.at(-1) ?? ""));
    else {
      const options = { aside: rest.includes("aside"), wantsReply, args: paddingOf(rest) };
      this.#emits.set(name, this.#pair.emit(name, options));
    }
  }

  /** As if it had come over the link; the other side knows nothing of it. */
  #inject(deliver: () => void): void {
    this.#pair.schedule.after(0, deliver);
    this.#wait(0);
  }

  /** A welcome of a server that is not the pair's own; what is not said is as in the pair's. */
  #welcome(said: object): void {
    const { limits, store } = this.#pair;
    const usual = { version: 1, generation: store.generation + 1, resumed: true, refused: "", limits };
    const decoded = decodeWelcome({ ...usual, streams: [], frames: [], uploads: [], ...said });
    if (decoded === undefined) throw new Error("no welcome");
    const { client, schedule } = this.#pair;
    this.#inject(() => client.handleConnected(schedule.now, "session", client.token || "token", decoded));
  }

  #wait(forMs: number): void {
    const { schedule } = this.#pair;
    const end = schedule.now + forMs;
    this.#pair.drive(() => {
      this.#witness.look();
      const timeout = this.#pair.client.nextTimeout() ?? Number.POSITIVE_INFINITY;
      return Math.min(schedule.next ?? Number.POSITIVE_INFINITY, timeout) > end;
    });
    if (Number.isFinite(end) && schedule.now < end) schedule.advanceTo(end);
  }

  #handle(run: Run, attempt: number): Handling | undefined {
    const [name] = run.payload as unknown[];
    this.#tell(`    server runs ${String(name)}${attempt > 1 ? ", once more" : ""}`);
    const handling = this.#handlings.get(String(name));
    return handling?.kind === "retry" && attempt > 1 ? undefined : handling;
  }

  #tell(words: string): void {
    this.#told.push(`${String(this.#pair.schedule.now).padStart(4)} ms  ${shortened(words)}`);
  }
}

const settingNames: ReadonlySet<string> = new Set([
  "latencyMs",
  "commitMs",
  "reconnectMs",
  "pageEntries",
  ...Object.keys(smallLimits),
  ...Object.keys(smallClient),
]);

/** What is said on the wire; the limits are the same every time, and long. */
function wireText(what: unknown): string {
  if (typeof what === "string") return `hello ${what}`;
  if (Array.isArray(what)) return JSON.stringify(what);
  const { limits: _, ...rest } = what as { limits: unknown };
  return `welcome ${JSON.stringify(rest)}`;
}

/** `x300`: one argument of so many characters. */
function paddingOf(words: readonly string[]): string[] {
  return words.filter((word) => /^x\d+$/.test(word)).map((word) => "x".repeat(Number(word.slice(1))));
}

function handlingOf([verb, what = ""]: readonly string[]): Handling {
  if (verb === "rejects") return { kind: "rejected", code: what };
  if (verb === "retries") return { kind: "retry", delayMs: Number(what) };
  if (verb === "takes") return { kind: "ok", afterMs: Number(what) };
  throw new Error("a handler rejects CODE, retries MS or takes MS");
}
