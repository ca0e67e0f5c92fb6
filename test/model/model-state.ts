/** The state of the model: pages, connections, nodes and the store, as plain data. */

export type Hello = {
  readonly session: number;
  readonly low: number;
  readonly next: number;
  readonly instance: number;
  readonly generation: number;
  readonly attempt: number;
};

export type ToServer =
  | ({ readonly kind: "hello" } & Hello)
  | { readonly kind: "ev"; readonly sequence: number; readonly event: number }
  | { readonly kind: "lo"; readonly low: number }
  | { readonly kind: "pi" };

/** An outcome says whose it is: the event that was handled under this sequence. */
export type Recorded = readonly [sequence: number, event: number];

export type ToClient =
  | {
      readonly kind: "welcome";
      readonly session: number;
      readonly generation: number;
      readonly resumed: boolean;
      readonly outcomes: readonly Recorded[];
    }
  | { readonly kind: "ok"; readonly sequence: number; readonly event: number }
  | { readonly kind: "er" }
  | { readonly kind: "connect_error" };

export type Connection = {
  readonly page: number;
  readonly node: number;
  /** Names it in the story. */
  readonly instance: number;
  readonly attempt: number;
  /** Whether the client believes in it. */
  client: boolean;
  /** What it is at the server: connected and silent, being admitted, bound to a session, gone. */
  server: "new" | "asking" | "live" | "closed";
  session: number;
  toServer: ToServer[];
  toClient: ToClient[];
};

export type Item = { readonly sequence: number; readonly event: number; sent: boolean };

export type Saved = {
  session: number;
  generation: number;
  next: number;
  /** One beyond the highest sequence that was ever sent. */
  unsent: number;
  items: Item[];
};

export type Page = Saved & {
  instance: number;
  attempt: number;
  emitted: number;
  /** Slot of its connection, -1 without one. */
  connection: number;
  welcomed: boolean;
  lowSaid: number;
  /** How each of its events has ended. */
  ended: Record<number, "ok" | "lost" | "page gone">;
};

/** A session as a node has it in memory: holder and inbox. */
export type Held = {
  /** The generation with which this object began: its identity. */
  readonly born: number;
  generation: number;
  connection: number;
  instance: number;
  attempt: number;
  heard: number;
  low: number;
  expected: number;
  outcomes: Record<number, { event: number; recorded: boolean }>;
  running: number[];
};

type Write = {
  readonly session: number;
  readonly born: number;
  readonly generation: number;
  /** The generation in which the client had last said something; a write that is tried again keeps it. */
  readonly heard: number;
};

type EventWrite = Write & { readonly sequence: number; readonly event: number };

/** What waits in the commit queue of a node, or has been committed and waits to be taken note of. */
export type Operation = { done: boolean; answer: string; resumed: Resumed | undefined } & (
  | ({ readonly kind: "hear" } & Write)
  | ({ readonly kind: "append" } & EventWrite)
  | ({ readonly kind: "record"; readonly low: number } & EventWrite)
  | { readonly kind: "resume"; readonly connection: number; readonly hello: Hello }
  | { readonly kind: "open"; readonly connection: number; readonly hello: Hello; session: number }
);

export type Resumed = {
  readonly generation: number;
  readonly heard: number;
  readonly low: number;
  readonly outcomes: readonly Recorded[];
};

export type Node = { up: boolean; sessions: Record<number, Held>; queue: Operation[] };

/** A session as the store has it. */
export type Stored = {
  generation: number;
  instance: number;
  attempt: number;
  /** The last generation in which the client has said something that was acted upon. */
  heard: number;
  /** The generation in which another life of the client took the session over last. */
  takenOver: number;
  low: number;
  outcomes: Record<number, number>;
  /** Idempotency keys: which event's effect was appended under a sequence. */
  keys: Record<number, number>;
};

export type World = {
  pages: Page[];
  connections: (Connection | undefined)[];
  nodes: Node[];
  sessions: Record<number, Stored>;
  /** What handlers have appended, as "session event", sorted. */
  effects: string[];
  /** The highest sequence of each session that has ever begun to run. */
  ran: Record<number, number>;
  /** A copy of the first page's saved session, until somebody opens it. */
  copy: Saved | undefined;
  instances: number;
  opened: number;
  left: Budgets;
  broken: string;
};

/** How often each thing may happen: this is the bound of the exploration. */
export type Budgets = {
  /** Events that the first page, and its copy, emit. */
  events: number;
  copyEvents: number;
  /** Connections that clients begin before faults stop. */
  connects: number;
  /** Connections that break on one side. */
  breaks: number;
  crashes: number;
  /** Reloads with the saved session, and reloads that have lost it. */
  reloads: number;
  losses: number;
  copies: number;
};

export const noBudgets: Budgets = {
  events: 0,
  copyEvents: 0,
  connects: 0,
  breaks: 0,
  crashes: 0,
  reloads: 0,
  losses: 0,
  copies: 0,
};

/** A page that is connected to the first of two nodes with the first session, both sides knowing it. */
export function initialWorld(left: Budgets): World {
  const page: Page = {
    session: 1,
    generation: 1,
    next: 1,
    unsent: 1,
    items: [],
    instance: 1,
    attempt: 1,
    emitted: 0,
    connection: 0,
    welcomed: true,
    lowSaid: 1,
    ended: {},
  };
  const held: Held = {
    born: 1,
    generation: 1,
    connection: 0,
    instance: 1,
    attempt: 1,
    heard: 1,
    low: 1,
    expected: 1,
    outcomes: {},
    running: [],
  };
  return {
    pages: [page],
    connections: [
      {
        page: 0,
        node: 0,
        instance: 1,
        attempt: 1,
        client: true,
        server: "live",
        session: 1,
        toServer: [],
        toClient: [],
      },
    ],
    nodes: [
      { up: true, sessions: { 1: held }, queue: [] },
      { up: true, sessions: {}, queue: [] },
    ],
    sessions: {
      1: { generation: 1, instance: 1, attempt: 1, heard: 1, takenOver: 0, low: 1, outcomes: {}, keys: {} },
    },
    effects: [],
    ran: {},
    copy: undefined,
    instances: 1,
    opened: 1,
    left: { ...left },
    broken: "",
  };
}

/** A copy that may be changed. Frames, hellos and answers never change, so they are shared. */
export function clone(world: World): World {
  return {
    ...world,
    pages: world.pages.map((page) => ({
      ...page,
      items: page.items.map((item) => ({ ...item })),
      ended: { ...page.ended },
    })),
    connections: world.connections.map(
      (connection) =>
        connection && {
          ...connection,
          toServer: [...connection.toServer],
          toClient: [...connection.toClient],
        },
    ),
    nodes: world.nodes.map(({ up, sessions, queue }) => ({
      up,
      sessions: mapped(sessions, (held) => ({
        ...held,
        outcomes: { ...held.outcomes },
        running: [...held.running],
      })),
      queue: queue.map((operation) => ({ ...operation })),
    })),
    sessions: mapped(world.sessions, (stored) => ({
      ...stored,
      outcomes: { ...stored.outcomes },
      keys: { ...stored.keys },
    })),
    effects: [...world.effects],
    ran: { ...world.ran },
    left: { ...world.left },
  };
}

function mapped<T>(record: Readonly<Record<number, T>>, copy: (value: T) => T): Record<number, T> {
  const copies: Record<number, T> = {};
  for (const key in record) copies[key] = copy(record[key] as T);
  return copies;
}
