/**
 * The child's side of the channel to the test: commands come in and are answered, events go out. Programs
 * that know nothing of the harness run without it; the lifeline is enough for them.
 */

/**
 * Answers the test's commands until the process ends. A command that throws answers with its message; so does
 * one that is not in the table. From here on the channel keeps the process alive.
 */
export function answerParent(commands: CommandTable): void {
  const channel = process.channel;
  if (channel === undefined)
    throw new Error("This program is started by the test harness, which talks to it over IPC");
  channel.ref();
  process.on("message", (message: Question) => {
    // A worker of a cluster is told other things by its primary as well.
    if ("command" in message) void answer(commands, message);
  });
}

/**
 * Tells the test that something happened. Returns once the message is with the kernel, so it survives
 * SIGKILL.
 */
export function tellParent(event: string, value: unknown): Promise<void> {
  return send({ event, value });
}

async function answer(commands: CommandTable, { question, command, input }: Question): Promise<void> {
  let message: Answer;
  try {
    if (!Object.hasOwn(commands, command)) throw new Error(`No such command: ${command}`);
    message = { question, value: await commands[command]?.(input) };
  } catch (error) {
    message = { question, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
  // The channel may have closed while the command ran; then the lifeline ends this process.
  await send(message).catch(() => undefined);
}

function send(message: Answer | ChildEvent): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) reject(new Error("The channel to the test is closed"));
    else process.send(message, undefined, {}, (error) => (error === null ? resolve() : reject(error)));
  });
}

// --- types ---

/**
 * What a program does for each command. Inputs come from its own tests, which are type-checked at the other
 * end.
 */
export type CommandTable = Readonly<Record<string, (input: never) => unknown>>;

export type Question = { readonly question: number; readonly command: string; readonly input: never };
export type Answer =
  | { readonly question: number; readonly value: unknown }
  | { readonly question: number; readonly error: string };
export type ChildEvent = { readonly event: string; readonly value: unknown };
