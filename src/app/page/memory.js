// @ts-check
/**
 * What the browser remembers: on the device (who one is, what one has read) and in this window (what is
 * unsent).
 */

/** The secret by which this device owns its name; made once. It leaves the device only towards its server. */
export function deviceSecret() {
  const known = read(localStorage, "secret");
  if (typeof known === "string") return known;
  const bytes = crypto.getRandomValues(new Uint8Array(32));
  const secret = btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace("=", "");
  write(localStorage, "secret", secret);
  return secret;
}

/** @returns {string[] | undefined} the rooms of the last visit, undefined at the first */
export const rememberedRooms = () => read(localStorage, "rooms");
/** @param {string[]} rooms */
export const rememberRooms = (rooms) => write(localStorage, "rooms", rooms);

/** @returns {{ user: string, name: string, mailbox: string } | undefined} who the server said one is */
export const rememberedSelf = () => read(localStorage, "self");
/** @param {{ user: string, name: string, mailbox: string }} self */
export const rememberSelf = (self) => write(localStorage, "self", self);

/** @returns {Record<string, number>} the last offset read, by conversation */
export const rememberedReading = () => read(localStorage, "read") ?? {};
/** @param {Record<string, number>} offsets */
export const rememberReading = (offsets) => write(localStorage, "read", offsets);

/**
 * Taken, not read: the next page that looks must not find them. @returns
 * {import("./conversation.js").Pending[]}
 */
export function rememberedPending() {
  const pending = read(sessionStorage, "pending") ?? [];
  write(sessionStorage, "pending", []);
  return pending;
}
/** @param {import("./conversation.js").Pending[]} pending */
export const rememberPending = (pending) => write(sessionStorage, "pending", pending);

/** @returns {string | undefined} the conversation that was open in this window */
export const rememberedOpen = () => read(sessionStorage, "open");
/** @param {string} key */
export const rememberOpen = (key) => write(sessionStorage, "open", key);

/** @param {Storage} storage @param {string} name */
function read(storage, name) {
  try {
    return JSON.parse(storage.getItem(`holdfast.chat.${name}`) ?? "null") ?? undefined;
  } catch {
    // Storage that is switched off, or holds what an older page wrote: as if it were empty.
    return undefined;
  }
}

/** @param {Storage} storage @param {string} name @param {unknown} value */
function write(storage, name, value) {
  try {
    storage.setItem(`holdfast.chat.${name}`, JSON.stringify(value));
  } catch {
    // Full or switched off. The page goes on without; only a reload forgets more.
  }
}
