/** The catalogue as values: what a caller can rely on in an error. */

import { expect, test } from "vitest";
import { assert, assertNever, DeliveryError, errorCatalogue, isErrorCode } from "./errors.ts";

test("an error has its row's message and retryability, its detail and its cause", () => {
  const cause = new Error("disk");
  const error = new DeliveryError("store_full", { detail: "12 MB", cause });
  expect(error.message).toBe(`${errorCatalogue.store_full.message} (12 MB)`);
  expect([error.code, error.retryable, error.cause]).toEqual(["store_full", true, cause]);
  expect("cause" in new DeliveryError("expired")).toBe(false);
});

test("names of Object's own are no codes", () => {
  expect([isErrorCode("expired"), isErrorCode("constructor"), isErrorCode(7)]).toEqual([true, false, false]);
});

test("broken invariants say which", () => {
  expect(() => assert(false, "one is one")).toThrow("Invariant broken: one is one");
  expect(() => assertNever({ kind: "other" } as never)).toThrow('{"kind":"other"}');
});
