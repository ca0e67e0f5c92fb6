// @ts-check
/**
 * What stands above the messages: the conversation's name, who is there, and whether there is a connection.
 */

import { element } from "./elements.js";
import { counted } from "./words.js";

const banner = element("banner", HTMLElement);
const title = element("title", HTMLElement);
const subtitle = element("subtitle", HTMLElement);
const leave = element("leave", HTMLButtonElement);

/**
 * @param {import("./conversation.js").Conversation} conversation
 * @param {{ ownName: string, canLeave: boolean, unread: number }} state
 */
export function showHeader(conversation, { ownName, canLeave, unread }) {
  const isRoom = conversation.kind === "room";
  title.textContent = isRoom ? `# ${conversation.title}` : conversation.title;
  subtitle.textContent = isRoom ? presenceInWords(conversation, ownName) : "Direct messages";
  leave.hidden = !isRoom || !canLeave;
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${isRoom ? "#" : ""}${conversation.title} · Holdfast`;
}

/** @param {{ isOffline: boolean, unconfirmed: number, refusal: string | undefined }} state */
export function showBanner({ isOffline, unconfirmed, refusal }) {
  banner.hidden = !isOffline;
  const kept =
    unconfirmed === 0
      ? "What you write is kept and sent when the connection is back."
      : `${counted(unconfirmed, "message is", "messages are")} kept here ` +
        "and will be sent when the connection is back.";
  const words =
    refusal === undefined ? `You are offline. ${kept}` : `The server did not let this page in: ${refusal}`;
  // A status is read out when it changes, so it changes only when it has to.
  if (banner.textContent !== words) banner.textContent = words;
}

/** @param {import("./conversation.js").Conversation} conversation @param {string} ownName */
function presenceInWords({ presence }, ownName) {
  if (presence === undefined || presence.count === 0) return "\u00a0";
  if (presence.count === 1) return "Only you are here";
  const shown = presence.names.filter((name) => name !== ownName).slice(0, 3);
  const rest = presence.count - 1 - shown.length;
  return `${presence.count} here: you, ${shown.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}
