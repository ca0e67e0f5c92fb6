/**
 * Property tests draw from one seed, so that every run of the suite checks the same cases and a failure is
 * one of the change at hand. `PROPERTY_SEED=random` (or a number) draws others; the search for what nobody
 * has thought of is `npm run sim`.
 */

import fc from "fast-check";

const seed = process.env["PROPERTY_SEED"] ?? "20261121";

if (seed !== "random") fc.configureGlobal({ seed: Number(seed) });
