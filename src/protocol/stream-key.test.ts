/** Keys of streams: no two pairs of namespace and room share one, and each can be taken apart again. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { namespaceKey, namespaceOfKey, nodeKey, nodeOfKey, roomKey, roomOfKey } from "./stream-key.ts";

const namespace = fc.oneof(
  fc.constantFrom("/", "/a", "/1*", "/ar:"),
  fc.string().map((name) => `/${name}`),
);
const room = fc.oneof(fc.constantFrom("", "*", "r:", "__proto__", "1/r:"), fc.string({ unit: "binary" }));

test("keys of different rooms differ, whatever characters they are made of", () => {
  fc.assert(
    fc.property(namespace, room, namespace, room, (first, one, second, other) => {
      const same = first === second && one === other;
      expect(roomKey(first, one) === roomKey(second, other)).toBe(same);
      expect(roomKey(first, one)).not.toBe(namespaceKey(second));
      expect(roomOfKey(first, roomKey(first, one))).toBe(one);
      expect(roomOfKey(first, namespaceKey(first))).toBe("");
      if (first !== second) expect(roomOfKey(first, roomKey(second, other))).toBe(undefined);
      expect(namespaceOfKey(roomKey(first, one))).toBe(first);
      expect(namespaceOfKey(namespaceKey(first))).toBe(first);
      expect(nodeOfKey(nodeKey(one))).toBe(one);
      expect(nodeOfKey(roomKey(first, other))).toBe(undefined);
      expect(nodeOfKey(namespaceKey(first))).toBe(undefined);
    }),
  );
  expect(namespaceOfKey("no key")).toBe("");
});
