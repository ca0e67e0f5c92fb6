/** Plays a transcript's inputs into the machines and returns what came out after each of them. */

import { ClientSession } from "../../src/protocol/client-session.ts";
import { decodeWelcome, encodeHello, type Limits } from "../../src/protocol/frames.ts";
import { type InboxOutcome, ServerSession } from "../../src/protocol/server-session.ts";

type Step = Record<string, unknown>;

export type Transcript = {
  readonly name: string;
  readonly load?: {
    readonly low: number;
    readonly outcomes: readonly InboxOutcome[];
    readonly uploads: readonly { readonly sequence: number; readonly chunks: number }[];
  };
  readonly steps: Step[];
};

const limits: Limits = {
  windowEvents: 4,
  windowCharacters: 1_000,
  chunkCharacters: 16,
  windowChunks: 2,
  eventCharacters: 200,
};

export function replayClient({ steps }: Transcript): readonly unknown[][] {
  const session = new ClientSession({
    outboxLimit: 100,
    outboxCharactersLimit: 10_000,
    acknowledgeDelayMs: 50,
    acknowledgeEntries: 4,
    elsewhereLimit: 4,
  });
  let now = 0;
  return steps.map((step) => {
    if ("hello" in step) return [{ kind: "hello", text: encodeHello(session.hello()) }];
    if ("emit" in step) {
      const { payload, wantsReply, aside } = step["emit"] as {
        payload: unknown;
        wantsReply: boolean;
        aside: boolean;
      };
      session.emit(now, { payload: JSON.stringify(payload), wantsReply, aside });
    } else if ("cancel" in step) session.cancel(now, step["cancel"] as number);
    else if ("frame" in step) session.handleFrame(now, step["frame"]);
    else if ("disconnected" in step) session.handleDisconnected();
    else if ("timeout" in step) {
      now += step["timeout"] as number;
      session.handleTimeout(now);
    } else {
      const { sid, pid, holdfast } = step["connected"] as { sid: string; pid: string; holdfast: unknown };
      const welcome = decodeWelcome(holdfast);
      if (welcome === undefined) throw new TypeError("a transcript's welcome is one");
      session.handleConnected(now, sid, pid, welcome);
    }
    return session.poll().map(withParsedFrame);
  });
}

export function replayServer({ steps, load }: Transcript): readonly unknown[][] {
  const session = new ServerSession({ limits, low: 1, outcomes: [], uploads: [], ...load });
  return steps.map((step) => {
    const outputs: unknown[] = [];
    if ("connected" in step) {
      const { frames, uploads } = session.handleConnected(step["connected"] as number);
      outputs.push({ kind: "welcome", frames: frames.map((frame) => JSON.parse(frame) as unknown), uploads });
    } else if ("frame" in step) session.handleFrame(step["frame"]);
    else if ("outcome" in step) session.handleOutcome(step["outcome"] as InboxOutcome);
    else if ("recorded" in step) session.handleRecorded(step["recorded"] as InboxOutcome);
    else if ("retry" in step) session.handleRetry(...(step["retry"] as [number, number]));
    else if ("chunkStored" in step) session.handleChunkStored(...(step["chunkStored"] as [number, number]));
    else if ("upload" in step) session.handleUpload(...(step["upload"] as [number, string]));
    else session.handleDisconnected();
    return [...outputs, ...session.poll().map(withParsedFrame)];
  });
}

function withParsedFrame(output: { readonly kind: string }): unknown {
  const { frame } = output as { frame?: unknown };
  return typeof frame === "string" ? { ...output, frame: JSON.parse(frame) as unknown } : output;
}
