/**
 * The shipped HAProxy parts for more nodes than they list, as haproxy/README.md tells people to write them.
 */

/** Behind each line of a slot's third node, the same line for the fourth, the fifth, and so on. */
export function widened(text: string, nodes: number): string {
  return text
    .split("\n")
    .flatMap((line) => [line, ...furtherNodes(line, nodes)])
    .join("\n");
}

function furtherNodes(line: string, nodes: number): string[] {
  const [, slot, tens] = /^ +server ([ab])02 127\.0\.0\.1:80(\d)2\b/.exec(line) ?? [];
  if (slot === undefined) return [];
  return Array.from({ length: Math.max(0, nodes - shippedNodes) }, (_none, index) => {
    const place = shippedNodes + index;
    return line.replaceAll(`${slot}02`, `${slot}0${place}`).replace(`:80${tens}2`, `:80${tens}${place}`);
  });
}

const shippedNodes = 3;
