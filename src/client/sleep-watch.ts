/** Notices that the page or the machine was asleep, and that the page goes away. */

export type SleepWatch = { stop(): void };

export type SleepListeners = {
  /** Time may have passed without our timers: a connection that looks open may be dead. */
  readonly awake: () => void;
  /** The page goes to the background or away, perhaps for good. */
  readonly hidden: () => void;
  /** The page is in front again. */
  readonly shown: () => void;
};

export function watchSleep(listeners: SleepListeners): SleepWatch {
  let last = Date.now();
  const timer = setInterval(() => {
    const before = last;
    last = Date.now();
    if (last - before > tickMs + toleranceMs) listeners.awake();
  }, tickMs);
  (timer as { unref?: () => void }).unref?.();
  const stopPage = watchPage(listeners);
  return {
    stop: () => {
      clearInterval(timer);
      stopPage();
    },
  };
}

function watchPage(listeners: SleepListeners): () => void {
  const { document, addEventListener, removeEventListener } = globalThis as Partial<
    Window & typeof globalThis
  >;
  if (document === undefined || addEventListener === undefined || removeEventListener === undefined)
    return () => {};
  const visibility = () => {
    if (document.visibilityState === "hidden") listeners.hidden();
    else {
      listeners.shown();
      listeners.awake();
    }
  };
  const show = () => {
    listeners.shown();
    listeners.awake();
  };
  const on = addEventListener.bind(globalThis);
  const off = removeEventListener.bind(globalThis);
  document.addEventListener("visibilitychange", visibility);
  on("pagehide", listeners.hidden);
  on("pageshow", show);
  on("online", listeners.awake);
  on("resume", listeners.awake);
  return () => {
    document.removeEventListener("visibilitychange", visibility);
    off("pagehide", listeners.hidden);
    off("pageshow", show);
    off("online", listeners.awake);
    off("resume", listeners.awake);
  };
}

const tickMs = 2_000;
/** A busy event loop is late by less than this; a machine that slept, by more. */
const toleranceMs = 4_000;
