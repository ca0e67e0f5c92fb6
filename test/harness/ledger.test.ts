import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clean, cleanSession, isClean, judge, RoomLedger, SessionLedger } from "./ledger.ts";

describe("judge", () => {
  test("finds nothing wrong with what came once and in order", () => {
    expect(judge([1, 2, 3], [1, 2, 3])).toEqual(clean);
  });

  test.each([
    { arrived: [1, 3], fault: { lost: [2] } },
    { arrived: [], fault: { lost: [1, 2, 3] } },
    { arrived: [1, 2, 2, 3, 2], fault: { duplicated: [2, 2] } },
    { arrived: [2, 1, 3], fault: { reordered: [1] } },
    { arrived: [3, 1, 2], fault: { reordered: [1, 2] } },
    { arrived: [1, 2, 9, 3], fault: { unexpected: [9] } },
    { arrived: [3, 3, 1], fault: { lost: [2], duplicated: [3], reordered: [1] } },
  ])("of 1 2 3 arrived $arrived: $fault", ({ arrived, fault }) => {
    const verdict = judge([1, 2, 3], arrived);
    expect(verdict).toEqual({ ...clean, ...fault });
    expect(isClean(verdict)).toBe(false);
  });

  test("refuses an expectation that names an element twice", () => {
    expect(() => judge([1, 1], [1])).toThrow("expects 1 twice");
  });

  test("any damage to a clean arrival is found, and named for what it is", () => {
    const ids = fc.uniqueArray(fc.integer(), { minLength: 2, maxLength: 50 });
    fc.assert(
      fc.property(ids, fc.nat(), fc.nat(), (expected, from, to) => {
        const source = from % expected.length;
        const target = to % expected.length;
        const picked = expected[source] as number;
        expect(judge(expected, expected.toSpliced(source, 1))).toEqual({ ...clean, lost: [picked] });
        const repeated = judge(expected, [...expected, picked]);
        expect(repeated).toEqual({ ...clean, duplicated: [picked] });
        const moved = expected.toSpliced(source, 1).toSpliced(target, 0, picked);
        expect(judge(expected, moved).reordered.length > 0).toBe(source !== target);
      }),
    );
  });
});

describe("RoomLedger", () => {
  test("expects of a member what was published after it joined", () => {
    const ledger = new RoomLedger();
    ledger.publish("lobby", 1);
    ledger.join("ann", "lobby");
    ledger.join("bob", "lobby", { history: true });
    ledger.publish("lobby", 2);
    ledger.deliver("ann", "lobby", 2);
    ledger.deliver("bob", "lobby", 2);
    expect(ledger.verdict("ann", "lobby")).toEqual(clean);
    expect(ledger.verdict("bob", "lobby")).toEqual({ ...clean, lost: [1] });
    expect(ledger.faults()).toEqual([{ client: "bob", room: "lobby", verdict: { ...clean, lost: [1] } }]);
    expect(ledger.deliveries).toBe(2);
  });

  test("takes the order of a room from the offsets", () => {
    const ledger = new RoomLedger();
    ledger.join("ann", "lobby");
    ledger.publish("lobby", "late", { offset: 2 });
    ledger.publish("lobby", "early", { offset: 1 });
    ledger.deliver("ann", "lobby", "early");
    ledger.deliver("ann", "lobby", "late");
    expect(ledger.faults()).toEqual([]);
    expect(() => ledger.publish("lobby", "loose")).toThrow("either every entry has an offset or none has");
  });

  test("keeps rooms apart: order between them is not promised", () => {
    const ledger = new RoomLedger();
    ledger.join("ann", "a");
    ledger.join("ann", "b");
    ledger.publish("a", 1);
    ledger.publish("b", 1);
    ledger.deliver("ann", "b", 1);
    ledger.deliver("ann", "a", 1);
    expect(ledger.faults()).toEqual([]);
  });

  test("refuses a delivery from a room that the client is no member of", () => {
    expect(() => new RoomLedger().deliver("ann", "lobby", 1)).toThrow("no member");
  });
});

describe("SessionLedger", () => {
  test("is clean when every event was acknowledged and handled once, in order", () => {
    const ledger = new SessionLedger();
    for (const id of [1, 2]) {
      ledger.emit("s", id);
      ledger.handle("s", id);
      ledger.settle("s", id, "acknowledged");
    }
    expect(ledger.verdict("s")).toEqual(cleanSession);
  });

  test("an acknowledged event that no handler saw is lost; a rejected or pending one is not", () => {
    const ledger = new SessionLedger();
    for (const id of [1, 2, 3, 4]) ledger.emit("s", id);
    ledger.settle("s", 1, "acknowledged");
    ledger.settle("s", 2, "rejected");
    ledger.settle("s", 3, "expired");
    expect(ledger.verdict("s")).toEqual({
      ...cleanSession,
      lost: [1],
      rejected: [2],
      expired: [3],
      pending: [4],
    });
  });

  test("names duplicate, reordered and foreign handler calls and second outcomes", () => {
    const ledger = new SessionLedger();
    for (const id of [1, 2]) ledger.emit("s", id);
    for (const id of [2, 1, 1, 7]) ledger.handle("s", id);
    for (const id of [1, 2, 2]) ledger.settle("s", id, "acknowledged");
    expect(ledger.verdict("s")).toEqual({
      ...cleanSession,
      duplicated: [1],
      reordered: [1],
      unexpected: [7],
      settledTwice: [2],
    });
  });
});
