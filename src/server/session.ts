/**
 * A session in the process that holds it: the virtual connection of `io.on("session")`, the inbox behind it,
 * and the rooms it is in. It outlives connections; when another process takes the session over it ends here
 * with "moved".
 */

import { EventEmitter } from "node:events";
import { assertNever } from "../protocol/errors.ts";
import { serverFrame } from "../protocol/frames.ts";
import type { Claim } from "../protocol/holder.ts";
import type { Leaving } from "../protocol/lent-runs.ts";
import { type ElsewhereOutput, RunsElsewhere } from "../protocol/runs-elsewhere.ts";
import { ServerSession, type InboxOutcome, type ServerOutput } from "../protocol/server-session.ts";
import type { Fence, Membership, ResumedSession, StreamHead } from "../store/port.ts";
import type { Connection } from "./connection.ts";
import type { RunResult } from "./dispatch.ts";
import { EventRuns } from "./event-runs.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";
import { OutcomeRecords } from "./outcome-records.ts";
import type { Request } from "./request.ts";
import { SessionHolder } from "./session-holder.ts";
import { SessionUploads } from "./session-uploads.ts";
import type { EmitFlags, HoldfastSocket, SocketSession } from "./socket-io.ts";

/** Why a session ended in this process. */
export type EndReason = "moved" | "expired" | "kicked" | "evicted" | "closed";

export class Session extends EventEmitter implements SocketSession {
  readonly id: string;
  readonly token: string;
  readonly principal: string | undefined;
  readonly data: Record<string, unknown>;
  /** Durable memberships by room name; the session's own room and the namespace are not among them. */
  readonly memberships = new Map<string, Membership>();
  namespaceMembership: Membership;
  generation: number;
  welcome: unknown = undefined;
  socket: HoldfastSocket | undefined;
  connection: Connection | undefined;
  ended = false;
  /** Whether it waits for its client to come back. */
  suspended = false;
  /** Whether `io.on("session")` has been called for it. */
  announced = false;
  /** False while a connection is being admitted; then entries of the own stream only leave a note here. */
  ownRoomReady = false;
  ownHead: StreamHead | undefined;
  readonly holder: SessionHolder;
  readonly #delivery: NamespaceDelivery;
  #inbox: ServerSession;
  #savedData: string;
  readonly #records: OutcomeRecords;
  readonly #runs: EventRuns;
  readonly #uploads: SessionUploads;
  /** The generation in which it began to be held here. */
  readonly #since: number;
  #elsewhere: RunsElsewhere | undefined;

  constructor(
    delivery: NamespaceDelivery,
    options: {
      readonly id: string;
      readonly token: string;
      readonly principal: string | undefined;
      readonly data: Record<string, unknown>;
      readonly generation: number;
      readonly namespaceMembership: Membership;
      readonly resumed: ResumedSession | undefined;
    },
  ) {
    super();
    this.setMaxListeners(0);
    // As in Socket.IO, an "error" event without a listener must not end the process.
    this.on("error", ignoreError);
    this.#delivery = delivery;
    this.id = options.id;
    this.token = options.token;
    this.principal = options.principal;
    this.data = options.data;
    this.generation = options.generation;
    this.#since = options.generation;
    this.namespaceMembership = options.namespaceMembership;
    const { resumed } = options;
    this.#savedData = resumed?.data ?? delivery.dataText(options.data) ?? "{}";
    this.holder = new SessionHolder(resumed?.heard);
    this.#inbox = new ServerSession({
      limits: delivery.options.limits,
      low: resumed?.inboxLow ?? 1,
      outcomes: resumed?.outcomes ?? [],
      uploads: resumed?.uploads ?? [],
    });
    this.#records = new OutcomeRecords(this, delivery, this.#inbox);
    this.#runs = new EventRuns(this, delivery, (...end) => this.#finish(...end));
    this.#uploads = new SessionUploads(this, delivery, this.#inbox);
    super.on("newListener", listenerAdded);
  }

  get namespace(): string {
    return this.#delivery.name;
  }

  /** What other processes run of it. */
  get elsewhere(): RunsElsewhere {
    this.#elsewhere ??= new RunsElsewhere({ since: this.#since, claim: { low: 1, next: 1 } });
    return this.#elsewhere;
  }

  /** What those who hold the session from now on have to know of it. */
  get leaving(): Leaving {
    const { generation } = this;
    const { holder, heard } = this.holder;
    const running = [...this.#runs.underWay, ...this.#records.underWay];
    const claimed = { holder, heard, ...this.#inbox.extent };
    return { generation, claimed, running, ask: this.#elsewhere?.unheard ?? [] };
  }

  get connected(): boolean {
    return this.connection !== undefined;
  }

  /** With this, writes are refused once somebody else holds the session. */
  get fence(): Fence {
    const { id: session, generation } = this;
    return { session, generation, node: this.#delivery.node.id, heard: this.holder.heard };
  }

  get rooms(): ReadonlySet<string> {
    return new Set([this.id, ...this.memberships.keys()]);
  }

  /** Handlers that are running. */
  get running(): number {
    return this.#runs.running;
  }

  /** A handler runs, or its outcome is not stored yet: in another process, the event would run once more. */
  get isBusy(): boolean {
    return this.running > 0 || this.#records.underWay.size > 0;
  }

  /** Outcomes and events that are remembered for this session. */
  get inboxDepth(): number {
    return this.#inbox.depth + this.#runs.waiting;
  }

  // --- the virtual connection's own methods ---

  /** Emits to the client, now or when it is back. The last argument may be a callback, as in Socket.IO. */
  override emit(event: string, ...args: unknown[]): boolean {
    // Node's own events of an emitter; everything else is for the client.
    if (event === "error" || event === "newListener" || event === "removeListener") {
      return super.emit(event, ...args);
    }
    this.#delivery.emitToSession(this, [event, ...args], {});
    return true;
  }

  /** Emits and waits for the client's reply, across its reconnects. Rejects when the session ends before. */
  emitWithAck(event: string, ...args: unknown[]): Promise<unknown> {
    return this.#delivery.questions.ask(this.id, [event, ...args], undefined);
  }

  timeout(timeoutMs: number): { emitWithAck(event: string, ...args: unknown[]): Promise<unknown> } {
    const { questions } = this.#delivery;
    return { emitWithAck: (event, ...args) => questions.ask(this.id, [event, ...args], timeoutMs) };
  }

  join(rooms: string | readonly string[], options?: unknown): Promise<void> {
    const list = typeof rooms === "string" ? [rooms] : rooms;
    return this.#delivery.rooms.join(this, list, options ?? {});
  }

  async leave(room: string): Promise<void> {
    await this.#delivery.rooms.leave(this, room);
  }

  /** Ends the session: the client has to open a new one. */
  end(): void {
    this.socket?.disconnect(true);
    this.#delivery.endSession(this, "closed");
  }

  // --- what the socket calls ---

  handleFrames(values: readonly unknown[]): void {
    // In front of all that these frames lead to: a copy of the client that resumes then is known for one.
    if (this.holder.hear(this.generation)) this.#delivery.saveHeard(this);
    for (const value of values) {
      // Another process holds the session now; what this connection still says is for that one.
      if (this.ended) return;
      this.#inbox.handleFrame(value);
      this.#carryOut();
    }
  }

  emitFromSocket(socket: HoldfastSocket, args: unknown[], flags: EmitFlags): void {
    this.#delivery.emitToSession(this, args, flags, socket);
  }

  /** Later, because whoever attaches one listener is about to attach others. */
  handleListener(): void {
    if (this.#runs.waiting > 0) setImmediate(() => this.#runs.release());
  }

  handleOutgoingListener(socket: HoldfastSocket): void {
    this.#delivery.outgoing.add(socket);
  }

  handleConnected(): void {
    const { socket } = this;
    if (socket !== undefined && socket.listenersAnyOutgoing().length > 0) this.#delivery.outgoing.add(socket);
    this.#delivery.announceSession(this);
  }

  handleClosed(socket: HoldfastSocket): void {
    this.#delivery.outgoing.delete(socket);
    if (this.socket === socket) this.#delivery.suspend(this);
  }

  handleLeaving(): void {
    this.ownRoomReady = false;
    this.connection?.detachMembers();
  }

  handleKicked(): void {
    this.#delivery.endSession(this, "kicked");
  }

  // --- what the namespace calls ---

  /** Tells the virtual connection's listeners; clients cannot cause these. */
  announce(event: "suspend" | "resume" | "moved" | "end", ...args: unknown[]): void {
    super.emit(event, ...args);
  }

  /** Whether a client may go on with the session, as far as this process knows. */
  judge(claim: Claim): ReturnType<SessionHolder["judge"]> {
    return this.holder.judge(claim, this.#inbox.extent);
  }

  /** The client is back, or here for the first time. Returns what the welcome says of the inbox. */
  connect(connection: Connection, low: number): ReturnType<ServerSession["handleConnected"]> {
    this.connection = connection;
    this.socket = connection.socket;
    this.#runs.handleHeld();
    return this.#inbox.handleConnected(low);
  }

  /** The socket's handlers have run and may have attached listeners. */
  handleListening(): void {
    this.#runs.release();
  }

  /**
   * Takes nothing more from this connection and begins nothing more: the client sends it again on its next
   * one.
   */
  quiesce(): void {
    this.#inbox.handleClosing();
    this.#stopRuns();
  }

  disconnect(): void {
    this.connection?.close();
    this.connection = undefined;
    this.socket = undefined;
    this.#inbox.handleDisconnected();
    this.#stopRuns();
    this.#inbox.poll();
  }

  /** The client resends what has no outcome, and it is better run with the next connection's listeners. */
  #stopRuns(): void {
    for (const sequence of this.#runs.stop()) this.#inbox.handleNotRun(sequence);
  }

  /** Saves `socket.data` when it has changed since it was last saved. */
  saveData(): void {
    const data = this.changedData();
    if (data !== undefined) this.#delivery.saveData(this, data);
  }

  /** Undefined when it is as it was saved; what is returned counts as saved. */
  changedData(): string | undefined {
    const text = this.#delivery.dataText(this.data);
    if (text === undefined || text === this.#savedData) return undefined;
    this.#savedData = text;
    return text;
  }

  /** It could not be saved. */
  forgetSavedData(): void {
    this.#savedData = "";
  }

  /** The client comes from another process, which may still run what it has sent. */
  comeFromElsewhere(claim: Claim): void {
    this.#elsewhere = new RunsElsewhere({ since: this.#since, claim });
  }

  waitsElsewhere(sequence: number): boolean {
    return this.#elsewhere?.waits(sequence) === true;
  }

  /** Another process has said what becomes of what it runs, or says nothing. */
  handleElsewhere(outputs: readonly ElsewhereOutput[]): void {
    if (this.ended) return;
    for (const output of outputs) {
      if (output.kind === "take") this.#delivery.node.others.ask(this, output.node);
      else if (output.kind === "unanswered") this.#runs.handleUnanswered(output.sequence);
      else {
        const { outcome, places } = output;
        this.#runs.settle(outcome.sequence);
        this.#delivery.afterEntries(this, places, () => this.#takeOutcome(outcome));
      }
    }
    this.#carryOut();
    this.#runs.release();
  }

  #takeOutcome(outcome: InboxOutcome): void {
    if (this.ended) return;
    this.#records.take(outcome);
    this.#carryOut();
  }

  #carryOut(): void {
    for (;;) {
      const outputs = this.#inbox.poll();
      if (outputs.length === 0) return;
      for (const output of outputs) this.#perform(output);
    }
  }

  #perform(output: ServerOutput): void {
    switch (output.kind) {
      case "run":
        this.#runs.begin(output);
        return;
      case "record":
        void this.#record(output.outcome, output.low);
        return;
      case "storeChunk":
        void this.#uploads
          .store(output.sequence, output.index, output.text)
          .then((taken) => taken && this.#carryOut());
        return;
      case "readUpload":
        void this.#uploads.read(output.sequence).then((taken) => taken && this.#carryOut());
        return;
      case "positions":
        this.#delivery.handlePositions(this, output.positions);
        return;
      case "arrived": {
        const member = this.connection?.members.get(output.stream);
        member?.carryOut(member.feed.handleArrived(output.offset, output.characters));
        return;
      }
      case "transmit":
        this.connection?.queue(output.frame);
        return;
      case "violation": {
        const { code, detail } = output;
        this.#delivery.reportRefused(this, code, detail);
        this.connection?.refuse(serverFrame.error(code, detail));
        return;
      }
      default:
        assertNever(output);
    }
  }

  #finish(sequence: number, result: RunResult, run?: Request): void {
    this.#records.finish(sequence, result, run);
    if (this.ended) this.#inbox.poll();
    else this.#carryOut();
  }

  async #record(outcome: InboxOutcome, inboxLow: number): Promise<void> {
    await this.#records.record(outcome, inboxLow);
    this.#carryOut();
    // Where it had to stay only for this handler.
    this.#delivery.makeRoom();
  }
}

/** One function for all sessions, where closures would be two objects in each. */
function listenerAdded(this: Session): void {
  this.handleListener();
}

function ignoreError(): void {}
