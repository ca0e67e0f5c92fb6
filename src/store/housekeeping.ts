/** What is kept for how long, and what a sweep and a count of it return. */

export type Retention = {
  readonly now: number;
  /** Entries older than this many milliseconds are trimmed. */
  readonly entryAgeMs: number;
  /** More entries than this per stream are trimmed. */
  readonly entriesPerStream: number;
  /**
   * The same two for streams that have cursors, as far as not every cursor has passed them. What every cursor
   * has passed is trimmed at once; where a session reads without a cursor or shares one, by the first two.
   */
  readonly mailboxAgeMs: number;
  readonly mailboxEntries: number;
  /** Receipts of the application's own idempotency keys are remembered for this many milliseconds. */
  readonly keyAgeMs: number;
};

export type SweepResult = {
  readonly expiredSessions: readonly string[];
  readonly trimmedEntries: number;
  readonly droppedStreams: number;
};

/** Figures for metrics and `holdfast inspect`. */
export type StoreFigures = {
  readonly streams: number;
  readonly entries: number;
  readonly sessions: number;
  readonly outcomes: number;
  readonly waitingOperations: number;
  readonly waitingBytes: number;
};
