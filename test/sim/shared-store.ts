/**
 * The store of a simulated installation: one engine, and for every node a commit queue in front of it, as
 * several processes have on one database. Between queue and engine stands what goes wrong in between.
 */

import { parseJson } from "../../src/protocol/frames.ts";
import { nodeOfKey } from "../../src/protocol/stream-key.ts";
import type { Engine } from "../../src/store/commit-queue.ts";
import { DeliveryError } from "../../src/protocol/errors.ts";
import { entriesOf, isRead, type Operation, type Result } from "../../src/store/operation.ts";
import type {
  CommittedEntry,
  Fence,
  Enrolled,
  Membership,
  ResumedSession,
  ResumeResult,
  Store,
  StreamHead,
} from "../../src/store/port.ts";
import { queuedStore } from "../../src/store/queued-store.ts";
import type { EngineName } from "./engines.ts";
import type { History } from "./history.ts";
import { RewindableEngine } from "./rewindable-engine.ts";
import type { Seeded } from "./seeded.ts";
import type { Process, Timeline } from "./virtual-time.ts";

export type StoreFaults = {
  readonly latencyMs: (owner: Process) => number;
  /** What other nodes hear of a commit: probabilities per node and commit. */
  readonly announcementLost: number;
  readonly announcementLate: number;
  readonly announcementTwice: number;
};

type Listener = Parameters<Store["onCommitted"]>[0];

export class SharedStore {
  readonly #timeline: Timeline;
  readonly #history: History;
  /** Of each process, so that what one of them does shifts nothing for the others. */
  readonly #randoms = new Map<Process, Seeded>();
  readonly #random: Seeded;
  readonly #engine: RewindableEngine;
  faults: StoreFaults;
  /** Commits fail until then. */
  refusesUntil = 0;
  /** It has no space left until the first sweep after then; 0 while there is some. */
  #fullUntil = 0;
  /** Commits take until then at least. */
  slowUntil = 0;
  readonly #listeners = new Map<Process, Listener>();
  readonly #lows = new Map<number, number>();
  /** Sessions that were opened and have not ended. */
  readonly #open = new Set<string>();
  /** Of each session, as the last resume has raised it. */
  readonly #generations = new Map<string, number>();

  constructor(options: {
    readonly timeline: Timeline;
    readonly history: History;
    readonly random: Seeded;
    readonly faults: StoreFaults;
    readonly engine?: EngineName;
  }) {
    const { timeline, history, random, faults, engine = "memory" } = options;
    this.#timeline = timeline;
    this.#history = history;
    this.#random = random;
    this.faults = faults;
    this.#engine = new RewindableEngine(engine, () => timeline.now);
  }

  /** The store as one process opens it. */
  openFor(owner: Process): Store {
    const engine: Engine = {
      durability: "memory",
      commit: (operations) => this.#carry(owner, operations),
      close: () => Promise.resolve(),
    };
    const store = queuedStore(engine, { queueLimit: 10_000, queueBytesLimit: 64 * 1024 * 1024 });
    const { onCommitted } = store;
    store.onCommitted = (listener) => {
      this.#listeners.set(owner, listener);
      onCommitted.call(store, listener);
    };
    const { endSession } = store;
    store.endSession = (session, ownKey) => {
      this.#history.add({ kind: "ending", session, node: owner.name });
      return endSession.call(store, session, ownKey);
    };
    return store;
  }

  powerCut(): void {
    this.#engine.powerCut();
  }

  /** No space is left: what writes is refused, until a sweep makes room some `forMs` later. */
  fill(forMs: number): void {
    this.#fullUntil = this.#timeline.now + forMs;
  }

  hasSpace(): void {
    this.#fullUntil = 0;
  }

  /**
   * The store stands where it stood `lastMs` ago: a failover or a backup has lost what came after. With
   * `renew` whoever operates it says so, and every stream gets a new epoch.
   */
  rewind(lastMs: number, renew: boolean): void {
    const to = this.#timeline.now - lastMs;
    const lost = this.#engine.rewind(to);
    if (renew) void this.#engine.commit([{ kind: "renewEpochs", request: undefined }]);
    this.#lows.clear();
    this.#generations.clear();
    this.#history.add({ kind: "rewound", to, renewed: renew, lost: lost.length });
    for (const { kind, request } of lost) {
      if (kind === "openSession")
        this.#history.add({ kind: "ended", session: request.session, why: "rewound" });
    }
  }

  close(): void {
    this.#engine.close();
  }

  figures(): Promise<readonly Result[]> {
    return this.#engine.commit([{ kind: "figures", request: undefined }]);
  }

  heads(keys: readonly string[]): Promise<readonly Result[]> {
    return this.#engine.commit([{ kind: "heads", request: keys }]);
  }

  /** There and back: a process may die before its commit, or between the commit and hearing of it. */
  #carry(owner: Process, operations: readonly Operation[]): Promise<readonly Result[]> {
    return new Promise((resolve, reject) => {
      if (!owner.output()) return;
      const { now } = this.#timeline;
      const delayMs = Math.max(this.faults.latencyMs(owner), this.slowUntil - now);
      this.#timeline.later(delayMs, () => {
        const backMs = this.faults.latencyMs(owner);
        if (!owner.alive && this.#randomOf(owner).chance(0.5)) return;
        const refusal = this.#refusalOf(operations);
        if (refusal !== undefined) {
          const error = new DeliveryError(refusal, { detail: "simulated" });
          this.#timeline.for(owner, backMs, () => reject(error));
          return;
        }
        void this.#engine.commit(operations).then(
          (results) => {
            this.#committed(owner, operations, results);
            this.#timeline.for(owner, backMs, () => {
              for (const [index, operation] of operations.entries()) this.#heard(operation, results[index]);
              resolve(results);
            });
          },
          (error: unknown) =>
            this.#timeline.for(owner, backMs, () =>
              reject(error instanceof Error ? error : new Error(String(error))),
            ),
        );
      });
    });
  }

  /** Why a batch is refused as a whole. Only a sweep makes room. */
  #refusalOf(operations: readonly Operation[]): "store_unavailable" | "store_full" | undefined {
    const { now } = this.#timeline;
    if (now < this.refusesUntil) return "store_unavailable";
    if (this.#fullUntil === 0) return undefined;
    if (operations.every(({ kind }) => isRead(kind))) return undefined;
    if (operations[0]?.kind !== "sweep") {
      this.#history.add({ kind: "full", operation: operations[0]?.kind ?? "" });
      return "store_full";
    }
    if (now >= this.#fullUntil) this.#fullUntil = 0;
    return undefined;
  }

  #heard({ kind, request }: Operation, result: Result): void {
    if (kind !== "resumeSession" || !(result as ResumeResult).ok) return;
    const { session, node } = request;
    const { generation } = result as ResumedSession;
    this.#history.add({ kind: "holding", session, generation, node: node.slice(0, 3) });
  }

  #committed(owner: Process, operations: readonly Operation[], results: readonly Result[]): void {
    const entries: CommittedEntry[] = [];
    for (const [index, operation] of operations.entries()) {
      const result = results[index];
      this.#noteFence(operation, result);
      this.#note(operation, result);
      if (operation.kind === "append") entries.push(...entriesOf(operation, result));
    }
    if (entries.length > 0) this.#announce(owner, entries);
  }

  /** To the other nodes; a node hears of its own commits from its own queue. */
  #announce(publisher: Process, entries: readonly CommittedEntry[]): void {
    for (const [node, listener] of this.#listeners) {
      if (node === publisher || !node.alive) continue;
      const { announcementLost, announcementLate, announcementTwice } = this.faults;
      const random = this.#randomOf(node);
      const times = random.chance(announcementLost) ? 0 : random.chance(announcementTwice) ? 2 : 1;
      if (times === 0) this.#noteUnheard(node, entries);
      for (let time = 0; time < times; time++) {
        const late = random.chance(announcementLate) ? random.waiting(800, 4_000) : 0;
        if (late > 0) this.#noteUnheard(node, entries);
        this.#timeline.for(node, this.faults.latencyMs(node) + late, () => listener(entries, "others"));
      }
    }
  }

  #noteUnheard({ name }: Process, entries: readonly CommittedEntry[]): void {
    if (entries.some(({ key }) => nodeOfKey(key)?.startsWith(name) === true))
      this.#history.add({ kind: "word", node: name, by: "", what: "unheard" });
  }

  #randomOf(process: Process): Seeded {
    const known = this.#randoms.get(process);
    if (known !== undefined) return known;
    const random = this.#random.named(`store ${process.name}`);
    this.#randoms.set(process, random);
    return random;
  }

  #noteFence({ kind, request }: Operation, result: Result): void {
    if ((result as { ok?: boolean } | undefined)?.ok !== true) return;
    if (kind === "resumeSession") {
      this.#generations.set(request.session, (result as ResumedSession).generation);
      return;
    }
    const { session, generation } = (kind === "readUpload" ? request.fence : request) as Partial<Fence>;
    if (session === undefined || generation === undefined) return;
    const held = this.#generations.get(session) ?? generation;
    if (generation < held)
      this.#history.add({ kind: "unfenced", session, operation: kind, generation, held });
  }

  #note(operation: Operation, result: Result): void {
    const history = this.#history;
    switch (operation.kind) {
      case "append": {
        const { scope, sequence = 0 } = operation.request.idempotency ?? {};
        const by = scope === undefined || sequence === 0 ? "" : `${scope} ${sequence}`;
        for (const entry of entriesOf(operation, result)) {
          const node = nodeOfKey(entry.key);
          if (node !== undefined) {
            const [what = "", by = ""] = parseJson(entry.payload) as string[];
            history.add({ kind: "word", node: node.slice(0, 3), by: by.slice(0, 3), what });
            continue;
          }
          const { stream, key, epoch, offset, payload, except = [], also = [] } = entry;
          history.add({ kind: "appended", stream, key, epoch, offset, id: idOf(payload), by, except, also });
        }
        return;
      }
      case "record": {
        const { session, outcome } = operation.request;
        const { sequence, status } = outcome;
        if (!(result as { ok: boolean }).ok) return;
        const node = operation.request.node.slice(0, 3);
        history.add({ kind: "recorded", node, session, sequence, status });
        return;
      }
      case "openSession": {
        const { head, base } = result as Membership;
        const { session } = operation.request;
        this.#open.add(session);
        history.add({ kind: "opened", session, stream: head.stream, base: base.offset });
        return;
      }
      case "resumeSession": {
        const resumed = result as ResumeResult;
        const { session, node } = operation.request;
        if (resumed.ok) history.add({ kind: "resumed", session, generation: resumed.generation, node });
        else if (resumed.reason === "unknown_session") this.#noteOverdue(session);
        return;
      }
      case "peekSession":
        if (result === undefined) this.#noteOverdue(operation.request.session);
        return;
      case "endSession":
        this.#open.delete(operation.request.session);
        history.add({ kind: "ended", session: operation.request.session, why: "ended" });
        return;
      case "join": {
        const joined = result as { ok: boolean; membership?: Membership };
        if (!joined.ok || joined.membership === undefined) return;
        const from = Object.values(operation.request.from).join(" ");
        this.#noteJoined(operation.request.session, joined.membership, from);
        return;
      }
      case "enroll":
        for (const { session, membership } of result as readonly Enrolled[]) {
          this.#noteJoined(session, membership, "head");
        }
        return;
      case "withdraw":
        for (const session of result as readonly string[]) {
          for (const room of operation.request.rooms) history.add({ kind: "left", session, room, head: 0 });
        }
        return;
      case "moveCursor": {
        const { consumer, stream, position } = operation.request;
        history.add({ kind: "cursor", consumer, stream, ...position });
        return;
      }
      case "leave": {
        const { session, room } = operation.request;
        if ((result as { ok: boolean }).ok) history.add({ kind: "left", session, room, head: 0 });
        return;
      }
      case "read":
        this.#noteLow((result as { head: StreamHead | undefined }).head);
        return;
      case "heads":
        for (const head of result as readonly (StreamHead | undefined)[]) this.#noteLow(head);
        return;
      case "sweep":
        for (const session of (result as { expiredSessions: readonly string[] }).expiredSessions) {
          this.#open.delete(session);
          history.add({ kind: "ended", session, why: "expired" });
        }
        return;
      default:
    }
  }

  #noteOverdue(session: string): void {
    if (this.#open.has(session)) this.#history.add({ kind: "overdue", session });
  }

  #noteJoined(session: string, membership: Membership, from: string): void {
    const { room, head, base, cursor: consumer = "" } = membership;
    const { stream, low, head: last } = head;
    this.#noteLow(head);
    const place = { stream, from, consumer, base: base.offset, low, head: last };
    this.#history.add({ kind: "joined", session, room, ...place });
  }

  #noteLow(head: StreamHead | undefined): void {
    if (head === undefined || head.low === (this.#lows.get(head.stream) ?? 1)) return;
    const node = nodeOfKey(head.key);
    if (node !== undefined)
      this.#history.add({ kind: "word", node: node.slice(0, 3), by: "", what: "trimmed" });
    this.#lows.set(head.stream, head.low);
    if (node !== undefined) return;
    this.#history.add({ kind: "trimmed", stream: head.stream, low: head.low });
  }
}

/** Every event of the simulation has its id as the first argument. */
function idOf(payload: string): string {
  const [values] = [parseJson(payload) as unknown[]];
  const [event, id] = Array.isArray(values) ? values : [];
  return typeof id === "string" ? id : `?${String(event)}`;
}
