/**
 * `socket.data` over a resume. The middlewares of a connection get a copy of what the session has, before it
 * is known whether the session is resumed; what they change in it is carried over, and nothing else, because
 * a handler may have changed the session's own meanwhile.
 */

type Data = Record<string, unknown>;

/** What the copies were when they were given out. */
const givenOut = new WeakMap<Data, ReadonlyMap<string, string | undefined>>();

/**
 * Returns a copy for the middlewares. They have to name the principal again; the saved one proves nothing.
 */
export function copyForMiddlewares(data: Data): Data {
  const { principal: _, ...copy } = data;
  givenOut.set(copy, new Map(Object.entries(copy).map(([name, value]) => [name, textOf(value)])));
  return copy;
}

/** Changes `data` by what the middlewares have set, changed or deleted in the copy that they got. */
export function takeChanges(data: Data, copy: Data): void {
  const given = givenOut.get(copy);
  for (const [name, value] of Object.entries(copy)) {
    if (given?.has(name) !== true || given.get(name) !== textOf(value)) data[name] = value;
  }
  for (const name of given?.keys() ?? []) {
    if (!Object.hasOwn(copy, name)) delete data[name];
  }
}

/** What cannot be written as JSON is compared as nothing, and so taken over when it was nothing before. */
function textOf(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined;
  }
}
