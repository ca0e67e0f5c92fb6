/**
 * The store port: what Holdfast asks of an engine (`memory`, `sqlite`, `redis`).
 *
 * Contract, checked by `testing/contract.ts` for every engine:
 *
 * - **One queue.** Every call of one process is an operation in one first-in first-out queue. Operations are
 *   carried out in the order in which they were called, whatever their kind, and their promises settle in
 *   that order. So a join that was called before an append sees the head before it, and an outcome that was
 *   recorded after a handler's appends is durable only if they are.
 * - **Group commit.** Operations that are waiting together are committed together. A promise fulfils only
 *   when the operation has the engine's durability class.
 * - **Committed entries are announced** to the `onCommitted` listener in commit order, the process's own ones
 *   included, *before* the promise of their append settles, and after those who await an earlier operation
 *   that returns a head or changes membership (`read`, `heads`, `openSession`, `resumeSession`, `endSession`,
 *   `join`, `leave`, `withdraw`, `enroll`) have run: a new member can register itself before an entry behind
 *   its head is announced. What other processes have committed is announced too, in the order of commits as
 *   far as it can be; whoever listens has to bear entries that come late, or twice.
 * - **A commit that fails** leaves nothing of itself, and takes along every operation that waits behind it
 *   (sweeps excepted, which make room): an outcome is never recorded when a publish that was called before it
 *   has failed, awaited or not. `store_busy` is not covered by that: it refuses one operation, at once.
 * - **Refusals are results** (`{ ok: false, reason }`); only the engine's own failures reject, with a
 *   `DeliveryError` of the catalogue (`store_unavailable`, `store_full`, `store_busy`).
 * - **Bounded.** More than `queueLimit` waiting operations, or `queueBytesLimit` waiting bytes, reject at
 *   once with `store_busy`.
 */

import type { Claim, Holder } from "../protocol/holder.ts";
import type { Enrolled, EnrollRequest, JoinFrom, Membership, SessionSelector } from "./membership.ts";
import type { Retention, StoreFigures, SweepResult } from "./housekeeping.ts";

/** How safe a write is once its promise has fulfilled. */
export type Durability = "memory" | "fsynced" | "replicated";

/** What publishing returns: where the entry stands, and how safely. */
export type Receipt = {
  /** Short id of the stream, given by the store, the same for every member. */
  readonly stream: number;
  /** Names this history of the stream; another epoch is another history. */
  readonly epoch: string;
  /** Contiguous within the stream, from 1. */
  readonly offset: number;
  /** True when the idempotency key was known, and the receipt is that of the first append. */
  readonly duplicate: boolean;
  readonly durability: Durability;
};

/** A place in a stream. `offset` 0 is the place before the first entry. */
export type Position = { readonly epoch: string; readonly offset: number };

/** One entry of a stream as it is stored. */
export type Entry = {
  readonly stream: number;
  readonly offset: number;
  /** The event and its arguments as wire text (see `protocol/payload.ts`); never parsed by the store. */
  readonly payload: string;
  /** Rooms whose members must not be shown this entry. Absent when there are none. */
  readonly except?: readonly string[];
  /** The same event's places in the other streams it was published to. Absent when there are none. */
  readonly also?: readonly (readonly [stream: number, offset: number])[];
  /** Names the callback that waits for replies to this entry. Absent when nobody waits. */
  readonly request?: string;
  /**
   * When it was appended, milliseconds since 1970 by the publisher's clock. For people and for retention by
   * age.
   */
  readonly at: number;
};

/** An entry on its way to the node's members, with what the node needs to find them. */
export type CommittedEntry = Entry & { readonly key: string; readonly epoch: string };

/**
 * The state of a stream at one moment. `low` is the first offset still held; `low === head + 1` when none is.
 */
export type StreamHead = {
  readonly stream: number;
  readonly key: string;
  readonly epoch: string;
  readonly low: number;
  readonly head: number;
  /**
   * Epochs before this one, and up to which offset each of them holds: whoever stands there, or in front of
   * it, goes on in this epoch as if nothing had happened. Absent when there are none.
   */
  readonly earlier?: readonly Position[];
};

/** Identity of an append for which repeating must change nothing. */
export type IdempotencyKey = {
  /** Session id for what a handler publishes, or the application's own key. */
  readonly scope: string;
  /** Sequence of the request within the session; 0 for the application's own keys. */
  readonly sequence: number;
  /** Position of the append within the request, from 0. */
  readonly position: number;
};

export type AppendRequest = {
  /** Keys of the streams that take the entry (see `protocol/stream-key.ts`), at least one, all different. */
  readonly keys: readonly string[];
  readonly payload: string;
  readonly at: number;
  readonly except?: readonly string[];
  readonly request?: string;
  readonly idempotency?: IdempotencyKey;
  /** True: a known key with another payload is refused instead of answered with the first receipt. */
  readonly strictPayload?: boolean;
  /**
   * With the key of a session's event: in which generation its handler publishes. Not a fence, because a
   * handler may still be running when its client has resumed elsewhere; but refused as one once another life
   * of the client has taken the session over, which may give the same sequence to an event of its own.
   */
  readonly holding?: Pick<Fence, "generation" | "heard">;
};

export type AppendResult =
  | { readonly ok: true; readonly receipts: readonly Receipt[] }
  /**
   * `stale_generation`: the key is of an event below its session's low-water mark, or from before another
   * life of the client has taken the session over. Whoever still handles that is not the holder of the
   * session any more, and the key that would make the append a duplicate may be forgotten, or another's.
   */
  | { readonly ok: false; readonly reason: "key_conflict" | "stale_generation" };

export type ReadRequest = {
  readonly stream: number;
  /** Entries with a greater offset are returned, in order. */
  readonly after: number;
  /** At most so many entries. */
  readonly limit: number;
  /** Stops after the entry that reaches so many payload characters; always returns at least one entry. */
  readonly charactersLimit: number;
};

/** `undefined` head: the stream does not exist (any more). */
export type Page = { readonly head: StreamHead | undefined; readonly entries: readonly Entry[] };

/** The recorded end of one event of a session: never replaced once recorded. */
export type Outcome = {
  readonly sequence: number;
  readonly status: "ok" | "rejected" | "expired";
  /** Reply or error as wire text; empty when there is nothing to say. */
  readonly body: string;
};

export type OpenRequest = {
  readonly session: string;
  /** SHA-256 of the resume token, hexadecimal. The token itself is never stored. */
  readonly tokenDigest: string;
  readonly namespace: string;
  /** Who opened it; undefined where the application names nobody. */
  readonly principal: string | undefined;
  /** The process that holds the session. */
  readonly node: string;
  /** The client that opens it; absent where it does not name itself. */
  readonly holder?: Pick<Holder, "instance" | "attempt"> | undefined;
  /** `socket.data` as JSON text. */
  readonly data: string;
  /** Key of the namespace-wide stream; membership of it (room "") begins at its head. */
  readonly namespaceKey: string;
  readonly now: number;
  readonly expiresAt: number;
};

/** What a resume needs to know before it is allowed: read without changing anything. */
export type SessionPeek = {
  readonly tokenDigest: string;
  readonly namespace: string;
  readonly principal: string | undefined;
  readonly generation: number;
  readonly node: string;
  readonly data: string;
  readonly expiresAt: number;
};

export type ResumeRequest = {
  readonly session: string;
  readonly tokenDigest: string;
  readonly principal: string | undefined;
  /** The process that takes the session; two runs of one process have different names. */
  readonly node: string;
  /**
   * What the client says of itself; `protocol/holder.ts` judges it by what is stored. The generation that it
   * knows of may be higher than the stored one when the store has gone back in time; the next one is above
   * both.
   */
  readonly claim: Claim;
  readonly now: number;
  readonly expiresAt: number;
};

export type ResumedSession = {
  readonly ok: true;
  /** Raised by this call; whoever held a lower one is refused from now on. */
  readonly generation: number;
  readonly data: string;
  /** Who held the session before. */
  readonly previousNode: string;
  readonly previousGeneration: number;
  /** The last generation in which the client is known to have said anything; 0 when it is not known. */
  readonly heard: number;
  readonly memberships: readonly Membership[];
  /** The session's own stream, when something was ever published to it. */
  readonly own: StreamHead | undefined;
  /** All events below it are settled and confirmed by the client. */
  readonly inboxLow: number;
  /** Recorded outcomes at or above `inboxLow`, ascending. */
  readonly outcomes: readonly Outcome[];
  /** Uploads that have begun: how many chunks, from the first on, are stored. */
  readonly uploads: readonly { readonly sequence: number; readonly chunks: number }[];
};

export type ResumeResult =
  | ResumedSession
  /** `copy` and `late`: see `protocol/holder.ts`. A refusal of whatever kind has changed nothing. */
  | {
      readonly ok: false;
      readonly reason: "unknown_session" | "wrong_token" | "wrong_principal" | "copy" | "late";
    };

/**
 * Names the holder of a session; a write of anyone else is refused. The generation alone does not name it:
 * when the store has gone back in time, generations that it had given out are given out again.
 */
export type Fence = {
  readonly session: string;
  readonly generation: number;
  readonly node: string;
  /**
   * The last generation in which the client has said anything, at most `generation`. Every write carries it,
   * so that it is stored no later than what the client's words have led to.
   */
  readonly heard?: number;
};

export type Fenced<T = { readonly ok: true }> =
  | T
  | { readonly ok: false; readonly reason: "stale_generation" };

export type JoinRequest = Fence & {
  readonly room: string;
  readonly key: string;
  readonly from: JoinFrom;
  readonly show: boolean;
};

export type RecordRequest = Fence & {
  readonly outcome: Outcome;
  /** The client has confirmed every outcome below it; they and their idempotency keys are forgotten. */
  readonly inboxLow: number;
  /** `socket.data` as JSON text when the handler changed it. */
  readonly data?: string;
};

export type ChunkRequest = Fence & {
  readonly sequence: number;
  readonly index: number;
  readonly text: string;
};

export type CursorRequest = {
  readonly consumer: string;
  readonly stream: number;
  readonly position: Position;
};

export type { Enrolled, EnrollRequest, JoinFrom, Membership, SessionSelector } from "./membership.ts";
export type { Retention, StoreFigures, SweepResult } from "./housekeeping.ts";

export type Store = {
  readonly durability: Durability;

  /**
   * Called with each run of committed entries, see the contract above, and with whose they are: this store's
   * or another process's. A second call replaces the listener.
   */
  onCommitted(listener: (entries: readonly CommittedEntry[], by: "us" | "others") => void): void;
  /** Another process says that it has committed: look now, and not only at the next of the regular looks. */
  follow(): void;
  /** Whose entries of other processes are announced: everybody's, or those of streams that are watched. */
  readonly announces: "everything" | "watched";
  /**
   * Asks for a stream's entries, where others' are announced only to those who ask. Fulfils once all that is
   * committed from then on will be; what was committed before is for the caller to look for. Undefined where
   * everything is announced to everyone. Each call wants its `unwatch`.
   */
  watch(key: string): Promise<void> | undefined;
  unwatch(key: string): void;

  /** Appends one entry to each of `keys` in one step. Receipts stand in the order of `keys`. */
  append(request: AppendRequest): Promise<AppendResult>;
  /** Returns one page after an offset. */
  read(request: ReadRequest): Promise<Page>;
  /** Returns the heads of these streams without creating any; undefined for those that do not exist. */
  heads(keys: readonly string[]): Promise<readonly (StreamHead | undefined)[]>;

  /** Creates a session with generation 1. Asserts that the id is new. Returns its namespace membership. */
  openSession(request: OpenRequest): Promise<Membership>;
  /** Returns undefined for an unknown or expired session. */
  peekSession(session: string, now: number): Promise<SessionPeek | undefined>;
  /**
   * Checks token and principal again and judges the claim, all in one step with what follows: raises the
   * generation, names the claim's holder as the session's, and returns all that a resume needs.
   */
  resumeSession(request: ResumeRequest): Promise<ResumeResult>;
  /** Saves nothing but `fence.heard`: the client has said something, whatever comes of it. */
  saveHeard(fence: Fence): Promise<Fenced>;
  /** Saves `socket.data`. */
  saveData(request: Fence & { readonly data: string }): Promise<Fenced>;
  /**
   * Keeps live sessions from expiring. Returns the ids of those that the caller does not hold (any more):
   * whoever writes nothing finds out here that another process has taken them over.
   */
  touchSessions(holders: readonly Fence[], expiresAt: number): Promise<readonly string[]>;
  /**
   * Forgets a session with its outcomes, uploads, memberships and its own stream `ownKey`. Its keys stay for
   * as long as it could have lived, and then as long as the application's own: a handler may still be
   * running.
   */
  endSession(session: string, ownKey: string): Promise<void>;

  /**
   * Resolves the room's stream (creating it), stores the membership and returns it with the head at this
   * place of the queue. Joining again keeps the base that is stored. With `cursor`, the base is the cursor's
   * position (or, for a consumer that has none yet, a cursor is created at `low - 1`); a membership that read
   * with another cursor, or with none, begins anew. A base below `low - 1` says that entries are missing.
   */
  join(request: JoinRequest): Promise<Fenced<{ readonly ok: true; readonly membership: Membership }>>;
  leave(request: Fence & { readonly room: string }): Promise<Fenced>;
  /**
   * Takes `rooms` from every chosen session, connected or not. Returns the ids of the sessions that changed.
   */
  withdraw(selector: SessionSelector, rooms: readonly string[]): Promise<readonly string[]>;
  /**
   * Makes every chosen session, connected or not, a member of `rooms`, from their heads at this place of the
   * queue on. Who is a member already stays as it is. Returns the memberships that have begun.
   */
  enroll(request: EnrollRequest): Promise<readonly Enrolled[]>;

  /**
   * Records the outcome of one event, once: a second outcome for the same sequence changes nothing. Returns
   * the one that is recorded. A sequence below the stored low-water mark is a duplicate of something settled
   * and is ignored.
   */
  record(request: RecordRequest): Promise<Fenced<{ readonly ok: true; readonly outcome: Outcome }>>;
  /** Stores a chunk of an upload. Only the next index of its upload is taken; others change nothing. */
  putChunk(request: ChunkRequest): Promise<Fenced<{ readonly ok: true; readonly chunks: number }>>;
  /** Returns the stored chunks joined, and keeps them until the outcome is recorded. */
  readUpload(
    fence: Fence,
    sequence: number,
  ): Promise<Fenced<{ readonly ok: true; readonly text: string; readonly chunks: number }>>;

  /** Moves a cursor forward; a position behind it, or of another epoch, changes nothing. */
  moveCursor(request: CursorRequest): Promise<void>;

  /** Expires sessions, trims streams, forgets keys. Meant to be called every few seconds. */
  sweep(retention: Retention): Promise<SweepResult>;
  /**
   * Gives every stream a new epoch: what was read of them before is another history. To be called when the
   * storage has gone back in time (a restored backup, a failover that lost writes), before or while nodes use
   * it; clients are then told of a `reset` instead of being taken for level with a log that is not theirs.
   * Returns how many streams there are.
   */
  renewEpochs(): Promise<number>;
  figures(): Promise<StoreFigures>;
  /** Commits what is waiting, then closes. Later calls reject with `store_unavailable`. */
  close(): Promise<void>;
};
