/**
 * Payloads: an event name and its arguments as JSON text, binary included.
 *
 *     payload := array                                 no binary inside
 *              | {"d": array, "b": [base64, ...]}      binary at the places marked {"$b": index}
 *
 * In the second form an object of the user's that has the one key "$b" is written as {"$b": [value]}, so that
 * no user data can pose as a mark. The rules for everything else are those of `JSON.stringify`, as in
 * Socket.IO.
 */

import { DeliveryError } from "./errors.ts";

/** Returns the payload text. Throws `payload_unsupported` for what JSON and binary buffers cannot carry. */
export function encodePayload(values: readonly unknown[]): string {
  const buffers: Uint8Array[] = [];
  try {
    const plain = containsBinary(values, 0) ? detach(values, buffers) : values;
    const text = JSON.stringify(plain);
    if (buffers.length === 0) return text;
    return `{"d":${text},"b":${JSON.stringify(buffers.map(toBase64))}}`;
  } catch (cause) {
    if (cause instanceof DeliveryError) throw cause;
    const detail = cause instanceof Error ? cause.message : String(cause);
    throw new DeliveryError("payload_unsupported", { detail, cause });
  }
}

/**
 * Returns the values of a parsed payload, `undefined` when it is none. `wrapBinary` makes the platform's own
 * binary type (Buffer in Node, ArrayBuffer in browsers, as in Socket.IO).
 */
export function decodePayload(
  payload: unknown,
  wrapBinary: (bytes: Uint8Array) => unknown,
): unknown[] | undefined {
  if (Array.isArray(payload)) return payload;
  if (!isRecord(payload)) return undefined;
  const { d, b } = payload;
  if (!Array.isArray(d) || !Array.isArray(b)) return undefined;
  const buffers: unknown[] = [];
  for (const text of b) {
    const bytes = typeof text === "string" ? fromBase64(text) : undefined;
    if (bytes === undefined) return undefined;
    buffers.push(wrapBinary(bytes));
  }
  try {
    return attach(d, buffers, 0) as unknown[];
  } catch {
    return undefined;
  }
}

function containsBinary(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (isBinary(value)) return true;
  refuseBlob(value);
  refuseDepth(depth);
  if (Array.isArray(value)) return value.some((item) => containsBinary(item, depth + 1));
  const json = toJson(value);
  if (json !== value) return containsBinary(json, depth + 1);
  for (const key of Object.keys(value)) {
    if (containsBinary((value as Record<string, unknown>)[key], depth + 1)) return true;
  }
  return false;
}

/** Returns a copy with marks in place of binary, and without what `JSON.stringify` would leave out. */
function detach(value: unknown, buffers: Uint8Array[]): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isBinary(value)) return { $b: buffers.push(bytesOf(value)) - 1 };
  if (Array.isArray(value)) return value.map((item) => detach(item, buffers));
  const json = toJson(value);
  if (json !== value) return detach(json, buffers);
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const key of Object.keys(value)) {
    const item = detach((value as Record<string, unknown>)[key], buffers);
    // An object counts as a mark by the keys that it has on the wire, so these have to be the same here.
    if (item !== undefined && typeof item !== "function" && typeof item !== "symbol") copy[key] = item;
  }
  const keys = Object.keys(copy);
  return keys.length === 1 && keys[0] === "$b" ? { $b: [copy["$b"]] } : copy;
}

function attach(value: unknown, buffers: readonly unknown[], depth: number): unknown {
  if (typeof value !== "object" || value === null) return value;
  refuseDepth(depth);
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++)
      value[index] = attach(value[index], buffers, depth + 1);
    return value;
  }
  const record = value as Record<string, unknown>;
  const keys = Object.keys(record);
  if (keys.length === 1 && keys[0] === "$b") {
    const mark = record["$b"];
    if (Array.isArray(mark)) {
      record["$b"] = attach(mark[0], buffers, depth + 1);
      return record;
    }
    if (typeof mark !== "number" || !(mark in buffers)) throw new DeliveryError("bad_frame");
    return buffers[mark];
  }
  // Every key is the record's own, "__proto__" too, so that assignment changes a property and never a
  // prototype.
  for (const key of keys) record[key] = attach(record[key], buffers, depth + 1);
  return record;
}

function isBinary(value: object): value is ArrayBuffer | ArrayBufferView {
  return value instanceof ArrayBuffer || ArrayBuffer.isView(value);
}

function bytesOf(value: ArrayBuffer | ArrayBufferView): Uint8Array {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/** A Blob can only be read asynchronously, and an emit must take its place in the order at once. */
function refuseBlob(value: object): void {
  const name = Object.prototype.toString.call(value);
  if (name === "[object Blob]" || name === "[object File]") {
    throw new DeliveryError("payload_unsupported", { detail: "a Blob must be read before it is emitted" });
  }
}

function refuseDepth(depth: number): void {
  if (depth > nestingLimit)
    throw new DeliveryError("payload_unsupported", { detail: "nested too deeply or circular" });
}

/** What `JSON.stringify` would take instead of the object. */
function toJson(value: object): unknown {
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return value.valueOf();
  const method = (value as { toJSON?: unknown }).toJSON;
  return typeof method === "function" ? (method.call(value) as unknown) : value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Base64 through the platform where it has it (Node 25, browsers since 2025), by `btoa` elsewhere. */
function toBase64(bytes: Uint8Array): string {
  const native = (bytes as { toBase64?: () => string }).toBase64;
  if (native !== undefined) return native.call(bytes);
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  }
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array | undefined {
  try {
    const native = (Uint8Array as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
    if (native !== undefined) return native.call(Uint8Array, text);
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}

/**
 * Deeper values are refused: `JSON.parse` of the peer and our own recursion both stay far from the stack's
 * end.
 */
const nestingLimit = 1_000;
