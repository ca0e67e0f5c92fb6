// @ts-check
/** The list of conversations, and who one is. */

import { arrange, element, make } from "./elements.js";
import { counted, hueOf, initialsOf } from "./words.js";

const rooms = element("rooms", HTMLUListElement);
const people = element("people", HTMLUListElement);
const peopleEmpty = element("people-empty", HTMLElement);
const selfAvatar = element("self-avatar", HTMLElement);
const selfName = element("self-name", HTMLElement);
const selfState = element("self-state", HTMLElement);
const backBadge = element("back-badge", HTMLElement);
const back = element("back", HTMLButtonElement);

/**
 * Elements by conversation key, kept so that the focus stays where it is. @type {Map<string, HTMLLIElement>}
 */
const items = new Map();

/**
 * @param {{ conversations: Iterable<import("./conversation.js").Conversation>, open: string | undefined,
 *   user: string, name: string, isOnline: boolean, choose: (key: string) => void }} state
 */
export function showSidebar({ conversations, open, user, name, isOnline, choose }) {
  /** @type {Record<"room" | "direct", HTMLLIElement[]>} */
  const lists = { room: [], direct: [] };
  let unreadElsewhere = 0;
  for (const conversation of conversations) {
    const isOpen = conversation.key === open;
    if (!isOpen) unreadElsewhere += conversation.unread;
    lists[conversation.kind].push(itemOf(conversation, isOpen, choose));
  }
  arrange(rooms, lists.room);
  arrange(people, lists.direct);
  peopleEmpty.hidden = lists.direct.length > 0;

  selfName.textContent = name || "Nameless";
  selfAvatar.textContent = name ? initialsOf(name) : "?";
  selfAvatar.style.setProperty("--hue", String(hueOf(user)));
  selfState.dataset["state"] = isOnline ? "online" : "offline";
  selfState.textContent = isOnline ? "Connected" : "Offline";

  backBadge.hidden = unreadElsewhere === 0;
  backBadge.textContent = short(unreadElsewhere);
  back.setAttribute(
    "aria-label",
    unreadElsewhere === 0 ? "Show conversations" : `Show conversations, ${unreadElsewhere} unread`,
  );
}

/**
 * @param {import("./conversation.js").Conversation} conversation @param {boolean} isOpen @param {(key:
 *   string) => void} choose
 */
function itemOf(conversation, isOpen, choose) {
  const { key, kind, title, peer, unread } = conversation;
  let item = items.get(key);
  if (item === undefined) {
    const button = make("button", "");
    button.type = "button";
    button.addEventListener("click", () => choose(key));
    item = make("li", "", button);
    items.set(key, item);
  }
  const signature = `${title} ${unread} ${isOpen}`;
  if (item.dataset["signature"] === signature) return item;
  item.dataset["signature"] = signature;

  const button = /** @type {HTMLButtonElement} */ (item.firstElementChild);
  const sign = kind === "room" ? make("span", "hash", "#") : make("span", "avatar", initialsOf(title));
  sign.setAttribute("aria-hidden", "true");
  sign.style.setProperty("--hue", String(hueOf(peer ?? "")));
  button.replaceChildren(sign, make("span", "label", title));
  button.classList.toggle("unread", unread > 0);
  if (isOpen) button.setAttribute("aria-current", "true");
  else button.removeAttribute("aria-current");
  if (unread > 0) {
    const badge = make("span", "badge", short(unread));
    badge.setAttribute("aria-hidden", "true");
    button.append(badge, make("span", "unseen", counted(unread, "unread message", "unread messages")));
  }
  return item;
}

/** @param {number} count */
const short = (count) => (count > 99 ? "99+" : String(count));
