// @ts-check
/** How things are put into words: times, days, initials, marks, gaps. */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const fullDate = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "long", year: "numeric" });

/** @param {number} at */
export const timeOf = (at) => clock.format(at);

/** The day in local time, as something that compares. @param {number} at */
export const dayOf = (at) => new Date(at).toDateString();

/** @param {number} at @param {number} now */
export function dayInWords(at, now) {
  const day = dayOf(at);
  if (day === dayOf(now)) return "Today";
  const yesterday = new Date(now);
  yesterday.setDate(yesterday.getDate() - 1);
  if (day === yesterday.toDateString()) return "Yesterday";
  return new Date(at).getFullYear() === new Date(now).getFullYear()
    ? weekday.format(at)
    : fullDate.format(at);
}

/** One or two letters that stand for a name. @param {string} name */
export function initialsOf(name) {
  const words = name.split(/[\s._-]+/).filter(Boolean);
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : [words[0]];
  return letters.map((word) => Array.from(word ?? "?")[0]?.toLocaleUpperCase() ?? "?").join("");
}

/** One of twelve hues, always the same for the same user. @param {string} user */
export function hueOf(user) {
  let sum = 0;
  for (const character of user) sum = (sum * 31 + (character.codePointAt(0) ?? 0)) % 997;
  return (sum % 12) * 30 + 10;
}

/** @param {number} count @param {string} one @param {string} many */
export const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** What each mark claims, no more than that. */
export const markWords = {
  waiting: "Waiting",
  sent: "Sent",
  stored: "Stored",
  failed: "Not stored",
};

export const markExplanations = {
  waiting: "Kept in this window until there is a connection",
  sent: "Written to the connection, not yet confirmed",
  stored: "The server has confirmed that it is stored",
  failed: "It was not stored",
};

/** @param {{ from: number, to: number, reason: string }} gap */
export function gapInWords({ from, to, reason }) {
  const count =
    Number.isFinite(to - from) && to >= from ? counted(to - from + 1, "message", "messages") : "Messages";
  switch (reason) {
    case "retention":
      return (
        `${count} from while you were away can no longer be shown: ` +
        "the server keeps them for a limited time only."
      );
    case "reset":
      return (
        "The server's history was restored to an earlier state. " +
        "Messages may be missing here; what follows is current."
      );
    case "session_lost":
      return (
        "This window was away for longer than the server remembers. " +
        "Below are the latest messages; earlier ones can be loaded."
      );
    default:
      return `${count} could not be delivered here (${reason}).`;
  }
}
