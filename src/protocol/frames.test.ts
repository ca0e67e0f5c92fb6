/**
 * Whatever arrives, the decoders say what it is or that it is nothing; what the encoders write, they read.
 */

import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { cutText } from "./cut-text.ts";
import * as wire from "./frames.ts";
import { decodePayload, encodePayload } from "./payload.ts";

const clientKinds = ["ev", "re", "ch", "ca", "lo", "at", "pa", "pi"];
const serverKinds = [
  "en",
  "st",
  "le",
  "ga",
  "pt",
  "do",
  "ok",
  "no",
  "ex",
  "ag",
  "cp",
  "dr",
  "al",
  "fr",
  "er",
];
const count = fc.nat({ max: 2 ** 31 });
const ordinal = fc.integer({ min: 1, max: 2 ** 31 });
const shortText = fc.string({ maxLength: 128, unit: "binary" });
/** Values that are nearly right more often than by chance. */
const anyValue = fc.oneof(
  fc.constantFrom(
    0,
    1,
    -1,
    0.5,
    2 ** 52,
    2 ** 53,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    "",
    "x",
    null,
    undefined,
  ),
  fc.constantFrom("__proto__", "constructor", "retention", "reset", "e".repeat(129)),
  ordinal,
  fc.array(fc.tuple(ordinal, count), { maxLength: 3 }),
  fc.anything({ withNullPrototype: true, withBigInt: true }),
);
const anyFrame = fc.oneof(
  fc.anything(),
  fc
    .tuple(fc.constantFrom(...clientKinds, ...serverKinds, "zz"), fc.array(anyValue, { maxLength: 6 }))
    .map(([kind, rest]) => [kind, ...rest]),
);

test("decoders take any structure without throwing, and accept only whole numbers and texts", () => {
  const isCount = (value: unknown) =>
    Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 2 ** 52;
  const numbers = [
    "sequence",
    "index",
    "count",
    "low",
    "nonce",
    "stream",
    "offset",
    "from",
    "to",
    "length",
    "first",
  ];
  const more = ["last", "delayMs", "chunks", "reconnectInMs"];
  const flags = ["wantsReply", "aside", "prompt"];
  const texts = ["request", "text", "epoch", "reason", "code", "detail", "room"];
  fc.assert(
    fc.property(anyFrame, (value) => {
      for (const frame of [wire.decodeClientFrame(value), wire.decodeServerFrame(value)]) {
        if (typeof frame === "string") continue;
        const fields = frame.kind === "open" ? Object.entries(frame.open) : Object.entries(frame);
        for (const [name, field] of fields) {
          if (numbers.includes(name) || more.includes(name)) expect(isCount(field), name).toBe(true);
          if (flags.includes(name)) expect(typeof field).toBe("boolean");
          if (texts.includes(name)) expect(typeof field).toBe("string");
        }
      }
      expect(() => wire.decodeWelcome(value)).not.toThrow();
      expect(() => wire.decodeEntry(value)).not.toThrow();
      expect(() => wire.decodeHello(value)).not.toThrow();
    }),
    { numRuns: 5_000 },
  );
});

test("decoders take any text without throwing", () => {
  const hellos = fc.string({ unit: "binary" }).map((text) => `{"v":${text}`);
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.json(), hellos), (text) => {
      expect(() => wire.decodeHello(text)).not.toThrow();
      expect(() => wire.decodeServerFrame(wire.parseJson(text))).not.toThrow();
      expect(() => wire.decodeClientFrame(wire.parseJson(text))).not.toThrow();
    }),
    { numRuns: 2_000 },
  );
  expect(
    wire.decodeHello(`{"v":[1],"low":1,"next":1,"at":[${'[1,"e",0,0],'.repeat(90_000)}[1,"e",0,0]]}`),
  ).toBe(undefined);
});

test("G7 a chunk has a greatest size, and so has an acknowledgement", () => {
  expect(wire.decodeClientFrame(["ch", 1, 0, 1, 0, "x".repeat(131_072)])).toMatchObject({ kind: "chunk" });
  expect(wire.decodeClientFrame(["ch", 1, 0, 1, 0, "x".repeat(131_073)])).toBe("chunk too large");
  const pairs = Array.from({ length: 10_001 }, () => [1, 1]);
  expect(wire.decodeClientFrame(["at", pairs])).toBe('malformed "at"');
});

test("client frames are read as they were written", () => {
  const payload = fc.array(fc.jsonValue(), { minLength: 1 });
  const { clientFrame } = wire;
  const read = (text: string) => wire.decodeClientFrame(JSON.parse(text));
  fc.assert(
    fc.property(ordinal, fc.boolean(), shortText, payload, count, (sequence, flag, text, value, number) => {
      const json = JSON.stringify(value);
      const kept: unknown = JSON.parse(json);
      expect(read(clientFrame.event(sequence, flag, json))).toEqual({
        kind: "event",
        sequence,
        wantsReply: flag,
        payload: kept,
      });
      expect(read(clientFrame.reply(sequence, flag, text, json))).toMatchObject({
        request: text,
        payload: kept,
      });
      expect(read(clientFrame.chunk(sequence, number, number + 1, flag, `${text}.`))).toEqual({
        kind: "chunk",
        sequence,
        index: number,
        count: number + 1,
        aside: flag,
        text: `${text}.`,
      });
      expect(read(clientFrame.cancel(sequence))).toEqual({ kind: "cancel", sequence });
      expect(read(clientFrame.low(sequence))).toEqual({ kind: "low", low: sequence });
      expect(read(clientFrame.positions([[sequence, number]]))).toMatchObject({
        positions: [[sequence, number]],
      });
      expect(read(clientFrame.probe(number))).toEqual({ kind: "probe", nonce: number });
    }),
  );
});

test("server frames and hellos are read as they were written", () => {
  const { serverFrame } = wire;
  const read = (text: string) => wire.decodeServerFrame(JSON.parse(text));
  fc.assert(
    fc.property(ordinal, ordinal, shortText, fc.boolean(), (stream, offset, text, prompt) => {
      const open = { stream, epoch: text, offset, room: text, prompt };
      expect(read(serverFrame.open(open))).toEqual({ kind: "open", open });
      const also = [[stream, offset]] as const;
      const entries = [
        wire.entryText({ offset, payload: "[1]", also, request: text }),
        wire.skipText(offset),
      ].join();
      expect(read(serverFrame.entries(stream, entries))).toEqual({
        kind: "entries",
        stream,
        entries: [
          { offset, payload: [1], also, request: text },
          { offset, also: [] },
        ],
      });
      const gap = { stream, epoch: text, from: offset, to: stream, reason: "reset" };
      expect(read(serverFrame.gap(stream, text, offset, stream, "reset"))).toEqual({ kind: "gap", ...gap });
      expect(read(serverFrame.rejected(offset, JSON.stringify({ code: text, message: text })))).toMatchObject(
        {
          kind: "rejected",
          error: { code: text },
        },
      );
      const hello = {
        versions: [1],
        low: 1,
        next: offset,
        positions: [{ stream, epoch: text, offset, part: 0 }],
      };
      expect(wire.decodeHello(wire.encodeHello(hello))).toEqual(hello);
    }),
  );
});

const bytes = fc.uint8Array({ maxLength: 40 });
const key = fc.oneof(fc.constantFrom("$b", "__proto__", "constructor", "toJSON", "d", "b"), fc.string());
const plainValue = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.constantFrom(0, 1, "$b", "", true, null),
    fc.string({ unit: "binary" }),
    fc.integer(),
    bytes,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(key, tie("value")), { maxLength: 3 }).map((pairs) => {
      const record: object = {};
      for (const [name, value] of pairs) {
        Object.defineProperty(record, name, { value, enumerable: true, writable: true, configurable: true });
      }
      return record;
    }),
    fc.tuple(key, tie("value")).map(([name, value]) => ({ [name]: value, gone: undefined, also: () => 0 })),
  ),
})).value;

test("payloads come back as JSON would bring them, binary included, whatever the keys", () => {
  fc.assert(
    fc.property(fc.array(plainValue, { maxLength: 4 }), (values) => {
      const decoded = decodePayload(JSON.parse(encodePayload(values)), (data) => data);
      expect(isDeepStrictEqual(decoded, values.map(asJson))).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("payloads: views keep their part of the buffer, boxed values and dates are as in JSON", () => {
  const view = new DataView(Uint8Array.of(1, 2, 3, 4).buffer, 1, 2);
  const date = new Date(0);
  const boxed = [new String("s"), new Number(2), new Boolean(false)];
  const values = [view, Uint8Array.of(9).buffer, date, boxed, { toJSON: () => Uint8Array.of(7) }];
  const decoded = decodePayload(JSON.parse(encodePayload(values)), (data) => [...data]);
  expect(decoded).toEqual([[2, 3], [9], date.toJSON(), ["s", 2, false], [7]]);
});

test("payloads that cannot travel are refused by name", () => {
  const circular: unknown[] = [];
  circular.push(circular);
  const deep: unknown[] = [];
  let inner = deep;
  for (let depth = 0; depth < 100_000; depth++) inner = inner[0] = [] as unknown[];
  const late = [Uint8Array.of(1), circular];
  for (const value of [circular, deep, late, 1n, [Uint8Array.of(1), 1n], new Blob(["x"])]) {
    expect(() => encodePayload([value])).toThrow(expect.objectContaining({ code: "payload_unsupported" }));
  }
  const throwing = {
    toJSON() {
      throw new TypeError("not today");
    },
  };
  expect(() => encodePayload([throwing])).toThrow(/not today/);
});

test("what is no payload is none", () => {
  const nested = `${'{"a":'.repeat(1_200)}1${"}".repeat(1_200)}`;
  const wrong = [
    null,
    1,
    "text",
    {},
    { d: [], b: "x" },
    { d: {}, b: [] },
    { d: [{ $b: 0 }], b: [] },
    { d: [{ $b: 0.5 }], b: ["AA=="] },
    { d: [{ $b: -1 }], b: ["AA=="] },
    { d: [{ $b: "0" }], b: ["AA=="] },
    { d: [{ $b: null }], b: ["AA=="] },
    { d: [], b: [1] },
    { d: [], b: ["!"] },
    { d: [JSON.parse(nested)], b: [] },
  ];
  for (const payload of wrong) expect(decodePayload(payload, (data) => data)).toBe(undefined);
});

test("base64 is the same where the platform has none of its own", () => {
  const data = Uint8Array.from({ length: 100_000 }, (_, index) => (index * 7) % 256);
  const native = encodePayload([data]);
  const holders = [Uint8Array.prototype, Uint8Array] as unknown as Record<string, unknown>[];
  const kept = holders.map((holder) => ({ ...Object.getOwnPropertyDescriptors(holder) }));
  try {
    Reflect.deleteProperty(Uint8Array.prototype, "toBase64");
    Reflect.deleteProperty(Uint8Array, "fromBase64");
    expect(encodePayload([data])).toBe(native);
    expect(decodePayload(JSON.parse(native), (bytes) => bytes)).toEqual([data]);
    expect(decodePayload({ d: [], b: ["!"] }, (bytes) => bytes)).toBe(undefined);
  } finally {
    const [prototype, constructor] = kept as [PropertyDescriptorMap, PropertyDescriptorMap];
    const { toBase64 } = prototype;
    const { fromBase64 } = constructor;
    if (toBase64 !== undefined) Object.defineProperty(Uint8Array.prototype, "toBase64", toBase64);
    if (fromBase64 !== undefined) Object.defineProperty(Uint8Array, "fromBase64", fromBase64);
  }
});

test("cut texts join to the same, in pieces that are small enough and split no surrogate pair", () => {
  const text = fc.string({ unit: "binary", maxLength: 60 });
  fc.assert(
    fc.property(text, fc.integer({ min: 2, max: 9 }), fc.nat({ max: 5 }), (value, size, skipped) => {
      const cuts = cutText(value, size);
      const from = cuts[Math.min(skipped, cuts.length - 1)] ?? 0;
      const rest = cutText(value, size, from);
      const pieces = rest.slice(1).map((end, index) => value.slice(rest[index], end));
      expect(pieces.join("")).toBe(value.slice(from));
      for (const piece of pieces) {
        expect(piece.length).toBeLessThanOrEqual(size);
        expect(piece.isWellFormed() || !value.isWellFormed()).toBe(true);
      }
      expect(cutText(value, size)).toEqual(cuts);
    }),
    { numRuns: 2_000 },
  );
});

/** What `JSON.stringify` would keep of a value, binary left in place. */
function asJson(value: unknown): unknown {
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(asJson);
  const record: object = {};
  for (const [name, item] of Object.entries(value)) {
    if (item === undefined || typeof item === "function") continue;
    const descriptor = { value: asJson(item), enumerable: true, writable: true, configurable: true };
    Object.defineProperty(record, name, descriptor);
  }
  return record;
}
