/** The outbox of a client by hand keeps the rules of docs/PROTOCOL.md, "Events of the client". */

import { describe, expect, test } from "vitest";
import { type Frame, type Limits, RawOutbox } from "./raw-outbox.ts";

const limits: Limits = { windowEvents: 8, windowCharacters: 1_000, chunkCharacters: 500 };

describe("the outbox of a raw client", () => {
  test("sends nothing without a welcome, then in order", () => {
    const { outbox, sent } = outboxOf();
    outbox.add(["one"], undefined);
    outbox.add(["two"], () => undefined);
    expect(sent).toEqual([]);
    outbox.connected(limits, []);
    outbox.pump();
    expect(sent).toEqual(['["ev",1,0,["one"]]', '["ev",2,1,["two"]]']);
  });

  test("sends below the window only, and on when the mark moves", () => {
    const { outbox, sent } = outboxOf(limits);
    for (let index = 0; index < 10; index += 1) outbox.add(["event"], undefined);
    expect(sequencesIn(sent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    outbox.settle(1, []);
    outbox.pump();
    expect(sequencesIn(sent)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  test("says the mark after a quarter of the window, and never beyond what it has sent", () => {
    const { outbox, sent } = outboxOf(limits);
    for (let index = 0; index < 3; index += 1) outbox.add(["event"], undefined);
    outbox.settle(1, []);
    expect(outbox.isLowDue).toBe(true);
    outbox.settle(2, []);
    expect(sent.at(-1)).toBe('["lo",3]');
    outbox.settle(3, []);
    outbox.disconnected();
    outbox.connected(limits, []);
    expect(outbox.isLowDue).toBe(false);
  });

  test("says what the welcome settled only when that has had its turn", () => {
    const { outbox, sent } = outboxOf(limits);
    for (let index = 0; index < 4; index += 1) outbox.add(["event"], undefined);
    outbox.disconnected();
    sent.length = 0;
    const frames: Frame[] = [
      ["ok", 1, [[]]],
      ["ok", 2, [[]]],
    ];
    outbox.connected(limits, frames);
    for (const sequence of [1, 2]) outbox.settle(sequence, []);
    expect(sent).toEqual([]);
    outbox.pump();
    outbox.sayLow();
    expect(sent).toEqual(['["ev",3,0,["event"]]', '["ev",4,0,["event"]]', '["lo",3]']);
  });

  test("sends again what is not settled, and gives up what the server has forgotten", () => {
    const { outbox, sent } = outboxOf(limits);
    for (let index = 0; index < 4; index += 1) outbox.add(["event"], undefined);
    outbox.settle(2, []);
    outbox.settle(3, []);
    outbox.disconnected();
    sent.length = 0;
    // The server still knows of 3, and has forgotten 2.
    outbox.connected(limits, [["ok", 3, [[]]]]);
    outbox.pump();
    expect(sent).toEqual(['["ev",1,0,["event"]]', '["ca",2]', '["ev",4,0,["event"]]']);
  });

  test("knows every sequence of a range of outcomes", () => {
    const { outbox, sent } = outboxOf(limits);
    for (let index = 0; index < 4; index += 1) outbox.add(["event"], undefined);
    for (const sequence of [2, 3, 4]) outbox.settle(sequence, []);
    outbox.disconnected();
    sent.length = 0;
    outbox.connected(limits, [["do", 2, 4]]);
    outbox.pump();
    expect(sent).toEqual(['["ev",1,0,["event"]]']);
  });

  test("answers once, by the first outcome", () => {
    const { outbox } = outboxOf(limits);
    const answers: unknown[] = [];
    outbox.add(["event"], (value) => answers.push(value));
    outbox.settle(1, ["first"]);
    outbox.settle(1, ["second"]);
    expect(answers).toEqual(["first"]);
  });

  test("takes what was never sent into a new session, numbered anew", () => {
    const { outbox, sent } = outboxOf(limits);
    outbox.add(["sent"], undefined);
    outbox.disconnected();
    outbox.add(["unsent"], undefined);
    expect(outbox.unsent).toBe(2);
    outbox.startAnew();
    sent.length = 0;
    outbox.connected(limits, []);
    outbox.pump();
    expect(sent).toEqual(['["ev",1,0,["unsent"]]']);
  });
});

function outboxOf(welcomed?: Limits, frames: readonly Frame[] = []): { outbox: RawOutbox; sent: string[] } {
  const sent: string[] = [];
  const outbox = new RawOutbox((frame) => sent.push(frame));
  if (welcomed !== undefined) outbox.connected(welcomed, frames);
  return { outbox, sent };
}

function sequencesIn(frames: readonly string[]): number[] {
  return frames.flatMap((frame) => {
    const [kind, sequence] = JSON.parse(frame) as [string, number];
    return kind === "ev" ? [sequence] : [];
  });
}
