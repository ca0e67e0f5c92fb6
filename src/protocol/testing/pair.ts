/**
 * A client and a server with a link between them, in virtual time. The machines are the real ones; the link
 * can be cut, in one direction or both, the server can crash, and the session can move to another process.
 * What the handler ran, what the application was shown and how every emit ended is written down for the test.
 */

import {
  ClientSession,
  type ClientOutcome,
  type ClientSessionOptions,
  type SavedSession,
} from "../client-session.ts";
import { assert } from "../errors.ts";
import { decodeHello, decodeWelcome, encodeHello, type Limits, protocolVersion } from "../frames.ts";
import type { Run } from "../inbox.ts";
import { encodePayload } from "../payload.ts";
import type { Shown } from "../positions.ts";
import { smallClient, smallLimits } from "./pair-sizes.ts";
import { type Handling, ProcessModel, roomStream } from "./process-model.ts";
import { Schedule } from "./schedule.ts";
import { StoreModel } from "./store-model.ts";

export type PairOptions = {
  readonly latencyMs?: number;
  readonly commitMs?: number;
  readonly reconnectMs?: number;
  readonly limits?: Partial<Limits>;
  readonly client?: Partial<ClientSessionOptions>;
  readonly pageEntries?: number;
  /** What the handler does; undefined: it takes the event, and replies where it is asked to. */
  readonly handle?: (run: Run, attempt: number) => Handling | undefined;
  /** Told of everything on the link (hello, welcome, frames) when it arrives, or would have. */
  readonly carried?: (from: "client" | "server", what: unknown, arrives: boolean) => void;
};

type Link = { upAlive: boolean; downAlive: boolean; noticed: boolean };

export class Pair {
  readonly schedule = new Schedule();
  readonly store: StoreModel;
  client: ClientSession;
  server: ProcessModel | undefined;
  /** Arguments of the events that reached the handler, in order; a re-run is another item. */
  readonly handled: unknown[][] = [];
  readonly shown: Shown[] = [];
  readonly violations: string[] = [];
  readonly refused: string[] = [];
  /** The highest offset that the client has acknowledged. */
  confirmed = 0;
  connections = 0;
  frames = 0;
  /** The link is cut in front of the frame with this number, counted in both directions. */
  cutAtFrame = Number.POSITIVE_INFINITY;
  /** What the cut does besides; by default both sides notice at once. */
  onCut: (() => void) | undefined;
  limits: Limits;
  readonly #options: PairOptions;
  readonly #emits: { readonly name: string; sequence: number; readonly outcomes: ClientOutcome[] }[] = [];
  readonly #bySequence = new Map<number, number>();
  readonly #attempts = new Map<string, number>();
  #link: Link | undefined;
  #token = "";

  constructor(options: PairOptions = {}) {
    this.#options = options;
    this.limits = { ...smallLimits, ...options.limits };
    this.store = new StoreModel(this.schedule, options.commitMs ?? 2);
    this.client = this.#newClient();
  }

  /** How each emit ended: "pending", or its one outcome. More than one is a failure by itself. */
  get outcomes(): Record<string, string> {
    return Object.fromEntries(
      this.#emits.map(({ name, outcomes }) => [name, outcomes.map(describe).join("+") || "pending"]),
    );
  }

  /** First argument of every event that reached the handler. */
  get handledNames(): unknown[] {
    return this.handled.map(([name]) => name);
  }

  /** What the application was shown of the room, gaps in words. */
  get shownNames(): unknown[] {
    return this.shown.map((shown) =>
      shown.kind === "deliver"
        ? (shown.payload as unknown[])[0]
        : shown.kind === "gap"
          ? `gap ${shown.from}-${shown.to} ${shown.reason}`
          : `violation ${shown.detail}`,
    );
  }

  emit(name: string, options: { aside?: boolean; wantsReply?: boolean; args?: unknown[] } = {}): number {
    const { aside = false, wantsReply = false, args = [] } = options;
    const result = this.client.emit(this.schedule.now, {
      payload: encodePayload([name, ...args]),
      wantsReply,
      aside,
    });
    assert(result.ok, "the outbox takes the event");
    return this.#note(name, result.sequence);
  }

  reply(name: string, to: string): number {
    const request = { payload: encodePayload([name]), wantsReply: true, aside: false };
    const result = this.client.reply(this.schedule.now, to, request);
    assert(result.ok, "the outbox takes the reply");
    return this.#note(name, result.sequence);
  }

  /** The caller gives an emit up; `emit` is what `emit` returned. */
  cancel(emit: number): void {
    this.client.cancel(this.schedule.now, this.#emits[emit]?.sequence ?? 0);
    this.#carryOut();
  }

  reset(): void {
    this.client.reset();
    this.#carryOut();
  }

  abandon(): void {
    this.client.abandon();
    this.#carryOut();
  }

  /** Appends to the room; `announce` false loses the announcement. */
  publish(name: string, options: { announce?: boolean; args?: unknown[] } = {}): void {
    const payload = encodePayload([name, ...(options.args ?? [])]);
    this.store.commit({
      isAlive: () => true,
      apply: () => this.store.append(payload),
      done: (entry) => {
        if (options.announce !== false && this.server?.alive === true) this.server.handleCommitted(entry);
      },
    });
  }

  connect(): void {
    const link: Link = { upAlive: true, downAlive: true, noticed: false };
    this.#link = link;
    this.connections += 1;
    const hello = encodeHello(this.client.hello());
    const token = this.client.token;
    this.#up(link, hello, () => {
      this.store.commit({
        isAlive: () => link.upAlive,
        apply: () => token !== "" && token === this.#token,
        done: (resumes) => this.#admit(link, hello, resumes),
      });
    });
  }

  /** Both sides are told that the link is gone; the client comes back after a while. */
  cut(): void {
    const link = this.#link;
    if (link === undefined) return;
    link.upAlive = false;
    link.downAlive = false;
    this.server?.disconnect();
    this.#noticed(link);
  }

  /**
   * Nothing gets through any more, and only the client finds out; the server takes the next connection for
   * news.
   */
  cutHalfOpen(): void {
    const link = this.#link;
    if (link === undefined) return;
    link.upAlive = false;
    link.downAlive = false;
    this.#noticed(link);
  }

  /** What was not committed is lost, and the memory of the process with it. */
  crashServer(): void {
    if (this.server !== undefined) this.server.alive = false;
    this.server = undefined;
    this.cut();
  }

  /** The next connection reaches another process; this one does not know until the store refuses it. */
  moveServer(): void {
    this.server = undefined;
    this.cut();
  }

  /** The store forgets the session. */
  loseSession(): void {
    this.#token = "";
    if (this.server !== undefined) this.server.alive = false;
    this.server = undefined;
    this.store.outcomes.clear();
    this.store.uploads.clear();
    this.store.inboxLow = 1;
  }

  /** The page goes away and comes back: all that is left of the client is what it saved. */
  reloadPage(saved: SavedSession = this.client.save()): void {
    this.cutHalfOpen();
    this.client = this.#newClient();
    this.client.restore(JSON.parse(JSON.stringify(saved)) as SavedSession);
  }

  /**
   * Runs until nothing is due, or until the condition holds. Asserts that this takes a bounded number of
   * steps.
   */
  drive(until: () => boolean = () => false): void {
    for (let steps = 0; steps < stepsMax; steps++) {
      if (until()) return;
      const timeout = this.client.nextTimeout();
      const { next } = this.schedule;
      if (timeout !== undefined && (next === undefined || timeout < next)) {
        this.schedule.advanceTo(Math.max(timeout, this.schedule.now));
        this.client.handleTimeout(this.schedule.now);
        this.#carryOut();
      } else if (next === undefined) return;
      else {
        this.schedule.step();
        this.#carryOut();
      }
    }
    assert(false, `the pair comes to rest within ${stepsMax} steps`);
  }

  #newClient(): ClientSession {
    return new ClientSession({ ...smallClient, ...this.#options.client });
  }

  #note(name: string, sequence: number): number {
    this.#emits.push({ name, sequence, outcomes: [] });
    this.#bySequence.set(sequence, this.#emits.length - 1);
    this.#carryOut();
    return this.#emits.length - 1;
  }

  #admit(link: Link, helloText: string, resumes: boolean): void {
    const hello = decodeHello(helloText);
    assert(hello !== undefined, "the server understands the hello");
    const process = this.server?.alive === true && resumes ? this.server : this.#newProcess(resumes);
    const goesOn = resumes && process.inbox.continues(hello);
    if (resumes && !goesOn) {
      this.loseSession();
      this.#admit(link, helloText, false);
      return;
    }
    this.server = process;
    this.store.generation += 1;
    process.generation = this.store.generation;
    process.disconnect();
    if (!goesOn) this.#token = `session.${this.connections}`;
    const { frames, uploads } = process.inbox.handleConnected(goesOn ? hello.low : 1);
    const known = goesOn ? hello.positions[0] : undefined;
    const place = known ?? { epoch: this.store.epoch, offset: this.store.head, part: 0 };
    const open = {
      stream: roomStream,
      epoch: place.epoch,
      offset: place.offset,
      room: "room",
      prompt: false,
    };
    const welcome = {
      version: protocolVersion,
      generation: this.store.generation,
      resumed: goesOn,
      refused: "",
      limits: this.limits,
      streams: [open],
      frames: frames.map((frame) => JSON.parse(frame) as unknown),
      uploads,
    };
    const token = this.#token;
    this.#down(link, welcome, () => {
      const decoded = decodeWelcome(JSON.parse(JSON.stringify(welcome)));
      assert(decoded !== undefined, "the client understands the welcome");
      this.client.handleConnected(this.schedule.now, "session", token, decoded);
    });
    process.join(place.epoch, place.offset, place.part);
    process.carryOut();
  }

  #newProcess(resumes: boolean): ProcessModel {
    if (!resumes) this.loseSession();
    const process: ProcessModel = new ProcessModel({
      schedule: this.schedule,
      store: this.store,
      limits: this.limits,
      pageEntries: this.#options.pageEntries ?? 3,
      handle: (run) => this.#handle(run),
      transmit: (frame) => {
        const link = this.#link;
        // A process that the session has left has no connection to write to.
        if (link !== undefined && this.server === process)
          this.#down(link, JSON.parse(frame), (value) => this.client.handleFrame(this.schedule.now, value));
      },
      refused: (code, detail) => {
        this.refused.push(`${code}: ${detail}`);
        this.cut();
      },
      confirmed: (offset) => {
        this.confirmed = Math.max(this.confirmed, offset);
      },
    });
    return process;
  }

  #handle(run: Run): Handling {
    const values = run.payload as unknown[];
    this.handled.push(values);
    const name = String(values[0]);
    const attempt = (this.#attempts.get(name) ?? 0) + 1;
    this.#attempts.set(name, attempt);
    const ok: Handling = run.wantsReply ? { kind: "ok", body: `[["re ${name}"]]` } : { kind: "ok" };
    return this.#options.handle?.(run, attempt) ?? ok;
  }

  #carryOut(): void {
    for (;;) {
      const outputs = this.client.poll();
      if (outputs.length === 0) return;
      for (const output of outputs) {
        if (output.kind === "transmit") {
          const link = this.#link;
          const value: unknown = JSON.parse(output.frame);
          if (link !== undefined) this.#up(link, value, () => this.server?.handleFrame(value));
        } else if (output.kind === "deliver" || output.kind === "gap") this.shown.push(output);
        else if (output.kind === "incomplete") {
          this.violations.push("frames are missing");
          this.cut();
        } else if (output.kind === "violation") {
          this.violations.push(output.detail);
          this.cut();
        } else if (output.kind === "settle") {
          this.#emits[this.#bySequence.get(output.sequence) ?? -1]?.outcomes.push(output.outcome);
        } else if (output.kind === "renumbered") this.#renumber(output.from, output.to);
      }
    }
  }

  #renumber(from: number, to: number): void {
    const emit = this.#bySequence.get(from);
    if (emit === undefined) return;
    this.#bySequence.delete(from);
    this.#bySequence.set(to, emit);
    const noted = this.#emits[emit];
    if (noted !== undefined) noted.sequence = to;
  }

  #noticed(link: Link): void {
    if (link.noticed) return;
    link.noticed = true;
    this.client.handleDisconnected();
    this.client.poll();
    this.schedule.after(this.#options.reconnectMs ?? 5, () => {
      if (this.#link === link) this.connect();
    });
  }

  #up(link: Link, what: unknown, deliver: () => void): void {
    this.#carry("client", what, { isAlive: () => link.upAlive, deliver });
  }

  #down(link: Link, what: unknown, deliver: (what: unknown) => void): void {
    this.#carry("server", what, { isAlive: () => link.downAlive, deliver });
  }

  #carry(
    from: "client" | "server",
    what: unknown,
    way: { readonly isAlive: () => boolean; readonly deliver: (what: unknown) => void },
  ): void {
    this.schedule.after(this.#options.latencyMs ?? 3, () => {
      const arrives = way.isAlive();
      this.#options.carried?.(from, what, arrives);
      if (!arrives) return;
      this.frames += 1;
      if (this.frames === this.cutAtFrame) (this.onCut ?? (() => this.cut()))();
      else way.deliver(what);
    });
  }
}

function describe(outcome: ClientOutcome): string {
  if (outcome.status === "ok")
    return outcome.body === undefined ? "ok" : `ok ${JSON.stringify(outcome.body)}`;
  if (outcome.status === "rejected") return `rejected ${outcome.error.code}`;
  return outcome.status === "failed" ? outcome.code : outcome.status;
}

/** The largest scenario needs some 2,000. */
const stepsMax = 20_000;
