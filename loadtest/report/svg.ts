/** A chart's frame: plot area, scales and axes, as SVG text. Colours come from the page's style. */

import { escaped } from "./text.ts";

export class Frame {
  readonly width: number;
  readonly height: number;
  readonly left = 52;
  readonly right: number;
  readonly top = 38;
  readonly bottom: number;
  readonly #parts: string[] = [];

  constructor(size: { readonly width: number; readonly height: number }) {
    this.width = size.width;
    this.height = size.height;
    this.right = size.width - 10;
    this.bottom = size.height - 34;
  }

  add(part: string): void {
    this.#parts.push(part);
  }

  text(x: number, y: number, text: string, className = "label", anchor = "middle"): void {
    this.add(
      `<text class="${className}" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped(text)}</text>`,
    );
  }

  line(from: Point, to: Point, className: string): void {
    this.add(
      `<line class="${className}" x1="${round(from[0])}" y1="${round(from[1])}" x2="${round(to[0])}" y2="${round(to[1])}"/>`,
    );
  }

  path(points: readonly Point[], className: string): void {
    const steps = points.map(([x, y], index) => `${index === 0 ? "M" : "L"}${round(x)} ${round(y)}`);
    this.add(`<path class="${className}" d="${steps.join("")}"/>`);
  }

  /** Horizontal lines with their labels, and what the axis counts. */
  valueAxis(scale: Scale, ticks: readonly Tick[], title: string): void {
    for (const { value, label } of ticks) {
      const y = scale(value);
      this.line([this.left, y], [this.right, y], "grid");
      this.text(this.left - 6, y + 4, label, "label", "end");
    }
    this.text(0, 12, title, "axis", "start");
  }

  categoryAxis(scale: Scale, ticks: readonly Tick[], title: string): void {
    this.line([this.left, this.bottom], [this.right, this.bottom], "base");
    for (const { value, label } of ticks) this.text(scale(value), this.bottom + 15, label);
    this.text(this.right, this.height - 3, title, "axis", "end");
  }

  toString(): string {
    return `<svg viewBox="0 0 ${this.width} ${this.height}" role="img">${this.#parts.join("")}</svg>`;
  }
}

export function linear(from: readonly [number, number], to: readonly [number, number]): Scale {
  const span = from[1] - from[0] || 1;
  return (value) => to[0] + ((value - from[0]) / span) * (to[1] - to[0]);
}

/** Values below the beginning are drawn at the beginning. */
export function logarithmic(from: readonly [number, number], to: readonly [number, number]): Scale {
  const scale = linear([Math.log10(from[0]), Math.log10(from[1])], to);
  return (value) => scale(Math.log10(Math.max(from[0], value)));
}

/** About `count` round numbers from 0 to a little below `max`. */
export function roundTicks(max: number, count: number): number[] {
  const rough = max / count;
  const power = 10 ** Math.floor(Math.log10(rough || 1));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.floor(max / step) + 1 }, (_none, index) => index * step);
}

export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

// --- types ---

export type Point = readonly [x: number, y: number];
export type Scale = (value: number) => number;
export type Tick = { readonly value: number; readonly label: string };
