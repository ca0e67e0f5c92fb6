/** The shapes that decoders ask for. A value of another shape is refused, never converted. */

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A whole number from 0 that arithmetic cannot push out of the safe range. */
export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= numberLimit;
}

/** A whole number from 1. */
export function isOrdinal(value: unknown): value is number {
  return isCount(value) && value >= 1;
}

export function isFlag(value: unknown): value is 0 | 1 {
  return value === 0 || value === 1;
}

export function isShortText(value: unknown): value is string {
  return typeof value === "string" && value.length <= 128;
}

export function isPair(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && isOrdinal(value[0]) && isCount(value[1]);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** 2^52: half of the safe range, so that sums of two stay safe. */
const numberLimit = 2 ** 52;
