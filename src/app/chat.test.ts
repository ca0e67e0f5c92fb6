import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server } from "holdfast";
import { io, type Socket } from "holdfast/client";
import { expect, test } from "vitest";
import type { Owner } from "../../test/harness/owner.ts";
import { until } from "../../test/harness/until.ts";
import { openSharedKeys } from "../store/redis/shared-keys.ts";
import { attachApplication } from "./index.ts";

test("a name is refused to the second who asks for it, with a code, and only to them", async (owner) => {
  const open = await startChat(owner);
  const ada = open("A");
  const other = open("B");
  await expect(ada.emitWithAck("claim_name", { name: "Ada" })).resolves.toEqual({ name: "Ada" });
  await expect(other.emitWithAck("claim_name", { name: "ada" })).rejects.toMatchObject({
    code: "name_taken",
  });
  await expect(ada.emitWithAck("hello", {})).resolves.toMatchObject({ name: "Ada" });
});

test("a message is acknowledged with its offset, and reaches the room once", async (owner) => {
  const open = await startChat(owner);
  const ada = await named(open("A"), "Ada");
  const grace = await named(open("B"), "Grace");
  const seen: unknown[] = [];
  grace.on("message", (message: { text: string }) => seen.push(message.text));
  await grace.emitWithAck("join", { room: "lobby" });
  for (const text of ["one", "two"])
    await ada.emitWithAck("say", { room: "lobby", id: `id-of-${text}`, text });
  const receipt: unknown = await ada.emitWithAck("say", {
    room: "Lobby ",
    id: "id-of-three",
    text: " three ",
  });
  expect(receipt).toEqual({ offset: 3 });
  await until(() => seen.length >= 3, { what: "three messages" });
  expect(seen).toEqual(["one", "two", "three"]);
});

test("what somebody may not do is refused with a code, and the server goes on", async (owner) => {
  const open = await startChat(owner);
  const socket = open("A");
  const say = { room: "lobby", id: "some-id-1", text: "hello" };
  await expect(socket.emitWithAck("say", say)).rejects.toMatchObject({ code: "name_missing" });
  await named(socket, "Ada");
  const refused: readonly (readonly [string, unknown, string])[] = [
    ["say", undefined, "input_wrong"],
    ["say", { ...say, room: "__proto__" }, "room_wrong"],
    ["say", { ...say, text: "   " }, "text_empty"],
    ["say", { ...say, text: "x".repeat(4001) }, "text_too_long"],
    ["say", { ...say, id: 7 }, "input_wrong"],
    ["join", null, "input_wrong"],
    ["join", { room: "user:somebody" }, "room_wrong"],
    ["history", { room: "lobby" }, "not_in_room"],
    ["history", { mailbox: true, before: -1 }, "input_wrong"],
    ["direct", { ...say, to: "Nobody" }, "name_unknown"],
    ["direct", { ...say, to: "ADA" }, "not_to_yourself"],
    ["find", { name: "constructor" }, "name_unknown"],
    ["claim_name", { name: "<b>" }, "name_wrong"],
  ];
  for (const [event, input, code] of refused) {
    await expect(socket.emitWithAck(event, input), event).rejects.toMatchObject({ code });
  }
  await expect(socket.emitWithAck("say", say)).resolves.toEqual({ offset: 1 });
});

test("whoever sends too fast is told so, and nobody else is slowed down", async (owner) => {
  const open = await startChat(owner);
  const fast = await named(open("A"), "Fast");
  const calm = await named(open("B"), "Calm");
  const say = (socket: Socket, index: number): Promise<unknown> =>
    socket.emitWithAck("say", { room: "lobby", id: `message-${index}`, text: "hello" });
  const results = await Promise.allSettled(Array.from({ length: 200 }, (_, index) => say(fast, index)));
  const codes = results.map((result) => (result.status === "rejected" ? codeOf(result.reason) : "stored"));
  expect(codes.slice(0, 120)).toEqual(Array.from({ length: 120 }, () => "stored"));
  expect(codes.slice(120)).toContain("too_fast");
  await expect(say(calm, 1)).resolves.toHaveProperty("offset");
});

test("a client without a secret does not get in, and learns why", async (owner) => {
  const open = await startChat(owner);
  const stranger = open("");
  const error = await new Promise<Error & { data?: unknown }>((resolve) =>
    stranger.on("connect_error", resolve),
  );
  expect(error.data).toEqual({ code: "secret_wrong" });
});

/** Starts a chat in this process; the returned function connects one device, told apart by a letter. */
async function startChat(owner: Owner): Promise<(device: string) => Socket> {
  const httpServer = createServer();
  const server = new Server(httpServer, { delivery: { store: "memory:" } });
  const application = attachApplication(server, { chatDatabase: ":memory:", openSharedKeys });
  await new Promise<void>((resolve) => httpServer.listen(0, "127.0.0.1", resolve));
  owner.onTestFinished(async () => {
    await server.close();
    await application.close();
  });
  const { port } = httpServer.address() as AddressInfo;
  return (device) => {
    const secret = device.repeat(43);
    const socket = io(`http://127.0.0.1:${port}`, {
      auth: { secret },
      forceNew: true,
      transports: ["websocket"],
    });
    owner.onTestFinished(() => void socket.disconnect());
    return socket;
  };
}

async function named(socket: Socket, name: string): Promise<Socket> {
  await socket.emitWithAck("claim_name", { name });
  return socket;
}

function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? String(error);
}
