/**
 * What the client finds in a browser and k6 does not have. Imported first, because the transports look for
 * their constructors while they are loaded.
 */

import { asyncRequest, type Response } from "k6/http";
import { WebSocket } from "k6/websockets";

/** A virtual user's iteration goes on as long as a timer is set; at its end all of them are taken back. */
export function endAllTimers(): void {
  for (const timer of timeouts) native.clearTimeout(timer);
  for (const timer of intervals) native.clearInterval(timer);
  timeouts.clear();
  intervals.clear();
}

const native = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
};
const timeouts = new Set<Timer>();
const intervals = new Set<Timer>();

const timers = {
  setTimeout: (callback: (...values: unknown[]) => void, delayMs?: number, ...values: unknown[]) => {
    const timer: Timer = native.setTimeout(() => {
      timeouts.delete(timer);
      callback(...values);
    }, delayMs ?? 0);
    timeouts.add(timer);
    return timer;
  },
  // k6 refuses to clear what is not the number of a timer; browsers do not mind.
  clearTimeout: (timer?: Timer) => {
    if (timeouts.delete(timer)) native.clearTimeout(timer);
  },
  setInterval: (callback: (...values: unknown[]) => void, delayMs?: number, ...values: unknown[]) => {
    const timer: Timer = native.setInterval(() => callback(...values), delayMs ?? 1);
    intervals.add(timer);
    return timer;
  },
  clearInterval: (timer?: Timer) => {
    if (intervals.delete(timer)) native.clearInterval(timer);
  },
};

/** XMLHttpRequest as far as Engine.IO's polling goes: text, one listener, abort. */
class PollingRequest {
  readyState = 0;
  status = 0;
  responseText = "";
  responseType = "";
  onreadystatechange: (() => void) | undefined;
  readonly #headers: Record<string, string> = {};
  #method: "GET" | "POST" = "GET";
  #url = "";
  #aborted = false;

  open(method: "GET" | "POST", url: string): void {
    this.#method = method;
    this.#url = url;
    this.readyState = 1;
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers[name] = value;
  }

  getResponseHeader(): null {
    return null;
  }

  abort(): void {
    this.#aborted = true;
  }

  send(body: string | null): void {
    const parameters = { headers: this.#headers, responseType: "text", timeout: "30s" } as const;
    asyncRequest(this.#method, this.#url, body, parameters).then(
      (response: Response) => this.#end(response.status, response.body),
      () => this.#end(0, ""),
    );
  }

  #end(status: number, body: unknown): void {
    if (this.#aborted) return;
    this.status = status;
    this.responseText = typeof body === "string" ? body : "";
    this.readyState = 4;
    this.onreadystatechange?.();
  }
}

/**
 * A page that can be left: `leave` tells all who listen that it goes away, and forgets those who came with
 * it.
 */
export function openPage(): { leave(): void } {
  const before = new Set(listeners);
  return {
    leave: () => {
      for (const { event, listener } of listeners) if (event === "pagehide") listener();
      for (const one of listeners) if (!before.has(one)) listeners.delete(one);
    },
  };
}

const listeners = new Set<{ readonly event: string; readonly listener: () => void }>();

function addEventListener(event: string, listener: () => void): void {
  listeners.add({ event, listener });
}

function removeEventListener(event: string, listener: () => void): void {
  for (const one of listeners) if (one.event === event && one.listener === listener) listeners.delete(one);
}

const startedAt = Date.now();
Object.assign(globalThis, {
  self: globalThis,
  WebSocket,
  XMLHttpRequest: PollingRequest,
  addEventListener,
  removeEventListener,
  // One that is never hidden: pages are left by `openPage`.
  document: { visibilityState: "visible", addEventListener: () => {}, removeEventListener: () => {} },
  onpagehide: null,
  // Whole milliseconds, which is what k6's clock gives.
  performance: { now: () => Date.now() - startedAt },
  queueMicrotask: (action: () => void) => void Promise.resolve().then(action),
  ...timers,
});

// --- types ---

// oxlint-disable-next-line typescript/no-explicit-any -- Two sets of globals are declared: Node's and k6's.
type Timer = any;
