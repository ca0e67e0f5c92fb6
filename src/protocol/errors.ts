/**
 * The catalogue of operating errors. Each has a stable code, a message, whether trying again can help, and
 * what to do. `docs/ERRORS.md` lists the same rows; a test holds the two together. Programmer errors are
 * assertions instead.
 */

export type ErrorRow = {
  /** One sentence for the log and for the caller. */
  readonly message: string;
  /** True when the same call may succeed later without anything else being changed. */
  readonly retryable: boolean;
  /** What the person who reads it at night should do. */
  readonly fix: string;
};

export const errorCatalogue = {
  // What an emit can end with at the client.
  outbox_full: {
    message: "The outbox is full: the event was not taken.",
    retryable: true,
    fix: "Wait for pending events to settle, show it to the user, or raise `delivery.outboxLimit`.",
  },
  expired: {
    message: "The deadline passed before the server recorded an outcome.",
    retryable: true,
    fix: "The event will not be run unless it already was. Raise the timeout if links are slow.",
  },
  unhandled_event: {
    message: "The server has no listener for this event.",
    retryable: false,
    fix: "Attach a listener with this name, or deploy the server version that has it.",
  },
  handler_failed: {
    message: "The handler threw an error.",
    retryable: false,
    fix: "Read the server's log for the handler's own error; its message travels to the caller.",
  },
  event_too_large: {
    message: "The event is larger than the server accepts.",
    retryable: false,
    fix: "Send less, or raise `delivery.eventCharactersLimit` on the server.",
  },
  reply_too_large: {
    message: "The handler's reply is larger than the server allows.",
    retryable: false,
    fix: "Emit or publish large things, which travel in parts; or raise `delivery.replyCharactersLimit`.",
  },
  payload_unsupported: {
    message: "The arguments cannot be put on the wire.",
    retryable: false,
    fix: "Send JSON values, strings and binary buffers; read a Blob with `await blob.arrayBuffer()` first.",
  },
  reserved_event: {
    message: "This event name is reserved.",
    retryable: false,
    fix: "Choose another name; the reserved ones are listed in docs/PROTOCOL.md.",
  },
  session_lost: {
    message: "The server no longer knows the session, so the outcome of this event is unknown.",
    retryable: false,
    fix: "Check with the application whether it took effect before you send it again.",
  },
  session_closed: {
    message: "The session has ended.",
    retryable: false,
    fix: "Connect again to open a new session.",
  },
  handler_timeout: {
    message: "The handler did not answer in time.",
    retryable: false,
    fix: "Find out what the handler waits for, or raise `delivery.handlerTimeoutMs`.",
  },
  retry_limit: {
    message: "The handler asked for a retry too many times.",
    retryable: true,
    fix: "Find out why the handler keeps throwing RetryLater, or raise `delivery.retryLimit`.",
  },
  // What publishing can end with at the server.
  publish_failed: {
    message: "The store did not take the entry.",
    retryable: true,
    fix: "See the cause; the event whose handler published it stays unacknowledged and is run again.",
  },
  key_conflict: {
    message: "The idempotency key was used before with another payload.",
    retryable: false,
    fix: "Use one key for one message; make a new key for a new message.",
  },
  store_unavailable: {
    message: "The store does not answer.",
    retryable: true,
    fix: "Check that the store runs and can be reached; writes go on by themselves when it is back.",
  },
  store_full: {
    message: "The store has no space left.",
    retryable: true,
    fix: "Free disk space or raise the store's size limit; nothing stored is lost, writes go on afterwards.",
  },
  store_busy: {
    message: "Too many writes wait for the store.",
    retryable: true,
    fix: "Slow the publishers down, or raise `delivery.storeQueueLimit`.",
  },
  store_newer: {
    message: "The store was written by a newer version of Holdfast.",
    retryable: false,
    fix: "Run the newer version again, or restore the backup made before the upgrade.",
  },
  store_in_use: {
    message: "The store was written by an older version of Holdfast, and processes of it still have it open.",
    retryable: true,
    fix: "End all older processes, then start this version, which migrates the store; that cannot be rolled.",
  },
  node_in_use: {
    message: "Another process has this node name on the same store.",
    retryable: true,
    fix: "Give each process tree its own HOLDFAST_NODE, or none to have one drawn; or end the other first.",
  },
  // What a resume can end with.
  unknown_session: {
    message: "The session is unknown or its life is over.",
    retryable: false,
    fix: "Nothing: the client opens a new session and reports the gap to the application.",
  },
  wrong_token: {
    message: "The resume token does not belong to the session.",
    retryable: false,
    fix: "If this repeats, somebody is guessing or copying tokens; look at where they come from.",
  },
  wrong_principal: {
    message: "The session belongs to somebody else.",
    retryable: false,
    fix: "Open a new session after a change of user; call `socket.delivery.reset()` when signing out.",
  },
  stale_generation: {
    message: "The session has been resumed elsewhere.",
    retryable: false,
    fix: "Nothing: the newer connection holds the session.",
  },
  // What a peer can do wrong on the wire.
  bad_frame: {
    message: "A frame does not follow the protocol.",
    retryable: false,
    fix: "Use a client of a compatible version; docs/PROTOCOL.md has the format.",
  },
  protocol_version: {
    message: "Client and server have no protocol version in common.",
    retryable: false,
    fix: "Upgrade the older of the two; the message names both versions.",
  },
  sequence_gap: {
    message: "An event arrived before the one in front of it.",
    retryable: true,
    fix: "Nothing: the connection is closed and the client resends in order.",
  },
  window_exceeded: {
    message: "The peer sent more than the advertised window.",
    retryable: true,
    fix: "Use a client that keeps to the limits of the welcome.",
  },
  // What a server-side callback can end with.
  reply_timeout: {
    message: "The client did not reply in time.",
    retryable: true,
    fix: "Raise the timeout, or treat the client as away.",
  },
  question_lost: {
    message: "The storage has lost what the client was asked.",
    retryable: true,
    fix: "Ask again: the storage has gone back in time, and the client may not have been asked.",
  },
  store_unfit: {
    message: "The server of the store cannot keep what the address asks of it.",
    retryable: false,
    fix: "Change the setting that the detail names, or ask for less in the address.",
  },
  reply_lost: {
    message: "The client's reply came by another process, and may be lost.",
    retryable: true,
    fix: "Ask again: the storage has gone back in time, or keeps too few entries for what processes say.",
  },
  store_invalid: {
    message: "The store address is not one that Holdfast understands.",
    retryable: false,
    fix: "Use `sqlite:FILE`, `redis://HOST` (docs/REDIS.md) or `memory:`.",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorCatalogue;

/** An operating error of the catalogue. `detail` is added to the message in parentheses. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  readonly code: ErrorCode | (string & {});
  readonly retryable: boolean;

  constructor(code: ErrorCode, options: { detail?: string; cause?: unknown } = {}) {
    const row: ErrorRow = errorCatalogue[code];
    const message = options.detail === undefined ? row.message : `${row.message} (${options.detail})`;
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryable = row.retryable;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === "string" && Object.hasOwn(errorCatalogue, value);
}

/** A programmer's error: states the invariant that should have held. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`Invariant broken: ${invariant}`);
}

/** Closes an exhaustive switch. */
export function assertNever(value: never): never {
  throw new Error(`Unexpected variant: ${JSON.stringify(value)}`);
}
