/** The positions of a client by hand keep the rules of docs/PROTOCOL.md, "Streams". */

import { describe, expect, test } from "vitest";
import { type Gap, RawStreams } from "./raw-streams.ts";

describe("the streams of a raw client", () => {
  test("show each entry once, and take a hole for a violation", () => {
    const { streams, shown } = streamsOf();
    expect(streams.entries(1, [[6, ["a"]], [7]])).toBeUndefined();
    expect(streams.entries(1, [[6, ["a"]], [7], [8, ["b"]]])).toBeUndefined();
    expect(streams.entries(1, [[10, ["d"]]])).toContain("entry 10 after 8");
    expect(shown).toEqual([["a"], ["b"]]);
    expect(streams.positions).toEqual([[1, "e", 8, 0]]);
  });

  test("ignore a stream that is not known, or has been left", () => {
    const { streams, shown } = streamsOf();
    streams.leave(1);
    expect(streams.entries(1, [[6, ["a"]]])).toBeUndefined();
    expect(shown).toEqual([]);
  });

  test("keep their own place in a welcome, forget what is not in it, and go on further where it says so", () => {
    const { streams } = streamsOf();
    streams.open({ stream: 2, epoch: "e", offset: 3, prompt: false });
    streams.entries(1, [[6, ["a"]]]);
    streams.welcome([{ stream: 1, epoch: "e", offset: 5, prompt: false }]);
    expect(streams.positions).toEqual([[1, "e", 6, 0]]);
    streams.welcome([{ stream: 1, epoch: "e", offset: 9, prompt: false }]);
    expect(streams.positions).toEqual([[1, "e", 9, 0]]);
  });

  test("report a gap, and not one that lies behind", () => {
    const { streams, gaps } = streamsOf();
    streams.gap(1, "e", 6, 9, "retention");
    streams.gap(1, "e", 6, 9, "retention");
    streams.gap(1, "f", 0, 2, "reset");
    expect(gaps.map(({ to, reason }) => [to, reason])).toEqual([
      [9, "retention"],
      [2, "reset"],
    ]);
    expect(streams.positions).toEqual([[1, "f", 2, 0]]);
  });

  test("report all as lost when the session did not go on", () => {
    const { streams, gaps } = streamsOf();
    streams.lose();
    expect(gaps).toEqual([{ stream: 1, from: 6, to: 5, reason: "session_lost" }]);
    expect(streams.positions).toEqual([]);
  });

  test("put a large entry together, and say how far it is", () => {
    const { streams, shown } = streamsOf();
    const text = '[6,["large"]]';
    const piece = (from: number, to: number) => ({ from, length: text.length, piece: text.slice(from, to) });
    expect(streams.part({ stream: 1, offset: 6, ...piece(0, 4) })).toEqual({ arrived: 4 });
    expect(streams.positions).toEqual([[1, "e", 5, 4]]);
    expect(streams.part({ stream: 1, offset: 6, ...piece(0, 4) })).toEqual({});
    expect(streams.part({ stream: 1, offset: 6, ...piece(8, 10) })).toEqual({
      violation: "part out of order",
    });
    streams.part({ stream: 1, offset: 6, ...piece(0, 4) });
    expect(streams.part({ stream: 1, offset: 6, ...piece(4, text.length) })).toEqual({});
    expect(shown).toEqual([["large"]]);
  });

  test("acknowledge what was passed once, and at once where that is wanted or it is much", () => {
    const { streams } = streamsOf();
    streams.entries(1, [[6, ["a"]]]);
    expect(streams.isUrgent).toBe(false);
    expect(streams.acknowledgement()).toBe('["at",[[1,6]]]');
    expect(streams.acknowledgement()).toBeUndefined();
    streams.open({ stream: 1, epoch: "e", offset: 6, prompt: true });
    streams.entries(1, [[7, ["b"]]]);
    expect(streams.isUrgent).toBe(true);
  });
});

function streamsOf(): { streams: RawStreams; shown: unknown[]; gaps: Gap[] } {
  const shown: unknown[] = [];
  const gaps: Gap[] = [];
  const streams = new RawStreams({ entry: (payload) => shown.push(payload), gap: (gap) => gaps.push(gap) });
  streams.open({ stream: 1, epoch: "e", offset: 5, prompt: false });
  return { streams, shown, gaps };
}
