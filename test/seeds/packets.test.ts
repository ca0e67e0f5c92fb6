/**
 * The bookkeeping that the seed's author had to write himself: "We assign a random UUID to every packet. The
 * receiver explicitly acknowledges all packets it receives automatically. There is logic to recognize
 * duplicate packets and answers to them. We cache the receiver's responses. There is a check for too many
 * queued packets (10 000 packets max). We split payloads into smaller packets."
 */

import { createHash } from "node:crypto";
import { currentRequest } from "holdfast";
import type { Settled } from "holdfast/client";
import { expect, test } from "vitest";
import { fingerprint } from "../harness/server-program.ts";
import { eventually, until } from "../harness/until.ts";
import { openLine } from "./line.ts";

test("every packet has an id: session and sequence up, stream and offset down", async (context) => {
  const ids: string[] = [];
  const line = await openLine(context, (io) => {
    io.on("connection", (socket) => socket.on("event", () => ids.push(currentRequest().id)));
  });
  const sent = [1, 2, 3].map((value) => line.client.emit("event", value).delivery.lastSequence);
  await eventually(() => ids, { count: 3, what: "events" });
  expect(sent).toEqual([1, 2, 3]);
  expect(ids).toEqual(sent.map((sequence) => `${line.client.id}:${sequence}`));
  const offsets: unknown[] = [];
  line.client.on("tick", () => offsets.push(line.client.delivery.entry?.offset));
  const receipts = [await line.io.publish("tick"), await line.io.publish("tick")];
  await eventually(() => offsets, { count: 2, what: "ticks" });
  expect(offsets).toEqual(receipts.map(({ offset }) => offset));
});

test("automatic acknowledgement: emits without a callback are confirmed and deleted", async (context) => {
  const line = await openLine(context, (io) => {
    io.on("connection", (socket) => {
      socket.on("good", () => undefined);
      socket.on("bad", () => {
        throw Object.assign(new Error("no"), { code: "not_today" });
      });
    });
  });
  const settled: Settled[] = [];
  line.client.delivery.on("settled", (outcome) => settled.push(outcome));
  await line.cut();
  line.client.emit("good").emit("bad").emit("good");
  expect(line.client.delivery.pending).toBe(3);
  await line.mend();
  await until(() => line.client.delivery.pending === 0, { what: "nothing pending" });
  expect(
    settled.map(({ sequence, error }) => [sequence, (error as { code?: string } | undefined)?.code]),
  ).toEqual([
    [1, undefined],
    [2, "not_today"],
    [3, undefined],
  ]);
});

test("recognition of duplicates: a repeated request is answered from the recorded reply", async (context) => {
  let runs = 0;
  const line = await openLine(context, (io) => {
    io.on("connection", (socket) => socket.on("ask", (answer: (run: number) => void) => answer((runs += 1))));
  });
  for (const run of [1, 2, 3]) {
    // The request arrives, its reply does not: the client cannot know, and sends it again.
    line.relay.latest.toClient.hold();
    const reply = line.client.emitWithAck("ask");
    await until(() => line.relay.latest.toClient.heldBytes > 0 && runs === run, {
      what: `reply ${run} is held`,
    });
    await line.flap();
    expect(await reply).toBe(run);
  }
  expect(runs).toBe(3);
});

test("the outbox holds 10,000 packets and says so when it is full", async (context) => {
  const handled: number[] = [];
  const line = await openLine(context, (io) => {
    io.on("connection", (socket) => socket.on("event", (value: number) => handled.push(value)));
  });
  await line.cut();
  for (let value = 0; value < 10_000; value += 1) line.client.emit("event", value);
  expect(() => line.client.emit("event", -1)).toThrow(expect.objectContaining({ code: "outbox_full" }));
  await expect(line.client.emitWithAck("event", -1)).rejects.toMatchObject({ code: "outbox_full" });
  expect(line.client.delivery.pending).toBe(10_000);
  await line.mend();
  await until(() => line.client.delivery.pending === 0, { what: "nothing pending", deadlineMs: 20_000 });
  expect(handled).toEqual(Array.from({ length: 10_000 }, (_none, index) => index));
  expect(() => line.client.emit("event", 10_000)).not.toThrow();
});

test("large payloads are split up: pings and small events pass between the parts", async (context) => {
  const line = await openLine(
    context,
    (io) => {
      io.on("connection", (socket) => {
        socket.on("large", (bytes: Buffer, answer: (print: unknown) => void) => answer(fingerprint(bytes)));
        socket.on("small", (answer: () => void) => answer());
      });
    },
    { server: impatient },
  );
  line.relay.shape = { toServerBytesPerSecond: 1_500_000 };
  await line.flap();
  const bytes = randomBytes(3_000_000);
  let large: unknown;
  const done = line.client.delivery.aside().emitWithAck("large", bytes);
  void done.then((reply) => {
    large = reply;
  });
  let small = 0;
  while (large === undefined) {
    await line.client.emitWithAck("small");
    small += 1;
  }
  expect(large).toEqual(fingerprint(bytes));
  expect(small, "small events that were answered meanwhile").toBeGreaterThan(5);
  expect(line.connects, "no ping was missed").toBe(2);
});

test("large payloads are split down: small events pass between the parts", async (context) => {
  const line = await openLine(context, (io) => {
    io.on("connection", (socket) => socket.on("small", (answer: () => void) => answer()));
  });
  line.relay.shape = { toClientBytesPerSecond: 3_000_000 };
  await line.flap();
  const bytes = randomBytes(3_000_000);
  let large: Buffer | undefined;
  line.client.on("large", (received: Buffer) => {
    large = received;
  });
  line.session.emit("large", bytes);
  let small = 0;
  while (large === undefined) {
    await line.client.emitWithAck("small");
    small += 1;
  }
  expect(fingerprint(large)).toEqual(fingerprint(bytes));
  expect(small, "small events that were answered meanwhile").toBeGreaterThanOrEqual(2);
  expect(line.connects).toBe(2);
});

test("a transfer goes on after a reconnect from the part that arrived, up and down", async (context) => {
  const line = await openLine(context, (io) => {
    io.on("connection", (socket) => {
      socket.on("large", (bytes: Buffer, answer: (print: unknown) => void) => answer(fingerprint(bytes)));
    });
  });
  const bytes = randomBytes(3_000_000);
  line.relay.shape = { toServerBytesPerSecond: 6_000_000, toClientBytesPerSecond: 6_000_000 };
  await line.flap();
  const upBefore = line.relay.bytesToServer;
  const reply = line.client.emitWithAck("large", bytes);
  for (const part of [1, 2, 3]) {
    await until(() => line.relay.bytesToServer - upBefore > part * 900_000, { what: `part ${part} up` });
    await line.flap();
  }
  expect(await reply).toEqual(fingerprint(bytes));
  expect((line.relay.bytesToServer - upBefore) / base64Length(bytes)).toBeLessThan(1.7);
  const downBefore = line.relay.bytesToClient;
  const received = new Promise<Buffer>((resolve) => line.client.on("large", resolve));
  line.session.emit("large", bytes);
  for (const part of [1, 2, 3]) {
    await until(() => line.relay.bytesToClient - downBefore > part * 900_000, { what: `part ${part} down` });
    await line.flap();
  }
  expect(fingerprint(await received)).toEqual(fingerprint(bytes));
  expect((line.relay.bytesToClient - downBefore) / base64Length(bytes)).toBeLessThan(1.7);
});

/** A ping that waits for the whole payload, four million characters in 2.7 s, comes too late. */
const impatient = { pingInterval: 500, pingTimeout: 1_500 };

/** Bytes that are the same in every run. */
function randomBytes(length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_none, index) =>
    createHash("sha256").update(String(index)).digest(),
  );
  return Buffer.concat(blocks).subarray(0, length);
}

function base64Length(bytes: Buffer): number {
  return Math.ceil(bytes.length / 3) * 4;
}
