/** The metrics of a process that serves clients: what its server tells as it happens, and its figures. */

import type { Meter } from "../server/meter.ts";
import type { Server } from "../server/types.ts";
import { MetricRegistry, type Snapshot } from "./registry.ts";

export class ServerMetrics {
  readonly #registry = new MetricRegistry("server");
  #io: Server | undefined;
  #draining = false;

  /** For the `delivery` option of the server. */
  readonly meter: Meter = {
    admitted: (outcome) => this.#registry.count("holdfast_admissions_total", outcome),
    gap: (reason) => this.#registry.count("holdfast_gaps_total", reason),
    appended: (durationMs) => this.#registry.observe("holdfast_append_seconds", durationMs),
    fannedOut: (durationMs) => this.#registry.observe("holdfast_fan_out_seconds", durationMs),
    followed: (durationMs) => this.#registry.observe("holdfast_follow_seconds", durationMs),
    limitHit: (limit) => this.#registry.count("holdfast_limit_hits_total", limit),
  };

  /** Listens to the reports of the server that has the meter. */
  attach(io: Server): void {
    this.#io = io;
    const registry = this.#registry;
    io.delivery.on("reject", ({ error }) => registry.count("holdfast_events_rejected_total", error.code));
    io.delivery.on("publish_failed", ({ error }) =>
      registry.count("holdfast_publish_failures_total", codeOf(error)),
    );
    io.delivery.on("store_error", ({ error }) =>
      registry.count("holdfast_store_errors_total", codeOf(error)),
    );
    io.delivery.on("refused", ({ code }) => {
      // What was refused at admission is counted there.
      if (violations.includes(code)) registry.count("holdfast_violations_total", code);
    });
  }

  drainBegun(): void {
    this.#draining = true;
  }

  drainEnded(outcome: "completed" | "cut_short"): void {
    this.#draining = false;
    this.#registry.count("holdfast_drains_total", outcome);
  }

  async snapshot(): Promise<Snapshot> {
    this.#look();
    return await this.#registry.snapshot();
  }

  #look(): void {
    const registry = this.#registry;
    registry.set("holdfast_draining", this.#draining ? 1 : 0);
    const figures = this.#io?.delivery.localFigures();
    if (figures === undefined) return;
    for (const transport of ["polling", "websocket", "webtransport"]) {
      registry.set("holdfast_connections", figures.connections[transport] ?? 0, transport);
    }
    registry.set("holdfast_sessions", figures.sessions - figures.suspendedSessions, "connected");
    registry.set("holdfast_sessions", figures.suspendedSessions, "suspended");
    registry.set("holdfast_admissions_waiting", figures.waitingAdmissions);
    registry.set("holdfast_inbox_depth", figures.inboxDepth);
    registry.set("holdfast_handlers_running", figures.runningHandlers);
    registry.set("holdfast_replies_waiting", figures.waitingReplies);
    registry.set("holdfast_streams", figures.streams);
    registry.set("holdfast_members_behind", figures.membersBehind);
    registry.set("holdfast_log_lag_entries", figures.lagEntries);
  }
}

function codeOf(error: unknown): string {
  return String((error as { readonly code?: unknown } | undefined)?.code);
}

const violations: readonly string[] = ["bad_frame", "sequence_gap", "window_exceeded"];
