/** The application of the simulation: handlers of every kind, and what nodes publish by themselves. */

import { currentRequest, RetryLater, type Server, type Socket } from "../../src/server/index.ts";
import type { History } from "./history.ts";
import { codeOf } from "./error-code.ts";
import { act, type Bans } from "./application-acts.ts";
import { joinAtConnection, joinWith, rejoinMailbox } from "./application-rooms.ts";
import type { Less } from "./less.ts";
import type { Seeded } from "./seeded.ts";
import { type Act, quietRoom } from "./usage.ts";

type Acknowledge = ((...values: unknown[]) => void) | undefined;

export type Application = {
  readonly io: Server;
  readonly node: string;
  readonly history: History;
  readonly random: Seeded;
  readonly less: Less;
  readonly rooms: readonly string[];
  readonly mailboxes: readonly string[];
  readonly acts: readonly Act[];
  readonly alone: boolean;
  readonly bans: Bans;
  /** How often an event has been run on any node: `retry` handlers give in after some. */
  readonly attempts: Map<string, number>;
  /** False when nothing new is to be begun. */
  readonly isBusy: () => boolean;
};

export function installApplication(application: Application): void {
  const { io, history, node, random } = application;
  io.on("connection", (socket) => {
    joinAtConnection(socket, socket.handshake.auth, application.bans);
    socket.on("flash", (id: string) => history.add({ kind: "flashed", at: "nodes", id }));
    socket.on("do", async (id: string, plan: string, _padding: string, acknowledge?: Acknowledge) => {
      const { session, sequence } = currentRequest();
      history.add({ kind: "run", node, session, sequence, id });
      try {
        await handle(application, socket, { id, plan, acknowledge });
        history.add({ kind: "ran", node, session, sequence, id, how: "done" });
      } catch (error) {
        history.add({ kind: "ran", node, session, sequence, id, how: (error as Error).message });
        throw error;
      }
    });
  });
  const speak = () => {
    if (!application.isBusy()) return;
    speakOnce(application);
    setTimeout(speak, 200 + random.waiting(1_500, 10_000));
  };
  setTimeout(speak, random.whole(100, 1_500));
}

function speakOnce(application: Application): void {
  const { io, node, rooms, mailboxes, less } = application;
  const { turn, happens } = less.next(node);
  const id = `${node}.${turn}`;
  const random = application.random.named(id);
  if (happens) {
    const target = random.chance(0.2) ? io : io.to(random.pick([...rooms, ...mailboxes]));
    publishing(application, id, target.publish("note", id, padding(random)));
  }
  const asking = application.random.named(`${id}q`);
  if (asking.chance(0.3) && less.next(`${node}q`).happens)
    askSomeone({ ...application, random: asking }, `${id}q`);
  if (less.next(`${node}f`).happens)
    act({ ...application, random: application.random.named(`${id}f`) }, `${id}f`);
}

type Receipted = Promise<{ readonly stream: number; readonly offset: number; readonly epoch: string }>;

function publishing({ history, node }: Application, id: string, receipt: Receipted): void {
  receipt.then(
    ({ stream, offset, epoch }) => history.add({ kind: "receipt", node, id, stream, offset, epoch }),
    (error: unknown) => history.add({ kind: "unpublished", node, id, error: codeOf(error) }),
  );
}

/** Asks one of the connected clients something, and waits for the answer. */
function askSomeone({ io, history, node, random }: Application, id: string): void {
  const sockets = [...io.sockets.sockets.values()];
  if (sockets.length === 0) return;
  const socket = random.pick(sockets) as unknown as Socket;
  const { session } = socket.delivery;
  if (session === undefined) return;
  const timeoutMs = random.chance(0.5) ? 0 : random.whole(100, 20_000);
  history.add({ kind: "asked", node, session: session.id, id, timeoutMs });
  const note = (error: string, value: string) =>
    history.add({ kind: "answered", node, session: session.id, id, error, value });
  if (timeoutMs === 0) {
    session.emitWithAck("question", id, "").then(
      (value) => note("", String(value)),
      (error: unknown) => note(codeOf(error), ""),
    );
    return;
  }
  // Whoever answers is thanked: its answer wants a reply.
  type Thank = ((text: string) => void) | undefined;
  socket.timeout(timeoutMs).emit("question", id, "thank", (error: unknown, value: unknown, thank: Thank) => {
    if (error === null) note("", String(value));
    else note(codeOf(error), "");
    thank?.(`thanks:${id}`);
  });
}

type Event = { readonly id: string; readonly plan: string; readonly acknowledge: Acknowledge };

async function handle(application: Application, socket: Socket, event: Event): Promise<void> {
  const { io, attempts } = application;
  const { id, plan, acknowledge } = event;
  const [kind = "", detail = ""] = plan.split(":");
  const attempt = (attempts.get(id) ?? 0) + 1;
  attempts.set(id, attempt);
  const random = application.random.named(`${id} ${attempt}`);
  const reply = () => acknowledge?.(`reply:${id}`);
  switch (kind) {
    case "plain":
      reply();
      return;
    case "later":
      await pause(random.whole(1, 400));
      reply();
      return;
    case "long":
      await io.publish("note", `${id}#0`, "");
      await pause(random.whole(300, 6_000));
      reply();
      return;
    case "publish":
      await io.to(detail).publish("note", `${id}#0`, padding(random));
      reply();
      return;
    case "emit":
      io.to(detail).emit("note", `${id}#0`, "");
      io.to(detail).emit("note", `${id}#1`, padding(random));
      reply();
      return;
    case "slow":
      await pause(random.whole(1, 300));
      await io.to(detail).publish("note", `${id}#0`, "");
      await pause(random.whole(1, 300));
      io.emit("note", `${id}#1`, "");
      reply();
      return;
    case "self":
      socket.emit("note", `${id}#0`, padding(random));
      reply();
      return;
    case "both":
      await io.to(application.rooms as string[]).publish("note", `${id}#0`, "");
      reply();
      return;
    case "others":
      await io.to(detail).except(socket.id).publish("note", `${id}#0`, "");
      reply();
      return;
    case "mail":
      await io.to(detail).publish("note", `${id}#0`, padding(random));
      reply();
      return;
    case "quietly":
      await io.to(detail).except(quietRoom).publish("note", `${id}#0`, "");
      reply();
      return;
    case "bothbut":
      io.to(application.rooms as string[])
        .except([socket.id, quietRoom])
        .emit("note", `${id}#0`, "");
      reply();
      return;
    case "throw":
      if (random.chance(0.5)) await pause(random.whole(1, 100));
      throw Object.assign(new Error("no"), { code: "application_error" });
    case "retry":
      if (attempt <= Number(detail)) throw new RetryLater("not yet");
      reply();
      return;
    case "hang":
      return;
    case "signout":
      reply();
      await pause(random.whole(1, 50));
      socket.delivery.session?.end();
      return;
    case "bulky":
      acknowledge?.(`reply:${id}`, "x".repeat(2_000));
      return;
    case "twice":
      reply();
      acknowledge?.("wrong");
      return;
    case "join":
      await socket.join(detail);
      reply();
      return;
    case "last":
    case "after":
      await joinWith(socket, detail, { from: kind, count: random.whole(0, 12) });
      reply();
      return;
    case "remail":
      await rejoinMailbox(socket, socket.handshake.auth);
      reply();
      return;
    case "leave":
      await socket.leave(detail);
      reply();
      return;
    case "count":
      socket.data["count"] = Number(socket.data["count"] ?? 0) + 1;
      acknowledge?.(`reply:${id}=${String(socket.data["count"])}`);
      return;
    default:
      throw new Error(`unknown plan ${plan}`);
  }
}

/** The plans of a handler; those with a colon want a room. */
export const plans = [
  "plain",
  "plain",
  "later",
  "publish:",
  "publish:",
  "emit:",
  "slow:",
  "self",
  "both",
  "others:",
  "quietly:",
  "bothbut",
  "mail:",
  "mail:",
  "throw",
  "retry:2",
  "hang",
  "twice",
  "bulky",
  "join:",
  "last:",
  "after:",
  "remail",
  "leave:",
  "leave:",
  "count",
] as const;

export function padding(random: Seeded): string {
  return random.chance(0.1) ? "x".repeat(random.whole(200, 6_000)) : "";
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
