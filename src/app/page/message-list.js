// @ts-check
/** Shows the messages of one conversation, and keeps the reader's place. */

import { arrange, drawing, element, make } from "./elements.js";
import {
  counted,
  dayInWords,
  dayOf,
  hueOf,
  initialsOf,
  markExplanations,
  markWords,
  timeOf,
} from "./words.js";

const scroll = element("scroll", HTMLElement);
const list = element("messages", HTMLOListElement);
const log = /** @type {HTMLElement} */ (list.parentElement);
const earlier = element("earlier", HTMLButtonElement);
const beginning = element("beginning", HTMLElement);
const latest = element("latest", HTMLButtonElement);

/** Messages of one person within this time stand together under one name. */
const togetherMs = 5 * 60_000;
/** This near to the end counts as reading the end. */
const endPixels = 64;

export class MessageList {
  /**
   * @param {{ retry(id: string): void, loadEarlier(): void, writeTo(name: string): void, read(): void }}
   *   actions
   */
  constructor(actions) {
    this.actions = actions;
    /** @type {import("./conversation.js").Conversation | undefined} */
    this.shown = undefined;
    /** Elements by what they show, with the text of everything they show: unchanged ones are left alone. */
    /** @type {Map<string, { signature: string, item: HTMLLIElement }>} */
    this.items = new Map();
    this.isAtEnd = true;
    /** Height of the view when it was last drawn. */
    this.height = 0;
    earlier.addEventListener("click", () => actions.loadEarlier());
    latest.addEventListener("click", () => this.toEnd());
    scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // The keyboard of a phone, a longer draft, a banner: the end stays in view.
    new ResizeObserver(() => this.isAtEnd && this.toEnd()).observe(scroll);
  }

  toEnd() {
    scroll.scrollTop = scroll.scrollHeight;
    this.isAtEnd = true;
    this.actions.read();
  }

  /** @param {import("./conversation.js").Conversation} conversation @param {string} self the user's own id */
  show(conversation, self) {
    const isOther = this.shown !== conversation;
    if (isOther) {
      this.shown = conversation;
      this.items.clear();
      this.isAtEnd = true;
    } else if (scroll.clientHeight === this.height) {
      // A scroll of this very frame has not been told yet, and must not be undone. In a view that has just
      // become smaller (a keyboard, a banner) the measure would be wrong.
      this.isAtEnd = isScrolledToEnd();
    }
    // History and another conversation are not news: only what is added at the end is read out.
    const isNews = !isOther && this.isAtEnd;
    log.setAttribute("aria-live", isNews ? "polite" : "off");
    const anchor = this.isAtEnd ? undefined : this.#anchor();
    const items = this.#itemsOf(conversation, self);
    arrange(list, items);

    // A button that goes away must not take the keyboard's place on the page with it.
    if (!conversation.hasEarlier && document.activeElement === earlier) scroll.focus({ preventScroll: true });
    earlier.hidden = !conversation.hasEarlier;
    earlier.textContent = conversation.isLoading ? "Loading…" : "Load earlier messages";
    beginning.hidden = conversation.hasEarlier || conversation.low === undefined;
    beginning.textContent =
      conversation.kind === "room"
        ? `This is the beginning of #${conversation.title}.`
        : `Only you and ${conversation.title} see this. It waits for whoever is away.`;
    // Last, when everything above has its height. The anchor's element may have been built anew, its id is
    // the same.
    const anchored = anchor && this.items.get(anchor.id)?.item;
    if (this.isAtEnd) scroll.scrollTop = scroll.scrollHeight;
    else if (anchored) scroll.scrollTop += anchored.offsetTop - anchor.top;
    this.height = scroll.clientHeight;
    latest.hidden = this.isAtEnd;
    const unread = conversation.unread;
    latest.replaceChildren(
      drawing("down"),
      unread > 0 ? counted(unread, "new message", "new messages") : "Latest",
    );
  }

  #scrolled() {
    const wasAtEnd = this.isAtEnd;
    this.isAtEnd = isScrolledToEnd();
    if (this.isAtEnd && !wasAtEnd) this.actions.read();
    latest.hidden = this.isAtEnd;
  }

  /**
   * The first message in view and where it stands; after changes above it, it stands there again. Not the
   * name of a day, which moves up to the earliest message of that day.
   */
  #anchor() {
    for (const { item } of this.items.values()) {
      if (item.dataset["id"] === undefined || !item.isConnected) continue;
      if (item.offsetTop + item.offsetHeight > scroll.scrollTop)
        return { id: item.dataset["id"], top: item.offsetTop };
    }
    return undefined;
  }

  /** @param {import("./conversation.js").Conversation} conversation @param {string} self */
  #itemsOf(conversation, self) {
    const now = Date.now();
    /** @type {Map<string, { signature: string, item: HTMLLIElement }>} */
    const items = new Map();
    const lines = linesOf(conversation, self);
    lines.forEach((line, index) => {
      const previous = lines[index - 1];
      const following = lines[index + 1];
      if (line.kind === "gap") {
        this.#keep(items, `gap ${line.before} ${line.text}`, "", () => gapItem(line.text));
        return;
      }
      const day = dayOf(line.at);
      const isNewDay =
        previous?.kind !== "message" ? !hasDayBefore(lines, index, day) : dayOf(previous.at) !== day;
      if (isNewDay) {
        const words = dayInWords(line.at, now);
        this.#keep(items, `day ${day}`, words, () => make("li", "day", make("span", "", words)));
      }
      const isFirst = isNewDay || !isTogether(previous, line);
      const isLast = !isTogether(line, following);
      const signature = [line.mark, line.reason, line.name, isFirst, isLast].join("\n");
      // The id stays the same when a pending message becomes a stored one, and so does its element. Should
      // the server ever hold one id twice, both are shown: the page hides no fault.
      const key = items.has(line.id) ? `${line.id} again ${index}` : line.id;
      this.#keep(items, key, signature, () => this.#messageItem(line, isFirst, isLast));
    });
    this.items = items;
    return [...items.values()].map(({ item }) => item);
  }

  /**
   * @param {Map<string, { signature: string, item: HTMLLIElement }>} items
   * @param {string} key @param {string} signature @param {() => HTMLLIElement} build
   */
  #keep(items, key, signature, build) {
    const known = this.items.get(key);
    items.set(key, known?.signature === signature ? known : { signature, item: build() });
  }

  /** @param {MessageLine} line @param {boolean} isFirst @param {boolean} isLast */
  #messageItem(line, isFirst, isLast) {
    const item = make(
      "li",
      `message${line.isOwn ? " own" : ""}${isFirst ? " first" : ""}${isLast ? " last" : ""}`,
    );
    item.dataset["id"] = line.id;
    const time = make("time", "", timeOf(line.at));
    time.dateTime = new Date(line.at).toISOString();
    const body = make("div", "body", make("div", "bubble", line.text));
    if (line.isOwn) {
      item.dataset["mark"] = line.mark;
      item.append(make("span", "unseen", "You: "), body);
      body.append(this.#foot(line, time));
      return item;
    }
    if (isFirst) {
      const avatar = make("span", "avatar", initialsOf(line.name));
      avatar.style.setProperty("--hue", String(hueOf(line.user)));
      avatar.setAttribute("aria-hidden", "true");
      const author = make("button", "author", line.name);
      author.type = "button";
      author.title = `Write to ${line.name}`;
      author.addEventListener("click", () => this.actions.writeTo(line.name));
      item.append(avatar, make("div", "head", author, time));
    } else {
      item.append(make("span", "unseen", `${line.name}, ${timeOf(line.at)}: `));
    }
    item.append(body);
    return item;
  }

  /**
   * The honest part: what is known about this message, in a drawing and in words. @param {MessageLine} line
   * @param {HTMLElement} time
   */
  #foot(line, time) {
    const words =
      line.mark === "failed" && line.reason ? `${markWords.failed}: ${line.reason}` : markWords[line.mark];
    const mark = make(
      "span",
      "mark",
      drawing(line.mark),
      make("span", line.mark === "stored" ? "unseen" : "", words),
    );
    mark.title = markExplanations[line.mark];
    const foot = make("div", "foot", time, mark);
    if (line.mark === "failed") {
      const retry = make("button", "retry", "Try again");
      retry.type = "button";
      retry.addEventListener("click", () => this.actions.retry(line.id));
      foot.append(retry);
    }
    return foot;
  }
}

function isScrolledToEnd() {
  return scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < endPixels;
}

/**
 * Stored entries with the gaps between them, then the pending ones.
 * @param {import("./conversation.js").Conversation} conversation @param {string} self @returns {Line[]}
 */
function linesOf(conversation, self) {
  /** @type {Line[]} */
  const lines = [];
  const gaps = [...conversation.gaps].sort((one, other) => one.before - other.before);
  for (const entry of conversation.entries) {
    while (gaps[0] && gaps[0].before <= entry.offset) {
      lines.push({ kind: "gap", .../** @type {{ before: number, text: string }} */ (gaps.shift()) });
    }
    lines.push({ kind: "message", mark: "stored", reason: undefined, ...entry });
  }
  for (const gap of gaps) lines.push({ kind: "gap", ...gap });
  for (const { id, text, at, mark, reason } of conversation.pending) {
    lines.push({ kind: "message", id, user: self, name: "", text, at, isOwn: true, mark, reason });
  }
  return lines;
}

/**
 * A notice between two messages of one day starts no day. @param {Line[]} lines @param {number} index @param
 * {string} day
 */
function hasDayBefore(lines, index, day) {
  for (let before = index - 1; before >= 0; before--) {
    const line = lines[before];
    if (line?.kind === "message") return dayOf(line.at) === day;
  }
  return false;
}

/** @param {Line | undefined} one @param {Line | undefined} other */
function isTogether(one, other) {
  if (one?.kind !== "message" || other?.kind !== "message") return false;
  return (
    one.user === other.user && dayOf(one.at) === dayOf(other.at) && Math.abs(other.at - one.at) < togetherMs
  );
}

/** @param {string} text */
function gapItem(text) {
  return make("li", "gap", drawing("gap"), make("span", "", text));
}

/**
 * @typedef {{ kind: "message", id: string, user: string, name: string, text: string, at: number, isOwn:
 *   boolean, mark: import("./conversation.js").Mark, reason: string | undefined }} MessageLine
 * @typedef {MessageLine | { kind: "gap", before: number, text: string }} Line
 */
