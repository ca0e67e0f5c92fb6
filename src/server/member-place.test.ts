import { expect, test } from "vitest";
import type { Membership } from "../store/port.ts";
import { ownPlace, placeOf } from "./member-place.ts";

/** A log that has lost what stood behind 95 in its first epoch, and has gone on to 120 in its second. */
const head = {
  stream: 7,
  key: "1/r:room",
  epoch: "second",
  low: 1,
  head: 120,
  earlier: [{ epoch: "first", offset: 95 }],
};

function membership(epoch: string, offset: number): Membership {
  return { room: "room", head, base: { epoch, offset }, show: false };
}

function says(epoch: string, offset: number, part = 0) {
  return { stream: 7, epoch, offset, part };
}

test("G2: a client goes on where it stands when the log still holds what it has seen", () => {
  const place = placeOf(membership("first", 10), says("first", 90, 500));
  // What had arrived of a large entry is forgotten with the epoch.
  expect(place).toMatchObject({ epoch: "second", offset: 90, part: 0 });
  expect(ownPlace(head, says("first", 90))).toMatchObject({ epoch: "second", offset: 90 });
});

test("G3: a client that has seen more than is left keeps its epoch, and so is told of the reset", () => {
  expect(placeOf(membership("first", 10), says("first", 100))).toMatchObject({ epoch: "first", offset: 100 });
  expect(placeOf(membership("first", 100), undefined)).toMatchObject({ epoch: "first", offset: 100 });
  expect(ownPlace(head, says("first", 96))).toMatchObject({ epoch: "first", offset: 96 });
});

test("a membership that began anew while its client was away begins where it began", () => {
  expect(placeOf(membership("second", 110), says("first", 100))).toMatchObject({
    epoch: "second",
    offset: 110,
  });
  expect(placeOf(membership("second", 110), says("first", 90))).toMatchObject({
    epoch: "second",
    offset: 110,
  });
  expect(placeOf(membership("first", 80), says("first", 70))).toMatchObject({ epoch: "second", offset: 80 });
});
