/**
 * Names of streams inside the store. A key is opaque to the store and never goes over the wire.
 *
 *     key := length namespace "*"            the namespace-wide stream
 *     key := length namespace "r:" room      the stream behind a room, a session's own room included
 *
 * A process that serves clients has a stream of its own too, the room of its id in a namespace that no
 * application can name: those begin with "/".
 *
 * `length` is the namespace's length in decimal digits; a namespace begins with "/", so two different pairs
 * never share a key, whatever characters a dynamic namespace or a room is made of.
 */

export function roomKey(namespace: string, room: string): string {
  return `${namespace.length}${namespace}r:${room}`;
}

export function namespaceKey(namespace: string): string {
  return `${namespace.length}${namespace}*`;
}

/**
 * Returns the room of a key of this namespace, "" for the namespace-wide stream, undefined for a foreign key.
 */
export function roomOfKey(namespace: string, key: string): string | undefined {
  if (key === namespaceKey(namespace)) return "";
  const prefix = roomKey(namespace, "");
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
}

/** Returns the namespace of a key, "" when it is none. */
export function namespaceOfKey(key: string): string {
  const digits = /^\d+/.exec(key)?.[0] ?? "";
  return key.slice(digits.length, digits.length + Number(digits));
}

/** The stream of what other processes say to this one. */
export function nodeKey(node: string): string {
  return roomKey(nodesNamespace, node);
}

/** Returns the process whose stream it is, undefined for the key of a room or a namespace. */
export function nodeOfKey(key: string): string | undefined {
  const prefix = roomKey(nodesNamespace, "");
  return key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
}

export const nodesNamespace = "nodes";
