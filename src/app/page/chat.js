// @ts-check
/** The page: brings together the wire, the conversations and what is on the screen. */

import { ask } from "./ask.js";
import { Composer } from "./composer.js";
import { Conversation } from "./conversation.js";
import { element } from "./elements.js";
import * as memory from "./memory.js";
import { MessageList } from "./message-list.js";
import { showSidebar } from "./sidebar.js";
import { Wire } from "./wire.js";
import { counted, gapInWords } from "./words.js";

const banner = element("banner", HTMLElement);
const title = element("title", HTMLElement);
const subtitle = element("subtitle", HTMLElement);
const leave = element("leave", HTMLButtonElement);
const isPhone = matchMedia("(max-width: 44rem)");
const announcement = element("announcement", HTMLElement);

/** In the order of the sidebar. @type {Map<string, Conversation>} */
const conversations = new Map();
const reading = memory.rememberedReading();
const self = { user: "", name: "", mailbox: "", ...memory.rememberedSelf() };
/** The last live offset of each stream. Live entries only go up. @type {Map<string, number>} */
const liveOffsets = new Map();
/** What is known of the mailbox as a whole, which all direct conversations share. */
const mailbox = { low: /** @type {number | undefined} */ (undefined), loadedFrom: Number.POSITIVE_INFINITY };
let open = memory.rememberedOpen() ?? "room:lobby";
/** Why the server does not let this page in. @type {string | undefined} */
let refusal;
let isDrawn = true;

const list = new MessageList({ retry, loadEarlier, writeTo, read: readOpen });
const composer = new Composer({
  send: write,
  changed(text) {
    const conversation = conversations.get(open);
    if (conversation) conversation.draft = text;
  },
});
const wire = new Wire({
  connected,
  disconnected(reason) {
    refusal = reason;
    redraw();
  },
  message(message, offset) {
    receive(roomOf(message.room), message, offset, "live");
  },
  direct(message, offset) {
    receive(directWith(message.peer), message, offset, "live");
  },
  presence({ room, count, names }) {
    const conversation = conversations.get(`room:${room}`);
    if (conversation) conversation.presence = { count, names };
    redraw();
  },
  gap,
  failed(pending) {
    announcement.textContent = `Not stored: ${pending.reason}`;
  },
  changed: redraw,
});

start();

// --- coming and going ---

function start() {
  for (const room of memory.rememberedRooms() ?? ["lobby"]) roomOf(room);
  // What an earlier life of this window had not settled is shown again, in the conversation it was written in.
  for (const pending of wire.pending.values()) {
    const conversation = pending.key.startsWith("room:")
      ? roomOf(pending.title)
      : directWith({ user: pending.key.slice("direct:".length), name: pending.title });
    conversation.pending.push(pending);
  }
  if (!conversations.has(open)) open = [...conversations.keys()][0] ?? roomOf("lobby").key;
  choose(open);
}

/** @param {{ isNew: boolean, isFirst: boolean }} state */
async function connected({ isNew, isFirst }) {
  refusal = undefined;
  redraw();
  // A session that goes on has its rooms and gets what it missed; there is nothing to ask for.
  if (!isNew && !isFirst) return;
  if (isNew) {
    liveOffsets.clear();
    for (const conversation of conversations.values()) conversation.startOver();
  }

  const welcome = await wire.ask("hello", {});
  Object.assign(self, { user: welcome.user, name: welcome.name ?? "", mailbox: welcome.mailbox });
  memory.rememberSelf(self);
  if (memory.rememberedRooms() === undefined) for (const room of welcome.rooms) roomOf(room);
  const rooms = [...conversations.values()].filter(({ kind }) => kind === "room");
  await Promise.all([...rooms.map(enter), loadMailbox(undefined)]);
  if (self.name === "") askName(true);
}

/** @param {Conversation} conversation */
async function enter(conversation) {
  const { low, head, isNew } = await wire.ask("join", { room: conversation.title });
  conversation.low = low;
  conversation.readTo ??= Math.min(reading[conversation.key] ?? head, head);
  // A member of old has been given these entries before this window was loaded, so they have to be asked for.
  if (isNew) conversation.loadedFrom = conversation.entries[0]?.offset ?? head + 1;
  else await loadRoom(conversation, undefined);
  readOpen();
  redraw();
}

/** @param {import("./wire.js").Gap} gap */
function gap({ room, from, to, reason }) {
  const text = gapInWords({ from, to, reason });
  for (const conversation of conversations.values()) {
    if (room !== undefined && conversation.stream !== room) continue;
    if (conversation.gaps.some((known) => known.text === text && known.before === to + 1)) continue;
    if (reason === "reset") {
      conversation.startOver();
      liveOffsets.delete(conversation.stream);
    }
    conversation.gaps.push({ before: reason === "retention" ? to + 1 : Number.POSITIVE_INFINITY, text });
  }
  redraw();
}

// --- receiving ---

/**
 * @param {Conversation} conversation @param {import("./wire.js").Message} message @param {number} offset
 * @param {"live" | "history"} origin
 */
function receive(conversation, message, offset, origin) {
  const { id, from, text, at } = message;
  conversation.add({ offset, id, user: from.user, name: from.name, text, at, isOwn: from.user === self.user });
  if (origin === "live") {
    // History overlaps with what is live, so entries are merged by offset. That would hide a fault of the delivery;
    // this does not.
    const last = liveOffsets.get(conversation.stream) ?? 0;
    if (offset <= last) console.warn(`${conversation.stream}: entry ${offset} came after entry ${last}`);
    liveOffsets.set(conversation.stream, offset);
  }
  wire.settle(id);
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
  mailbox.low = page.low;
  mailbox.loadedFrom = Math.min(mailbox.loadedFrom, page.entries[0]?.offset ?? page.low);
  for (const { offset, message } of page.entries) receive(directWith(message.peer), message, offset, "history");
  for (const conversation of conversations.values()) {
    if (conversation.kind !== "direct") continue;
    conversation.readTo = Math.min(conversation.readTo ?? 0, page.head);
    conversation.low = mailbox.low;
    conversation.loadedFrom = mailbox.loadedFrom;
  }
  redraw();
}

async function loadEarlier() {
  const conversation = conversations.get(open);
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
  const conversation = conversations.get(open);
  if (conversation === undefined) return;
  const { key } = conversation;
  /** @type {import("./conversation.js").Pending} */
  const pending = { id: newId(), key, title: conversation.title, text, at: Date.now(), mark: "waiting" };
  conversation.pending.push(pending);
  send(conversation, pending);
  list.show(conversation, self.user);
  list.toEnd();
}

/** @param {string} id */
function retry(id) {
  const pending = wire.pending.get(id);
  const conversation = pending && conversations.get(pending.key);
  if (!pending || !conversation) return;
  // It comes after what was written since, and shows there.
  conversation.pending = [...conversation.pending.filter((other) => other !== pending), pending];
  send(conversation, pending);
  composer.focus();
}

/** @param {Conversation} conversation @param {import("./conversation.js").Pending} pending */
function send(conversation, pending) {
  if (conversation.kind === "room") wire.send(pending, "say", { room: conversation.title });
  else wire.send(pending, "direct", { to: conversation.title });
}

// --- choosing ---

/** @param {string} room */
function roomOf(room) {
  const key = `room:${room}`;
  let conversation = conversations.get(key);
  if (conversation === undefined) {
    conversation = new Conversation({ key, kind: "room", title: room, stream: key });
    conversations.set(key, conversation);
  }
  return conversation;
}

/** @param {import("./wire.js").Person} peer */
function directWith(peer) {
  const key = `direct:${peer.user}`;
  let conversation = conversations.get(key);
  if (conversation === undefined) {
    conversation = new Conversation({ key, kind: "direct", title: peer.name, stream: self.mailbox, peer: peer.user });
    conversation.readTo = reading[key] ?? 0;
    conversation.low = mailbox.low;
    conversation.loadedFrom = mailbox.loadedFrom;
    conversations.set(key, conversation);
  }
  conversation.title = peer.name;
  return conversation;
}

/** @param {string} key */
function choose(key) {
  const conversation = conversations.get(key);
  if (conversation === undefined) return;
  open = key;
  memory.rememberOpen(key);
  document.body.dataset["pane"] = "conversation";
  composer.show(conversation.kind === "room" ? `#${conversation.title}` : conversation.title, conversation.draft);
  draw();
  list.toEnd();
}

/** What is on the screen, at its end, in a window that somebody looks at, counts as read. */
function readOpen() {
  const conversation = conversations.get(open);
  if (conversation?.readTo === undefined || document.hidden || !list.isAtEnd) return;
  if (document.body.dataset["pane"] === "list" && isPhone.matches) return;
  conversation.shorten();
  if (conversation.newest <= conversation.readTo) return;
  conversation.readTo = conversation.newest;
  reading[conversation.key] = conversation.readTo;
  memory.rememberReading(reading);
  redraw();
}

function rememberRooms() {
  memory.rememberRooms([...conversations.values()].filter(({ kind }) => kind === "room").map(({ title }) => title));
}

/** @param {boolean} isRequired */
function askName(isRequired) {
  ask({
    title: isRequired ? "What shall we call you?" : "Change your name",
    text: isRequired
      ? "The name is yours on this device from now on. Nobody else can take it."
      : "Your former name stays yours; nobody else can take it.",
    label: "Your name",
    value: self.name,
    placeholder: "Ada",
    button: isRequired ? "Start" : "Change",
    lengthMax: 24,
    isRequired,
    async action(name) {
      self.name = (await wire.ask("claim_name", { name })).name;
      memory.rememberSelf(self);
      composer.focus();
      redraw();
    },
  });
}

/** @param {string} name */
async function writeTo(name) {
  const peer = await wire.ask("find", { name });
  choose(directWith(peer).key);
  composer.focus();
}

element("join-room", HTMLButtonElement).addEventListener("click", () =>
  ask({
    title: "Join a room",
    text: "A room exists as soon as somebody joins it.",
    label: "Name of the room",
    placeholder: "garden",
    button: "Join",
    lengthMax: 32,
    async action(line) {
      const { room } = await wire.ask("join", { room: line.replace(/^#/, "") });
      const conversation = roomOf(room);
      rememberRooms();
      choose(conversation.key);
      await enter(conversation);
      composer.focus();
    },
  }),
);
element("write-to", HTMLButtonElement).addEventListener("click", () =>
  ask({
    title: "Write to somebody",
    text: "They need not be here: the message waits for them.",
    label: "Their name",
    placeholder: "Grace",
    button: "Write",
    lengthMax: 24,
    action: writeTo,
  }),
);
element("rename", HTMLButtonElement).addEventListener("click", () => askName(false));
element("back", HTMLButtonElement).addEventListener("click", () => {
  document.body.dataset["pane"] = "list";
  document.querySelector(".list [aria-current]")?.scrollIntoView({ block: "nearest" });
  /** @type {HTMLElement | null} */ (document.querySelector(".list [aria-current]"))?.focus();
});
leave.addEventListener("click", () => {
  const conversation = conversations.get(open);
  if (conversation?.kind !== "room") return;
  conversations.delete(conversation.key);
  liveOffsets.delete(conversation.stream);
  rememberRooms();
  void wire.ask("leave", { room: conversation.title }).catch(() => undefined);
  choose([...conversations.keys()][0] ?? roomOf("lobby").key);
  title.focus();
});
document.addEventListener("visibilitychange", readOpen);
// --- drawing ---

/** Draws once for everything that happens in one turn. A timer, because a hidden page has no animation frames. */
function redraw() {
  if (!isDrawn) return;
  isDrawn = false;
  setTimeout(() => {
    isDrawn = true;
    draw();
  });
}

function draw() {
  const conversation = conversations.get(open);
  if (conversation === undefined) return;
  const isRoom = conversation.kind === "room";
  title.textContent = isRoom ? `# ${conversation.title}` : conversation.title;
  subtitle.textContent = isRoom ? presenceInWords(conversation) : "Direct messages";
  leave.hidden = !isRoom || [...conversations.values()].filter(({ kind }) => kind === "room").length < 2;
  showSidebar({
    conversations: conversations.values(),
    open,
    user: self.user,
    name: self.name,
    isOnline: wire.isConnected,
    choose(key) {
      choose(key);
      composer.focus();
    },
  });
  list.show(conversation, self.user);
  drawBanner();
  let unread = 0;
  for (const each of conversations.values()) unread += each.unread;
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${isRoom ? "#" : ""}${conversation.title} · Holdfast`;
}

function drawBanner() {
  banner.hidden = wire.isConnected || (!wire.hasMet && refusal === undefined && wire.unconfirmed === 0);
  const waiting = wire.unconfirmed;
  const kept =
    waiting === 0
      ? "What you write is kept and sent when the connection is back."
      : `${counted(waiting, "message is", "messages are")} kept here and will be sent when the connection is back.`;
  const words = refusal === undefined ? `You are offline. ${kept}` : `The server did not let this page in: ${refusal}`;
  // A status is read out when it changes, so it changes only when it has to.
  if (banner.textContent !== words) banner.textContent = words;
}

/** @param {Conversation} conversation */
function presenceInWords({ presence }) {
  if (presence === undefined || presence.count === 0) return "\u00a0";
  if (presence.count === 1) return "Only you are here";
  const others = presence.names.filter((name) => name !== self.name);
  const shown = others.slice(0, 3);
  const rest = presence.count - 1 - shown.length;
  return `${presence.count} here: you, ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
