/**
 * "Allow to keep old connection (with all its state) upon reconnection of a client with all its listeners
 * attached and even with all callbacks waiting", and "callbacks for callbacks to summon callback hell to
 * JavaScript again".
 */

import { expect, test } from "vitest";
import { eventually, until, within } from "../harness/until.ts";
import { openLine } from "./line.ts";

test("virtual connection: listeners and their closures live through reconnects", async (context) => {
  let attached = 0;
  const line = await openLine(context, (io) => {
    io.on("session", (session) => {
      attached += 1;
      // A closure that a stock server would lose with the socket.
      let count = 0;
      session.on("count", (answer: (count: number) => void) => answer((count += 1)));
    });
  });
  const counts: unknown[] = [];
  for (let flap = 0; flap < 4; flap += 1) {
    counts.push(await line.client.emitWithAck("count"));
    await line.flap();
  }
  counts.push(await line.client.emitWithAck("count"));
  expect(counts).toEqual([1, 2, 3, 4, 5]);
  expect([attached, line.sessions.length]).toEqual([1, 1]);
});

test("virtual connection: suspend, resume and end say how it goes", async (context) => {
  const said: string[] = [];
  const line = await openLine(context, (io) => {
    io.on("connection", (socket) => said.push(`connection ${socket.recovered ? "again" : "first"}`));
    io.on("session", (session) => {
      said.push("session");
      for (const event of ["suspend", "resume", "moved"]) session.on(event, () => said.push(event));
      session.on("end", (reason: string) => said.push(`end ${reason}`));
    });
  });
  const { id, data } = line.session;
  data.kept = 1;
  await line.flap();
  await line.flap();
  expect([line.session.id, line.session.data, line.client.id]).toEqual([id, { kept: 1 }, id]);
  line.session.end();
  await until(() => said.at(-1) === "end closed", { what: "the end", state: () => said.join(", ") });
  expect(said.filter((word) => word !== "suspend").join(", ")).toBe(
    "session, connection first, resume, connection again, resume, connection again, end closed",
  );
  expect(said.filter((word) => word === "suspend").length).toBeGreaterThanOrEqual(2);
});

test("virtual connection: its life over, the session ends, and the client gets another", async (context) => {
  const ends: string[] = [];
  const options = { delivery: { sessionLifeMs: 1_000, sweepIntervalMs: 50 } };
  const line = await openLine(
    context,
    (io) => io.on("session", (session) => session.on("end", (reason: string) => ends.push(reason))),
    { server: options },
  );
  await line.cut();
  const waiting = line.session.emitWithAck("ask");
  await expect(within(waiting, { what: "a reason" })).rejects.toMatchObject({ code: "session_closed" });
  expect(ends).toEqual(["expired"]);
  const first = line.client.id;
  await line.mend();
  expect(line.sessions).toHaveLength(2);
  expect(line.client.id).not.toBe(first);
});

test("virtual connection: callbacks that wait live through reconnects, on both sides", async (context) => {
  const questions: ((answer: string) => void)[] = [];
  const line = await openLine(context, (io) => {
    io.on("session", (session) =>
      session.on("ask", (answer: (answer: string) => void) => questions.push(answer)),
    );
  });
  const asked: ((answer: string) => void)[] = [];
  line.client.on("ask", (answer: (answer: string) => void) => asked.push(answer));
  const up = line.client.emitWithAck("ask");
  const down = line.session.emitWithAck("ask");
  await eventually(() => questions, { count: 1, what: "the question from the client" });
  await eventually(() => asked, { count: 1, what: "the question from the server" });
  await line.cut();
  // Both are answered while there is no line.
  questions[0]?.("to the client");
  asked[0]?.("to the server");
  await line.mend();
  expect(await up).toBe("to the client");
  expect(await down).toBe("to the server");
  await line.flap();
  expect([questions.length, asked.length]).toEqual([1, 1]);
});

test("virtual connection: what is emitted while the client is away arrives, in order", async (context) => {
  const line = await openLine(context, () => undefined);
  const heard: number[] = [];
  line.client.on("tick", (tick: number) => heard.push(tick));
  line.session.emit("tick", 1);
  await line.cut();
  for (let tick = 2; tick <= 50; tick += 1) line.session.emit("tick", tick);
  await line.mend();
  line.session.emit("tick", 51);
  await eventually(() => heard, { count: 51, what: "ticks" });
  expect(heard).toEqual(Array.from({ length: 51 }, (_none, index) => index + 1));
});

test("callbacks for callbacks from the client, six deep, the line cut at every depth", async (context) => {
  const trail: string[] = [];
  const line = await openLine(context, (io) => {
    io.on("session", (session) => {
      session.on("message", (text: string, answer: Callback) => {
        trail.push(`server: ${text}`);
        answer("1", (two: string, again: Callback) => {
          trail.push(`server: ${two}`);
          again("3", (four: string, last: Callback) => {
            trail.push(`server: ${four}`);
            last("5", (six: string) => trail.push(`server: ${six}`));
          });
        });
      });
    });
  });
  await line.cut();
  line.client.emit("message", "0", (one: string, answer: Callback) => {
    trail.push(`client: ${one}`);
    void line.flap().then(() => {
      answer("2", (three: string, again: Callback) => {
        trail.push(`client: ${three}`);
        void line.flap().then(() => {
          again("4", (five: string, last: Callback) => {
            trail.push(`client: ${five}`);
            void line.cut().then(async () => {
              last("6");
              await line.mend();
            });
          });
        });
      });
    });
  });
  await line.mend();
  await eventually(() => trail, { count: 7, what: "all answers", deadlineMs: 10_000 });
  expect(trail).toEqual([
    "server: 0",
    "client: 1",
    "server: 2",
    "client: 3",
    "server: 4",
    "client: 5",
    "server: 6",
  ]);
});

test("callbacks for callbacks from the server, forty deep, through four reconnects", async (context) => {
  const line = await openLine(context, () => undefined);
  const depths: number[] = [];
  const done = new Promise<number>((resolve) => {
    const climb = (depth: number, answer?: Callback): void => {
      depths.push(depth);
      if (depth >= 40) resolve(depth);
      else answer?.(depth + 1, climb);
    };
    line.client.on("climb", climb);
    line.session.emit("climb", 0, climb);
  });
  for (let flap = 0; flap < 4; flap += 1) {
    await eventually(() => depths, { count: 5 * (flap + 1), what: "progress" });
    await line.flap();
  }
  expect(await within(done, { what: "the top" })).toBe(40);
  expect(depths).toEqual(Array.from({ length: 41 }, (_none, index) => index));
});

type Callback = (value: unknown, callback?: (...args: never[]) => void) => void;
