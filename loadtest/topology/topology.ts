/** How many servers there are, and what stands in front of them. */

import { availableParallelism } from "node:os";
import type { NodeName } from "../../test/deploy/site.ts";

export type Topology = {
  /** Of each slot; a deploy starts the other slot. With a primary: its workers. */
  readonly nodes: number;
  readonly edge: "haproxy" | "nginx" | "primary";
};

export const threeNodes: Topology = { nodes: 3, edge: "haproxy" };

/** The shipped cluster refuses more workers than there are cores. */
export const oneCluster: Topology = { nodes: Math.min(3, availableParallelism()), edge: "primary" };

/** The nodes that a slot has; a cluster is one process to whoever starts it. */
export function slotOf(slot: "a" | "b", { nodes, edge }: Topology): readonly NodeName[] {
  const count = edge === "primary" ? 1 : nodes;
  return Array.from({ length: count }, (_none, index) => `${slot}0${index}` as NodeName);
}

/** As the shipped configurations have it. */
export function portOf(name: NodeName): number {
  return (name.startsWith("a") ? 8_000 : 8_010) + Number(name.slice(1));
}

/** For the report. */
export function sentenceOf({ nodes, edge }: Topology): string {
  const count = countNames[nodes] ?? String(nodes);
  switch (edge) {
    case "haproxy":
      return `${count} nodes behind the shipped HAProxy configuration`;
    case "nginx":
      return `${count} nodes behind the shipped nginx configuration`;
    case "primary":
      return `one primary with ${count} workers`;
  }
}

const countNames: Readonly<Record<number, string>> = { 1: "one", 2: "two", 3: "three", 5: "five" };
