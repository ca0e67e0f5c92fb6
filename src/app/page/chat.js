// @ts-check
/** The page: brings together the wire, the book of conversations and what is on the screen. */

import { ask } from "./ask.js";
import { Book } from "./book.js";
import { Composer } from "./composer.js";
import { element } from "./elements.js";
import { showBanner, showHeader } from "./header.js";
import * as memory from "./memory.js";
import { MessageList } from "./message-list.js";
import { showSidebar } from "./sidebar.js";
import { Wire } from "./wire.js";

const announcement = element("announcement", HTMLElement);
const isPhone = matchMedia("(max-width: 44rem)");

const book = new Book();
/** Key of the conversation on the screen. */
let open = memory.rememberedOpen() ?? "room:lobby";
/** Why the server does not let this page in. @type {string | undefined} */
let refusal;
let isDrawn = true;

const list = new MessageList({ retry, loadEarlier, writeTo, read: readOpen });
const composer = new Composer({
  send: write,
  changed(text) {
    const conversation = book.conversations.get(open);
    if (conversation) conversation.draft = text;
  },
});
const wire = new Wire({
  connected,
  disconnected(reason) {
    refusal = reason;
    // Who is there cannot be known from here, and is told again after the next connect.
    for (const room of book.rooms) room.presence = undefined;
    redraw();
  },
  message: (message, offset) => receive(book.room(message.room), message, offset, "live"),
  direct: (message, offset) => receive(book.direct(message.peer), message, offset, "live"),
  presence({ room, count, names }) {
    const conversation = book.conversations.get(`room:${room}`);
    if (conversation) conversation.presence = { count, names };
    redraw();
  },
  gap(gap) {
    book.noteGap(gap);
    redraw();
  },
  failed(pending) {
    announcement.textContent = `Not stored: ${pending.reason}`;
  },
  changed: redraw,
});

start();

// --- coming and going ---

function start() {
  for (const room of memory.rememberedRooms() ?? ["lobby"]) book.room(room);
  // What an earlier life of this window had not settled is shown again, in the conversation it was written
  // in.
  for (const pending of wire.pending.values()) {
    const conversation = pending.key.startsWith("room:")
      ? book.room(pending.title)
      : book.direct({ user: pending.key.slice("direct:".length), name: pending.title });
    conversation.pending.push(pending);
  }
  if (!book.conversations.has(open)) open = (book.all[0] ?? book.room("lobby")).key;
  choose(open);
}

/** @param {{ isNew: boolean, isFirst: boolean }} state */
async function connected({ isNew, isFirst }) {
  refusal = undefined;
  redraw();
  // A session that goes on has its rooms and gets what it missed; there is nothing to ask for.
  if (!isNew && !isFirst) return;
  if (isNew) book.startOver();
  try {
    const welcome = await wire.ask("hello", {});
    book.identify(welcome);
    if (memory.rememberedRooms() === undefined) for (const room of welcome.rooms) book.room(room);
    await Promise.all([...book.rooms.map(enter), loadMailbox(undefined)]);
    if (book.self.name === "") askName(true);
  } catch (error) {
    // The session ended in between; the next `connect` begins again.
    announcement.textContent = /** @type {Error} */ (error).message;
  }
}

/** @param {Conversation} conversation */
async function enter(conversation) {
  const { low, head, isNew } = await wire.ask("join", { room: conversation.title });
  conversation.low = low;
  conversation.readTo ??= Math.min(book.reading[conversation.key] ?? head, head);
  // A member of old has been given these entries before this window was loaded, so they have to be asked for.
  if (isNew) conversation.loadedFrom = conversation.entries[0]?.offset ?? head + 1;
  else await loadRoom(conversation, undefined);
  readOpen();
  redraw();
}

// --- receiving ---

/**
 * @param {Conversation} conversation @param {import("./wire.js").Message} message @param {number} offset
 * @param {"live" | "history"} origin
 */
function receive(conversation, message, offset, origin) {
  book.receive(conversation, message, offset, origin);
  wire.settle(message.id);
  if (conversation.key === open) readOpen();
  redraw();
}

/** @param {Conversation} conversation @param {number | undefined} before */
async function loadRoom(conversation, before) {
  const page = await wire.ask("history", { room: conversation.title, before });
  conversation.low = page.low;
  for (const { offset, message } of page.entries) receive(conversation, message, offset, "history");
  conversation.loadedFrom = page.entries[0]?.offset ?? page.low;
}

/** @param {number | undefined} before */
async function loadMailbox(before) {
  const page = await wire.ask("history", { mailbox: true, before });
  for (const { offset, message } of page.entries) {
    receive(book.direct(message.peer), message, offset, "history");
  }
  book.mailbox.loadedFrom = Math.min(book.mailbox.loadedFrom, page.entries[0]?.offset ?? page.low);
  book.shareMailbox(page.low, page.head);
  redraw();
}

async function loadEarlier() {
  const conversation = book.conversations.get(open);
  if (conversation === undefined || conversation.isLoading) return;
  conversation.isLoading = true;
  redraw();
  try {
    const before = conversation.loadedFrom ?? conversation.entries[0]?.offset;
    if (conversation.kind === "room") await loadRoom(conversation, before);
    else await loadMailbox(before);
  } catch (error) {
    announcement.textContent = /** @type {Error} */ (error).message;
  } finally {
    conversation.isLoading = false;
    redraw();
  }
}

// --- writing ---

/** @param {string} text */
function write(text) {
  const conversation = book.conversations.get(open);
  if (conversation === undefined) return;
  const { key, title } = conversation;
  /** @type {import("./conversation.js").Pending} */
  const pending = { id: newId(), key, title, text, at: Date.now(), mark: "waiting" };
  conversation.pending.push(pending);
  send(conversation, pending);
  draw();
  list.toEnd();
}

/** @param {string} id */
function retry(id) {
  const pending = wire.pending.get(id);
  const conversation = pending && book.conversations.get(pending.key);
  if (!pending || !conversation) return;
  // It comes after what was written since, and shows there.
  conversation.pending = [...conversation.pending.filter((other) => other !== pending), pending];
  send(conversation, pending);
  attend();
}

/** @param {Conversation} conversation @param {import("./conversation.js").Pending} pending */
function send(conversation, pending) {
  if (conversation.kind === "room") wire.send(pending, "say", { room: conversation.title });
  else wire.send(pending, "direct", { to: conversation.title });
}

// --- choosing ---

/** @param {string} key */
function choose(key) {
  const conversation = book.conversations.get(key);
  if (conversation === undefined) return;
  open = key;
  memory.rememberOpen(key);
  document.body.dataset["pane"] = "conversation";
  composer.show(
    conversation.kind === "room" ? `#${conversation.title}` : conversation.title,
    conversation.draft,
  );
  draw();
  list.toEnd();
}

/** What is on the screen, at its end, in a window that somebody looks at, counts as read. */
function readOpen() {
  const conversation = book.conversations.get(open);
  if (conversation === undefined || document.hidden || !list.isAtEnd) return;
  if (document.body.dataset["pane"] === "list" && isPhone.matches) return;
  conversation.shorten();
  if (book.markRead(conversation)) redraw();
}

/** @param {boolean} isRequired */
function askName(isRequired) {
  ask({
    title: isRequired ? "What shall we call you?" : "Change your name",
    text: isRequired
      ? "The name is yours on this device from now on. Nobody else can take it."
      : "Your former name stays yours; nobody else can take it.",
    label: "Your name",
    value: book.self.name,
    placeholder: "Ada",
    button: isRequired ? "Start" : "Change",
    lengthMax: 24,
    isRequired,
    async action(name) {
      book.rename((await wire.ask("claim_name", { name })).name);
      redraw();
    },
    answered: attend,
  });
}

function askRoom() {
  ask({
    title: "Join a room",
    text: "A room exists as soon as somebody joins it.",
    label: "Name of the room",
    placeholder: "garden",
    button: "Join",
    lengthMax: 32,
    async action(line) {
      const { room } = await wire.ask("join", { room: line.replace(/^#/, "") });
      const conversation = book.room(room);
      book.rememberRooms();
      choose(conversation.key);
      await enter(conversation);
    },
    answered: attend,
  });
}

function askPerson() {
  ask({
    title: "Write to somebody",
    text: "They need not be here: the message waits for them.",
    label: "Their name",
    placeholder: "Grace",
    button: "Write",
    lengthMax: 24,
    action: choosePerson,
    answered: attend,
  });
}

/** @param {string} name */
async function choosePerson(name) {
  choose(book.direct(await wire.ask("find", { name })).key);
}

/** @param {string} name */
function writeTo(name) {
  choosePerson(name).then(attend, (error) => {
    announcement.textContent = error.message;
  });
}

/** The next thing one does is to write; on a touch screen that would push up a keyboard nobody asked for. */
function attend() {
  if (matchMedia("(pointer: coarse)").matches) element("title", HTMLElement).focus();
  else composer.focus();
}

function leaveRoom() {
  const conversation = book.conversations.get(open);
  if (conversation?.kind !== "room") return;
  book.remove(conversation);
  // Should the server refuse, the room shows up again with its next message.
  wire.ask("leave", { room: conversation.title }).catch(() => undefined);
  choose((book.all[0] ?? book.room("lobby")).key);
  element("title", HTMLElement).focus();
}

function showConversations() {
  document.body.dataset["pane"] = "list";
  /** @type {HTMLElement | null} */ (document.querySelector(".list [aria-current]"))?.focus();
}

element("join-room", HTMLButtonElement).addEventListener("click", askRoom);
element("write-to", HTMLButtonElement).addEventListener("click", askPerson);
element("rename", HTMLButtonElement).addEventListener("click", () => askName(false));
element("leave", HTMLButtonElement).addEventListener("click", leaveRoom);
element("back", HTMLButtonElement).addEventListener("click", showConversations);
document.addEventListener("visibilitychange", readOpen);

// --- drawing ---

/**
 * Draws once for everything that happens in one turn. A timer, because a hidden page has no animation frames.
 */
function redraw() {
  if (!isDrawn) return;
  isDrawn = false;
  setTimeout(draw);
}

function draw() {
  isDrawn = true;
  const conversation = book.conversations.get(open);
  if (conversation === undefined) return;
  const unread = book.all.reduce((sum, each) => sum + each.unread, 0);
  showHeader(conversation, { ownName: book.self.name, canLeave: book.rooms.length > 1, unread });
  showSidebar({
    conversations: book.all,
    open,
    user: book.self.user,
    name: book.self.name,
    isOnline: wire.isConnected,
    choose(key) {
      choose(key);
      attend();
    },
  });
  list.show(conversation, book.self.user);
  // The first moments of a visit are not "offline", unless something waits already.
  const isOffline = !wire.isConnected && (wire.hasMet || refusal !== undefined || wire.unconfirmed > 0);
  showBanner({ isOffline, unconfirmed: wire.unconfirmed, refusal });
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @typedef {import("./conversation.js").Conversation} Conversation */
