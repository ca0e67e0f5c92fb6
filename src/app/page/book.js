// @ts-check
/** All conversations of this window, who one is, and where each stored message goes. */

import { Conversation } from "./conversation.js";
import * as memory from "./memory.js";
import { gapInWords } from "./words.js";

export class Book {
  constructor() {
    /** In the order of the sidebar. @type {Map<string, Conversation>} */
    this.conversations = new Map();
    /** Who the server said one is, at this visit or the last one. */
    this.self = { user: "", name: "", mailbox: "", ...memory.rememberedSelf() };
    /** What is known of the mailbox as a whole, which all direct conversations share. */
    this.mailbox = {
      low: /** @type {number | undefined} */ (undefined),
      loadedFrom: Number.POSITIVE_INFINITY,
    };
    this.reading = memory.rememberedReading();
    /** The last live offset of each stream. Live entries only go up. @type {Map<string, number>} */
    this.liveOffsets = new Map();
  }

  get all() {
    return [...this.conversations.values()];
  }

  get rooms() {
    return this.all.filter(({ kind }) => kind === "room");
  }

  /** The conversation in this room, opened when it is not there yet. @param {string} room */
  room(room) {
    const key = `room:${room}`;
    return (
      this.conversations.get(key) ??
      this.#add(new Conversation({ key, kind: "room", title: room, stream: key }))
    );
  }

  /** The conversation with this person, opened when it is not there yet. @param {Person} peer */
  direct({ user, name }) {
    const key = `direct:${user}`;
    const known = this.conversations.get(key);
    if (known !== undefined) {
      known.title = name;
      return known;
    }
    const { mailbox } = this.self;
    const opened = new Conversation({ key, kind: "direct", title: name, stream: mailbox, peer: user });
    opened.readTo = this.reading[key] ?? 0;
    opened.low = this.mailbox.low;
    opened.loadedFrom = this.mailbox.loadedFrom;
    return this.#add(opened);
  }

  /** @param {Conversation} conversation */
  remove(conversation) {
    this.conversations.delete(conversation.key);
    this.liveOffsets.delete(conversation.stream);
    this.rememberRooms();
  }

  /** The server has told who one is. @param {{ user: string, name?: string, mailbox: string }} welcome */
  identify({ user, name, mailbox }) {
    this.self = { user, name: name ?? "", mailbox };
    memory.rememberSelf(this.self);
    for (const conversation of this.all) if (conversation.kind === "direct") conversation.stream = mailbox;
  }

  /** @param {string} name */
  rename(name) {
    this.self.name = name;
    memory.rememberSelf(this.self);
  }

  rememberRooms() {
    memory.rememberRooms(this.rooms.map(({ title }) => title));
  }

  /**
   * Puts a message into its conversation. History overlaps with what is live, so entries are merged by
   * offset. That would hide a fault of the delivery; the comparison with the last live offset does not.
   * @param {Conversation} conversation @param {Message} message @param {number} offset @param {"live" |
   *   "history"} origin
   */
  receive(conversation, { id, from, text, at }, offset, origin) {
    const { user, name } = from;
    conversation.add({ offset, id, user, name, text, at, isOwn: user === this.self.user });
    if (origin === "history") return;
    const { stream } = conversation;
    const last = this.liveOffsets.get(stream) ?? 0;
    if (offset <= last) console.warn(`${stream}: entry ${offset} came after entry ${last}`);
    this.liveOffsets.set(stream, offset);
  }

  /** Notes a gap where it is. @param {{ room: string, from: number, to: number, reason: string }} gap */
  noteGap(gap) {
    const text = gapInWords(gap);
    for (const conversation of this.all) {
      if (conversation.stream !== gap.room) continue;
      if (gap.reason === "reset") {
        conversation.startOver();
        this.liveOffsets.delete(conversation.stream);
      }
      // What retention took has its place; after the other reasons, what stands above may count differently.
      const before = gap.reason === "retention" ? gap.to + 1 : Number.POSITIVE_INFINITY;
      if (conversation.gaps.some((known) => known.text === text && known.before === before)) continue;
      conversation.gaps.push({ before, text });
    }
  }

  /** A new session knows nothing of what the last one was given: everything stored is asked for again. */
  startOver() {
    this.liveOffsets.clear();
    this.mailbox.loadedFrom = Number.POSITIVE_INFINITY;
    for (const conversation of this.all) conversation.startOver();
  }

  /**
   * What is known of the mailbox holds for all direct conversations. @param {number} low @param {number} head
   */
  shareMailbox(low, head) {
    this.mailbox.low = low;
    for (const conversation of this.all) {
      if (conversation.kind !== "direct") continue;
      conversation.low = low;
      conversation.loadedFrom = this.mailbox.loadedFrom;
      conversation.readTo = Math.min(conversation.readTo ?? 0, head);
    }
  }

  /** All that is in view has been read. @param {Conversation} conversation @returns whether that is news */
  markRead(conversation) {
    if (conversation.readTo === undefined || conversation.newest <= conversation.readTo) return false;
    conversation.readTo = conversation.newest;
    this.reading[conversation.key] = conversation.readTo;
    memory.rememberReading(this.reading);
    return true;
  }

  /** @param {Conversation} conversation */
  #add(conversation) {
    this.conversations.set(conversation.key, conversation);
    return conversation;
  }
}

/**
 * @typedef {import("./wire.js").Person} Person
 * @typedef {import("./wire.js").Message} Message
 */
