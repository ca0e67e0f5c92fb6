/** The outbox under any commands: what it owes, and what it may have in flight. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { ClientSession, type ClientOutput } from "./client-session.ts";
import { decodeClientFrame, type ClientFrame, type Limits, protocolVersion, type Welcome } from "./frames.ts";
import { Outbox } from "./outbox.ts";

const limits: Limits = {
  windowEvents: 4,
  windowCharacters: 120,
  chunkCharacters: 40,
  windowChunks: 2,
  eventCharacters: 300,
};

const options = {
  outboxLimit: 12,
  outboxCharactersLimit: 2_000,
  acknowledgeDelayMs: 10,
  acknowledgeEntries: 8,
  elsewhereLimit: 8,
};

function welcome(resumed: boolean, parts: Partial<Welcome> = {}): Welcome {
  const rest = { version: protocolVersion, generation: 1, refused: "", streams: [], frames: [], uploads: [] };
  return { ...rest, resumed, limits, ...parts };
}

/** What a server would have to do with what arrives; it answers only when the test says so. */
class Peer {
  low = 1;
  readonly arrived = new Map<number, "whole" | number>();
  readonly settled = new Set<number>();

  take(frame: ClientFrame): void {
    if (frame.kind === "low") {
      expect(frame.low).toBeGreaterThan(this.low);
      this.low = frame.low;
    } else if ("sequence" in frame) {
      // In order, without holes, and within the window that the server grants.
      const { sequence } = frame;
      expect(sequence).toBeLessThan(this.low + 2 * limits.windowEvents);
      for (let before = this.low; before < sequence; before++) {
        expect(this.arrived.has(before) || this.settled.has(before), `${before} before ${sequence}`).toBe(
          true,
        );
      }
      if (frame.kind !== "chunk") this.arrived.set(sequence, "whole");
      else if (this.arrived.get(sequence) !== "whole") this.arrived.set(sequence, frame.index + 1);
    }
  }
}

test("G1 every emit is settled exactly once, in flight never exceeds the window, whatever happens", () => {
  const command = fc.record({
    kind: fc.constantFrom(
      "emit",
      "emit",
      "emit",
      "large",
      "cancel",
      "settle",
      "settle",
      "again",
      "progress",
      "connect",
      "cut",
      "time",
      "lose",
      "reset",
      "save",
    ),
    pick: fc.nat({ max: 20 }),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80, size: "max" }), (commands) => {
      let session = new ClientSession(options);
      let peer = new Peer();
      let hello = session.hello();
      let now = 0;
      let known = false;
      const ends = new Map<number, string[]>();
      let callers = new Map<number, number>();
      const perform = (output: ClientOutput) => {
        if (output.kind === "transmit") {
          const frame = decodeClientFrame(JSON.parse(output.frame));
          if (typeof frame === "string") throw new TypeError(frame);
          peer.take(frame);
        } else if (output.kind === "settle") {
          ends.get(callers.get(output.sequence) ?? -1)?.push(output.outcome.status);
        } else if (output.kind === "renumbered") {
          const caller = callers.get(output.from);
          callers.delete(output.from);
          if (caller !== undefined) callers.set(output.to, caller);
        } else if (output.kind === "violation") throw new TypeError(output.detail);
      };
      const carryOut = () => {
        for (let outputs = session.poll(); outputs.length > 0; outputs = session.poll())
          outputs.forEach(perform);
        expect(session.pending).toBe([...ends.values()].filter((end) => end.length === 0).length);
      };
      const disconnect = () => {
        session.handleDisconnected();
        session.poll();
        peer.arrived.clear();
        hello = session.hello();
        expect(hello.low).toBeLessThanOrEqual(hello.next);
      };
      const connect = (lost: boolean) => {
        if (session.connected) disconnect();
        const resumed = session.token !== "" && !lost;
        if (!resumed) peer = new Peer();
        peer.low = resumed ? hello.low : 1;
        peer.settled.forEach((sequence) => sequence < peer.low && peer.settled.delete(sequence));
        const frames = [...peer.settled].map((sequence) => ["do", sequence, sequence]);
        known = true;
        session.handleConnected(now, "s", "s.1", welcome(resumed, { frames: resumed ? frames : [] }));
      };
      const emit = (length: number) => {
        const payload = JSON.stringify(["x".repeat(length)]);
        const result = session.emit(now, { payload, wantsReply: false, aside: false });
        if (!result.ok) return;
        callers.set(result.sequence, ends.size);
        ends.set(ends.size, []);
      };
      for (const { kind, pick } of commands) {
        now += 1;
        const pending = [...peer.arrived.keys()].filter((sequence) => !peer.settled.has(sequence));
        const sequence = pending[pick % Math.max(1, pending.length)];
        if (kind === "emit") emit(pick);
        else if (kind === "large") emit(60 + pick * 10);
        else if (kind === "cancel") session.cancel(now, [...callers.keys()][pick] ?? 1);
        else if (kind === "connect") connect(false);
        else if (kind === "lose") connect(true);
        else if (kind === "cut") disconnect();
        else if (kind === "reset") {
          session.reset();
          carryOut();
          callers = new Map();
          disconnect();
        } else if (kind === "save" && known) {
          carryOut();
          const saved = session.save();
          session = new ClientSession(options);
          session.restore(JSON.parse(JSON.stringify(saved)) as typeof saved);
          disconnect();
        } else if (kind === "time") {
          now += pick;
          session.handleTimeout(now);
        } else if (session.connected && sequence !== undefined) {
          if (kind === "again") session.handleFrame(now, ["ag", sequence, pick]);
          else if (kind === "progress") session.handleFrame(now, ["cp", sequence, pick]);
          else if (kind === "settle") {
            peer.settled.add(sequence);
            session.handleFrame(now, ["do", sequence, sequence]);
          }
        }
        carryOut();
      }
      // Then everything works again.
      connect(false);
      carryOut();
      for (let rounds = 0; rounds < 100 && session.pending > 0; rounds++) {
        now += 30;
        session.handleTimeout(now);
        for (const [sequence, arrived] of peer.arrived) {
          if (arrived !== "whole") session.handleFrame(now, ["cp", sequence, arrived]);
          peer.settled.add(sequence);
          session.handleFrame(now, ["do", sequence, sequence]);
        }
        carryOut();
      }
      expect(session.pending).toBe(0);
      for (const end of ends.values()) expect(end).toHaveLength(1);
    }),
    { numRuns: 600 },
  );
});

test("G7 the outbox says when it is full, by number, by characters, and by the size of one event", () => {
  const session = new ClientSession({ ...options, outboxLimit: 2, outboxCharactersLimit: 100 });
  const request = { wantsReply: false, aside: false };
  expect(session.emit(0, { payload: `["${"x".repeat(90)}"]`, ...request }).ok).toBe(true);
  expect(session.emit(0, { payload: '["second"]', ...request })).toEqual({ ok: false, code: "outbox_full" });
  session.reset();
  expect(session.emit(0, { payload: "[1]", ...request }).ok).toBe(true);
  expect(session.reply(0, "n01.1", { payload: "[2]", ...request }).ok).toBe(true);
  expect(session.emit(0, { payload: "[3]", ...request })).toEqual({ ok: false, code: "outbox_full" });
  session.handleConnected(0, "s", "s.1", welcome(false));
  const payload = `["${"x".repeat(300)}"]`;
  expect(session.emit(0, { payload, ...request })).toEqual({ ok: false, code: "event_too_large" });
});

test("windows: characters in flight, uploads in flight, and one of each always allowed", () => {
  const outbox = new Outbox({ lowDelayMs: 10 });
  const sequences = () =>
    outbox.poll().flatMap((output) => (output.kind === "sent" ? [output.sequence] : []));
  const frame = (length: number) => (sequence: number) => `["ev",${sequence},0,["${"x".repeat(length)}"]]`;
  for (const length of [20, 20, 60, 20]) outbox.add(frame(length), false);
  outbox.handleConnected(0, { ...limits, chunkCharacters: 100 }, [], new Set());
  expect(sequences()).toEqual([1, 2]);
  outbox.handleOutcome(0, 1);
  expect(sequences()).toEqual([3]);
  const uploads = new Outbox({ lowDelayMs: 10 });
  for (const length of [400, 60, 20]) uploads.add(frame(length), false);
  uploads.handleConnected(0, limits, [], new Set());
  expect(uploads.poll().flatMap((output) => (output.kind === "sent" ? [output.sequence] : []))).toEqual([1]);
  uploads.handleOutcome(0, 1);
  expect(uploads.poll().flatMap((output) => (output.kind === "sent" ? [output.sequence] : []))).toEqual([
    2, 3,
  ]);
  expect([uploads.size, uploads.low, uploads.next, uploads.has(1)]).toEqual([2, 2, 4, false]);
});

test("a retry delay does not outlive its connection, and nothing is sent out of its turn", () => {
  const outbox = new Outbox({ lowDelayMs: 10 });
  const frame = (sequence: number) => `["ev",${sequence},0,["${"x".repeat(20)}"]]`;
  for (let index = 0; index < 3; index++) outbox.add(frame, false);
  outbox.handleConnected(0, limits, [], new Set());
  outbox.handleAgain(0, 3, 50);
  expect(outbox.nextTimeout()).toBe(50);
  outbox.handleDisconnected();
  outbox.handleConnected(1, { ...limits, windowCharacters: 10 }, [], new Set());
  outbox.poll();
  // The third has not had its turn on this connection: an "again" for it changes nothing either.
  outbox.handleAgain(1, 3, 0);
  expect(outbox.nextTimeout()).toBe(undefined);
  outbox.handleTimeout(100);
  expect(outbox.poll()).toEqual([]);
});

test("what the server says of events that are not pending changes nothing", () => {
  const session = new ClientSession(options);
  session.handleConnected(0, "s", "s.1", welcome(false));
  for (const frame of [
    ["do", 1, 2 ** 52],
    ["ok", 5, [[]]],
    ["ag", 3, 1],
    ["cp", 3, 1],
    ["ex", 9],
  ]) {
    session.handleFrame(0, frame);
  }
  session.cancel(0, 7);
  expect(session.poll()).toEqual([]);
  expect(session.nextTimeout()).toBe(undefined);
  session.emit(0, { payload: "[1]", wantsReply: false, aside: false });
  session.handleFrame(0, ["ag", 1, 2 ** 52]);
  expect(session.nextTimeout()).toBe(86_400_000);
  session.probe(4);
  expect(session.poll()).toContainEqual({ kind: "transmit", frame: '["pi",4]' });
  session.handleDisconnected();
  session.probe(5);
  session.handleTimeout(0);
  expect(session.poll()).toEqual([]);
});

test("G1 a settled event that the server has forgotten takes its turn, for those behind it", () => {
  const outbox = new Outbox({ lowDelayMs: 10 });
  const frames = () => outbox.poll().flatMap((output) => (output.kind === "transmit" ? [output.frame] : []));
  outbox.handleConnected(0, limits, [], new Set());
  for (let count = 0; count < 4; count++) outbox.add((sequence) => `["ev",${sequence},0,[]]`, false);
  outbox.handleOutcome(0, 2);
  outbox.handleOutcome(0, 3);
  outbox.handleDisconnected();
  // The server's storage went back to when it had the outcome of 2, and not yet that of 3.
  outbox.handleConnected(1, limits, [], new Set([2]));
  expect(frames()).toEqual(['["ev",1,0,[]]', '["ca",3]', '["ev",4,0,[]]']);
  outbox.handleDisconnected();
  // The outcome of 1 comes with the welcome and moves the mark over 3, which goes before the mark does.
  outbox.handleOutcome(2, 1);
  outbox.handleConnected(2, limits, [], new Set([1, 2]));
  expect(frames()).toEqual(['["ca",3]', '["lo",4]', '["ev",4,0,[]]']);
});

test("G1 a hello says what was ever sent, not what waits: a copy of the client may have sent as much", () => {
  const session = new ClientSession(options);
  const emit = () => session.emit(0, { payload: '["a"]', wantsReply: false, aside: false });
  emit();
  expect(session.hello()).toMatchObject({ low: 1, next: 1 });
  session.handleConnected(0, "id", "token", welcome(false));
  expect(session.hello()).toMatchObject({ low: 1, next: 2 });
  session.handleDisconnected();
  emit();
  expect(session.hello()).toMatchObject({ low: 1, next: 2 });
  const reloaded = new ClientSession(options);
  reloaded.restore(session.save());
  expect(reloaded.hello()).toMatchObject({ low: 1, next: 2 });
  // One that was given up before it was sent takes its turn, and nobody can tell whether it has had it.
  reloaded.cancel(0, 2);
  expect(reloaded.hello()).toMatchObject({ low: 1, next: 3 });
});
