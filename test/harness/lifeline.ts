/**
 * Preloaded into every child process of the tests (`node --import`), whatever program it runs: the child dies
 * with its test. The kernel closes the channel however the parent ends, SIGKILL included.
 */

if (process.channel === undefined) throw new Error("A child of the tests needs an IPC channel to its parent");

// SIGKILL, because a clean exit would run the program's own shutdown for nobody, and may hang in it.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

// The channel alone must not keep a program alive: whether it ends by itself after a drain is what tests look
// at.
process.channel.unref();
