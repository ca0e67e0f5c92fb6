/**
 * Every metric that Holdfast has. `docs/METRICS.md` has the same rows; a test holds the two together, and the
 * registry makes nothing that is not here. A label takes the values that are listed, or "other".
 */

import { gapReasons } from "../protocol/frames.ts";
import { limits } from "../server/meter.ts";

export type MetricRow = {
  readonly type: "counter" | "gauge" | "histogram";
  /** Its one label with all values that it takes; a metric without one has a single value. */
  readonly label?: { readonly name: string; readonly values: readonly string[] };
  /** What several processes are together; by default their sum. */
  readonly together?: "max";
  /** `workers`: told only by a primary. */
  readonly from?: "primary";
  readonly meaning: string;
  /** What the person who reads it at night should do. */
  readonly advice: string;
};

export const catalogue = {
  holdfast_connections: {
    type: "gauge",
    label: { name: "transport", values: ["polling", "websocket", "webtransport"] },
    meaning: "Connections, by the transport that they use now.",
    advice: "Many on `polling` for longer than a second: something in front of the server stops WebSockets.",
  },
  holdfast_sessions: {
    type: "gauge",
    label: { name: "state", values: ["connected", "suspended"] },
    meaning: "Sessions in memory: with a connection, or waiting for their client to come back.",
    advice: "A jump of `suspended`: clients lose their connections; look at the network and the proxies.",
  },
  holdfast_admissions_total: {
    type: "counter",
    label: {
      name: "outcome",
      values: [
        "resumed",
        "new",
        "unknown_session",
        "wrong_token",
        "wrong_principal",
        "stale_generation",
        "bad_frame",
        "protocol_version",
        "store_unavailable",
        "store_full",
        "store_busy",
      ],
    },
    meaning:
      "Clients that asked for a session: it went on (`resumed`), a first one was opened (`new`), or why " +
      "the old one did not go on, an error code.",
    advice:
      "`unknown_session`: clients come back later than HOLDFAST_SESSION_HOURS, or the store was lost. " +
      "`wrong_token`: somebody guesses. `protocol_version`: clients are older than the server serves.",
  },
  holdfast_admissions_waiting: {
    type: "gauge",
    meaning: "Clients that wait for their turn to be admitted.",
    advice: "Above zero for long: the store is slow, or everybody came back at once; it settles by itself.",
  },
  holdfast_gaps_total: {
    type: "counter",
    label: { name: "reason", values: gapReasons },
    meaning: "Times that a client was told that entries cannot be delivered any more.",
    advice:
      "`retention`: raise HOLDFAST_RETENTION_HOURS. `reset`: the store went back; was a backup restored?",
  },
  holdfast_inbox_depth: {
    type: "gauge",
    meaning:
      "Events and outcomes that are remembered for the clients in memory, until they have confirmed them.",
    advice: "Growing without end: handlers do not finish; see `holdfast_handlers_running`.",
  },
  holdfast_handlers_running: {
    type: "gauge",
    meaning: "Handlers that have begun and not finished.",
    advice: "Growing without end: find out what the handlers wait for.",
  },
  holdfast_replies_waiting: {
    type: "gauge",
    meaning: "Questions to clients that wait for the reply: the outbox as far as the server keeps one.",
    advice: "Near `repliesLimit`: ask with a timeout.",
  },
  holdfast_streams: {
    type: "gauge",
    meaning: "Streams with members here; a stream with members in several processes counts in each.",
    advice: "Nothing; it tells how many rooms are in use.",
  },
  holdfast_members_behind: {
    type: "gauge",
    meaning:
      "Memberships that are fed from the log: the connection takes no more at the moment, or has just come.",
    advice: "High without a wave of reconnects: clients are too slow for what is published to them.",
  },
  holdfast_log_lag_entries: {
    type: "gauge",
    together: "max",
    meaning:
      "How many entries the slowest stream of a process was behind the store, at the last look (every 10 s).",
    advice: "Above zero for minutes: the process cannot read from the store, or is too busy to.",
  },
  holdfast_append_seconds: {
    type: "histogram",
    meaning: "From `publish` or `emit` to the commit.",
    advice: "p99 above 0.1: the disk syncs slowly, or processes wait for each other's lock.",
  },
  holdfast_fan_out_seconds: {
    type: "histogram",
    meaning: "From the announcement of committed entries until they were written to every live member here.",
    advice: "Above 0.05: rooms are too large for one process; start more workers.",
  },
  holdfast_follow_seconds: {
    type: "histogram",
    meaning:
      "From `publish` in another process until the entries were written to the live members here, by the " +
      "clocks of both.",
    advice: "Above 0.1 with a small `holdfast_append_seconds`: this process is busy with something else.",
  },
  holdfast_events_rejected_total: {
    type: "counter",
    label: {
      name: "code",
      values: [
        "handler_failed",
        "handler_timeout",
        "unhandled_event",
        "retry_limit",
        "event_too_large",
        "reply_too_large",
        "payload_unsupported",
      ],
    },
    meaning: "Events that ended as rejected; `other` are codes of the application's own.",
    advice: "Look the code up in ERRORS.md.",
  },
  holdfast_publish_failures_total: {
    type: "counter",
    label: {
      name: "code",
      values: ["store_unavailable", "store_full", "store_busy", "stale_generation", "event_too_large"],
    },
    meaning: "Emits that were not stored; their events stay unacknowledged and run again.",
    advice: "Look the code up in ERRORS.md.",
  },
  holdfast_store_errors_total: {
    type: "counter",
    label: { name: "code", values: ["store_unavailable", "store_full", "store_busy"] },
    meaning: "Times that the store refused something else than an emit.",
    advice: "Any: is the disk full, is the file locked? Look the code up in ERRORS.md.",
  },
  holdfast_violations_total: {
    type: "counter",
    label: { name: "code", values: ["bad_frame", "sequence_gap", "window_exceeded"] },
    meaning: "Clients that broke the protocol and were disconnected.",
    advice: "Any that repeats: a client of another make or version, or an attack.",
  },
  holdfast_limit_hits_total: {
    type: "counter",
    label: { name: "limit", values: limits },
    meaning: "Times that a bounded table or queue was full; OPTIONS.md says what each of them does then.",
    advice:
      "`store_queue`: publishers outrun the disk. `replies`, `suspended_sessions`: raise the limit or find " +
      "the leak. `connection_buffer`: slow clients, harmless. `event_size`: an entry was too large.",
  },
  holdfast_draining: {
    type: "gauge",
    meaning: "Processes that are letting their clients go.",
    advice: "Above zero for longer than HOLDFAST_SHUTDOWN_TIMEOUT_MS: a process hangs.",
  },
  holdfast_drains_total: {
    type: "counter",
    label: { name: "outcome", values: ["completed", "cut_short"] },
    meaning: "Processes that have let their clients go; `cut_short` by the time limit or an error.",
    advice: "`cut_short`: raise HOLDFAST_SHUTDOWN_TIMEOUT_MS, or find the handler that does not finish.",
  },
  holdfast_workers: {
    type: "gauge",
    label: { name: "state", values: ["starting", "ready", "leaving"] },
    from: "primary",
    meaning: "Workers by state.",
    advice: "Fewer `ready` than HOLDFAST_WORKERS for longer than a few seconds: read the log of the primary.",
  },
  holdfast_workers_silent: {
    type: "gauge",
    from: "primary",
    meaning: "Workers that did not answer this scrape in time; what they said last stands in for them.",
    advice: "More than one scrape in a row: the event loop of a worker is blocked.",
  },
  holdfast_worker_deaths_total: {
    type: "counter",
    from: "primary",
    meaning: "Workers that ended without having been asked to.",
    advice: "Any: read what the worker logged last.",
  },
  holdfast_rolls_total: {
    type: "counter",
    label: { name: "outcome", values: ["rolled", "refused"] },
    from: "primary",
    meaning: "Rolls; `refused` left the old workers running.",
    advice: "`refused`: the log of the primary says why the new version did not get ready.",
  },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof catalogue;
export type NameOf<Type extends MetricRow["type"]> = {
  [Name in MetricName]: (typeof catalogue)[Name]["type"] extends Type ? Name : never;
}[MetricName];
