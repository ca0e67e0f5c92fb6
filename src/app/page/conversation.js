// @ts-check
/**
 * One conversation as the page knows it: stored entries in the order of their offsets, then what is still
 * unsettled.
 */

/**
 * Above this many, entries far up are let go when the reader is at the end; "load earlier" brings them back.
 */
const entriesMax = 600;

export class Conversation {
  /**
   * @param {{ key: string, kind: "room" | "direct", title: string, stream: string, peer?: string }} identity
   */
  constructor({ key, kind, title, stream, peer }) {
    this.key = key;
    this.kind = kind;
    this.title = title;
    /**
     * Whose offsets the entries carry: the room's stream, or the mailbox that all direct conversations share.
     */
    this.stream = stream;
    /** The other person's user id, in a direct conversation. */
    this.peer = peer;
    /** Invariant: ascending and unique by offset. @type {Entry[]} */
    this.entries = [];
    /** In the order of writing. @type {Pending[]} */
    this.pending = [];
    /** @type {{ before: number, text: string }[]} */
    this.gaps = [];
    /**
     * The first offset that the server still keeps; undefined until it has told. @type {number | undefined}
     */
    this.low = undefined;
    /** History has been loaded down to this offset. @type {number | undefined} */
    this.loadedFrom = undefined;
    /** Undefined until the first look. @type {number | undefined} */
    this.readTo = undefined;
    /** @type {{ count: number, names: string[] } | undefined} */
    this.presence = undefined;
    this.isLoading = false;
    this.draft = "";
  }

  /**
   * Puts a stored entry into its place, and retires the pending message that it was. False when it is known
   * already.
   * @param {Entry} entry
   */
  add(entry) {
    let index = this.entries.length;
    while (index > 0 && /** @type {Entry} */ (this.entries[index - 1]).offset > entry.offset) index--;
    if (index > 0 && this.entries[index - 1]?.offset === entry.offset) return false;
    this.entries.splice(index, 0, entry);
    // The history of a newcomer may come after the answer that let them in.
    if (this.loadedFrom !== undefined && entry.offset < this.loadedFrom) this.loadedFrom = entry.offset;
    this.pending = this.pending.filter(({ id }) => id !== entry.id);
    return true;
  }

  /** Lets go of the oldest entries, which can be loaded again. */
  shorten() {
    if (this.entries.length <= entriesMax) return;
    this.entries.splice(0, this.entries.length - entriesMax);
    this.loadedFrom = this.entries[0]?.offset;
  }

  /** Forgets what is stored; what is pending stays. */
  startOver() {
    this.entries = [];
    this.loadedFrom = undefined;
  }

  /** The highest offset in view. @returns {number} */
  get newest() {
    return this.entries.at(-1)?.offset ?? 0;
  }

  get hasEarlier() {
    const from = this.loadedFrom ?? this.entries[0]?.offset;
    return this.low !== undefined && from !== undefined && from > this.low;
  }

  get unread() {
    const readTo = this.readTo;
    if (readTo === undefined) return 0;
    let count = 0;
    for (let index = this.entries.length - 1; index >= 0; index--) {
      const entry = /** @type {Entry} */ (this.entries[index]);
      if (entry.offset <= readTo) break;
      if (!entry.isOwn) count++;
    }
    return count;
  }
}

/**
 * @typedef {{ offset: number, id: string, user: string, name: string, text: string, at: number, isOwn:
 *   boolean }} Entry
 * @typedef {"waiting" | "sent" | "stored" | "failed"} Mark
 * @typedef {object} Pending
 * @property {string} id made by this page; the stored entry carries it too, and so is recognised
 * @property {string} key of the conversation
 * @property {string} title of the conversation, which a reload must be able to show again
 * @property {string} text
 * @property {number} at when it was written
 * @property {Mark} mark
 * @property {string} [reason] why it failed
 * @property {number} [sequence] its place in the outbox
 * @property {boolean} [wasWritten] to a connection, at some time
 */
