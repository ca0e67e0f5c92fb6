/** Names that Socket.IO keeps for the life of a connection; neither side may emit them. */
export const reservedEvents: ReadonlySet<string> = new Set([
  "connect",
  "connect_error",
  "disconnect",
  "disconnecting",
  "newListener",
  "removeListener",
]);
