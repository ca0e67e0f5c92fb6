/**
 * One process for each instance, on ports of its own, behind HAProxy or nginx. Slot a and slot b take turns: only
 * one of them runs, and deploy/roll changes over.
 */

const { handling, release, settings } = require("./settings.cjs");

const places = [0, 1, 2];
const shared = settings();

const instance = (slot, place) => {
  const offset = (slot === "a" ? 0 : 10) + place;
  const name = `${slot}0${place}`;
  return {
    ...handling(shared),
    name,
    script: "src/main.ts",
    cwd: release,
    env: {
      ...shared,
      HOLDFAST_NODE: name,
      PORT: String(8000 + offset),
      HOLDFAST_INTERNAL_PORT: String(9000 + offset),
    },
  };
};

module.exports = { apps: ["a", "b"].flatMap((slot) => places.map((place) => instance(slot, place))) };
