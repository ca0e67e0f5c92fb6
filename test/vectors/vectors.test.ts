/**
 * The vectors of docs/PROTOCOL.md, replayed against this implementation. They are plain JSON, for clients in
 * other languages too. `UPDATE=1` writes what comes out into them; what changes then is a change of the
 * protocol.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cutText } from "../../src/protocol/cut-text.ts";
import * as wire from "../../src/protocol/frames.ts";
import { decodePayload, encodePayload } from "../../src/protocol/payload.ts";
import { replayClient, replayServer, type Transcript } from "./replay.ts";

const update = process.env["UPDATE"] === "1";

type Vector = Record<string, unknown>;

for (const [file, decode] of [
  ["client-frames.json", wire.decodeClientFrame],
  ["server-frames.json", wire.decodeServerFrame],
] as const) {
  test(`${file}: every frame is understood, or refused for its reason`, () => {
    replayVectors(file, (vector) => {
      const result = decode(vector["frame"]);
      return typeof result === "string" ? { refused: result } : { decoded: result };
    });
  });
}

test("every kind of frame has a vector", () => {
  for (const [file, encoders] of [
    ["client-frames.json", wire.clientFrame],
    ["server-frames.json", wire.serverFrame],
  ] as const) {
    const kinds = load<Vector>(file).flatMap(
      ({ decoded }) => (decoded as { kind: string } | undefined)?.kind ?? [],
    );
    expect(new Set(kinds)).toEqual(
      new Set([...Object.keys(encoders), ...(file === "server-frames.json" ? ["unknown"] : [])]),
    );
  }
});

test("hello.json: a hello is read and written, everything else is none", () => {
  replayVectors("hello.json", ({ text }) => {
    const decoded = wire.decodeHello(text);
    if (decoded !== undefined) expect(wire.decodeHello(wire.encodeHello(decoded))).toEqual(decoded);
    return { decoded: decoded ?? null, stock: !wire.isHello(text) };
  });
});

test("welcome.json: a welcome is taken as it is or not at all", () => {
  replayVectors("welcome.json", ({ welcome }) => ({ accepted: wire.decodeWelcome(welcome) !== undefined }));
});

test("payloads.json: payloads stand for their values, and are written as they stand there", () => {
  replayVectors("payloads.json", ({ payload, values, written }) => {
    if (written === true) expect(JSON.parse(encodePayload(fromVector(values) as unknown[]))).toEqual(payload);
    const decoded = decodePayload(structuredClone(payload), (bytes) => ({ bytes: [...bytes] }));
    return { values: decoded ?? null };
  });
});

test("chunks.json: texts are cut at the same places", () => {
  replayVectors("chunks.json", ({ text, size }) => {
    const cuts = cutText(String(text), Number(size));
    return { pieces: cuts.slice(1).map((end, index) => String(text).slice(cuts[index], end)) };
  });
});

for (const [file, replay] of [
  ["client-session.json", replayClient],
  ["server-session.json", replayServer],
] as const) {
  const transcripts = load<Transcript>(file, "transcripts");
  for (const transcript of transcripts) {
    test(`${file}: ${transcript.name}`, () => {
      const outputs = replay(transcript);
      transcript.steps.forEach((step, index) => {
        const out = JSON.parse(JSON.stringify(outputs[index])) as unknown[];
        if (update) step["out"] = out;
        expect(step["out"], `step ${index + 1}`).toEqual(out);
      });
    });
  }
  if (update) test(`${file} is written`, () => write(file, "transcripts", transcripts));
}

/** Compares every field that `replay` returns with the vector's own. */
function replayVectors(file: string, replay: (vector: Vector) => Vector): void {
  const vectors = load<Vector>(file);
  for (const vector of vectors) {
    const result = JSON.parse(JSON.stringify(replay(vector))) as Vector;
    if (update) Object.assign(vector, result);
    expect(vector).toEqual({ ...vector, ...result });
    if ("refused" in vector) expect(result).toHaveProperty("refused");
  }
  if (update) write(file, "vectors", vectors);
}

function load<T>(file: string, key = "vectors"): T[] {
  const text = readFileSync(new URL(`testdata/${file}`, import.meta.url), "utf8");
  return (JSON.parse(text) as Record<string, T[]>)[key] ?? [];
}

/** One vector or step to a line, so that a difference is seen where it is. */
function write(file: string, key: "vectors" | "transcripts", items: readonly unknown[]): void {
  const url = new URL(`testdata/${file}`, import.meta.url);
  const { about } = JSON.parse(readFileSync(url, "utf8")) as { about: string };
  const lines = items.map((item) => {
    const { steps, ...rest } = item as Record<string, unknown>;
    if (!Array.isArray(steps)) return `    ${JSON.stringify(item)}`;
    const stepLines = steps.map((step) => `      ${JSON.stringify(step)}`).join(",\n");
    return `    ${JSON.stringify(rest).slice(0, -1)}, "steps": [\n${stepLines}\n    ]}`;
  });
  writeFileSync(
    url,
    `{\n  "about": ${JSON.stringify(about)},\n  "${key}": [\n${lines.join(",\n")}\n  ]\n}\n`,
  );
}

function fromVector(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(fromVector);
  const { bytes } = value as { bytes?: number[] };
  if (Array.isArray(bytes)) return Uint8Array.from(bytes);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fromVector(item)]));
}
