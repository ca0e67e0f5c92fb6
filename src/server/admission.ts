/**
 * Admission: what a new connection becomes - a stock client's, a new session's, or a session's that goes on.
 */

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Namespace } from "socket.io";
import { DeliveryError, type ErrorCode, isErrorCode } from "../protocol/errors.ts";
import {
  type ClientPosition,
  decodeHello,
  isHello,
  type Hello,
  protocolVersion,
} from "../protocol/frames.ts";
import { namespaceKey, roomKey } from "../protocol/stream-key.ts";
import type { Membership, ResumedSession, StreamHead } from "../store/port.ts";
import { Connection } from "./connection.ts";
import type { MemberPlace } from "./fan-out.ts";
import { openStream, ownPlace, placeOf } from "./member-place.ts";
import type { NamespaceDelivery } from "./namespace-delivery.ts";
import { Session } from "./session.ts";
import { copyForMiddlewares, takeChanges } from "./session-data.ts";
import { findLostStreams, type LostStreams } from "./lost-streams.ts";
import * as io from "./socket-io.ts";

export class SessionAdmission implements io.Admission {
  readonly #delivery: NamespaceDelivery;
  /** What a connection is to be fed, between its welcome and its first turn. */
  readonly #places = new WeakMap<io.HoldfastSocket, readonly MemberPlace[]>();

  constructor(delivery: NamespaceDelivery) {
    this.#delivery = delivery;
  }

  async prepare(_namespace: Namespace, hello: unknown, token: unknown) {
    if (decodeHello(hello) === undefined || typeof token !== "string") return undefined;
    const { id, digest } = parseToken(token);
    if (id === "") return undefined;
    const peek = await this.#delivery.store.peekSession(id, Date.now());
    if (peek === undefined || peek.namespace !== this.#delivery.name) return undefined;
    if (!sameDigest(peek.tokenDigest, digest)) return undefined;
    const held = this.#delivery.sessions.get(id);
    const saved: Record<string, unknown> = held?.data ?? (JSON.parse(peek.data) as Record<string, unknown>);
    return { id, data: copyForMiddlewares(saved) };
  }

  async admit(socket: io.HoldfastSocket): Promise<void> {
    try {
      await this.#admit(socket);
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (isErrorCode(code)) this.#delivery.options.meter?.admitted(code);
      throw error;
    }
  }

  async #admit(socket: io.HoldfastSocket): Promise<void> {
    socket.order = this.#delivery.order;
    const credentials = io.credentials.get(socket);
    const hello = decodeHello(credentials?.hello);
    if (hello === undefined) {
      // Taken for a stock client, it would lose its guarantees without being told.
      if (isHello(credentials?.hello)) throw refusal("bad_frame", "hello");
      this.#delivery.fanOut.stock.sockets.add(socket);
      return;
    }
    if (!hello.versions.includes(protocolVersion)) {
      throw refusal("protocol_version", `client ${hello.versions.join(", ")}, server ${protocolVersion}`);
    }
    const principal = this.#delivery.options.principal(socket as unknown as Parameters<PrincipalOf>[0]);
    const token = credentials?.token ?? "";
    await this.#delivery.node.admissions.admit(token !== "", () =>
      this.#admitSession(socket, hello, token, principal),
    );
  }

  async #admitSession(
    socket: io.HoldfastSocket,
    hello: Hello,
    token: string,
    principal: string | undefined,
  ): Promise<void> {
    if (token === "") {
      await this.#open(socket, hello, principal, "");
      return;
    }
    const refused = await this.#resume(socket, hello, token, principal);
    // A session that is gone is no reason to keep the client out; one that is somebody else's is.
    if (refused === "unknown_session" || refused === "wrong_token") {
      await this.#open(socket, hello, principal, refused);
    } else if (refused !== undefined) throw refusal(refused);
  }

  connected(socket: io.HoldfastSocket): void {
    const { deliverySession: session } = socket;
    if (!(session instanceof Session)) {
      const { sockets: stockSockets } = this.#delivery.fanOut.stock;
      socket.once("disconnect", () => stockSockets.delete(socket));
      if (!socket.connected) stockSockets.delete(socket);
      return;
    }
    const { connection } = session;
    if (connection === undefined || connection.socket !== socket) return;
    session.ownRoomReady = true;
    const { ownHead } = session;
    session.ownHead = undefined;
    const places = [...(this.#places.get(socket) ?? [])];
    // They have done their work; an idle connection keeps nothing of how it came in.
    this.#places.delete(socket);
    io.credentials.delete(socket);
    session.welcome = undefined;
    const ownKnown = places.some((place) => place.head.stream === ownHead?.stream);
    if (ownHead !== undefined && !ownKnown) places.push(ownPlace(ownHead));
    for (const place of places) {
      // The connection handlers may have left rooms; what they left is not replayed.
      if (this.#isMember(session, place.head)) this.#delivery.fanOut.addMember(session, connection, place);
    }
    this.#delivery.fanOut.watchOwnRoom(session, connection);
    session.handleListening();
    session.saveData();
  }

  /** Returns why the session cannot go on, or undefined when it does. */
  async #resume(
    socket: io.HoldfastSocket,
    hello: Hello,
    token: string,
    principal: string | undefined,
  ): Promise<"unknown_session" | "wrong_token" | "wrong_principal" | "stale_generation" | undefined> {
    const delivery = this.#delivery;
    const { id, digest } = parseToken(token);
    const now = Date.now();
    const expiresAt = now + delivery.options.sessionLifeMs;
    const { id: node } = delivery.node;
    const peek = await delivery.store.peekSession(id, now);
    if (peek === undefined || peek.namespace !== delivery.name) return "unknown_session";
    if (!sameDigest(peek.tokenDigest, digest)) return "wrong_token";
    // It is over, and only the store does not know yet.
    if (delivery.ending.has(id)) return "unknown_session";
    const held = delivery.sessions.get(id);
    // The store decides. But of events that run here it knows nothing yet, and an old copy of the client's
    // state must not cost the holder its session; unless another process has held it since.
    const isHeldHere = held?.generation === peek.generation && peek.node === node;
    const verdict = isHeldHere ? held.judge(hello) : "goes on";
    if (verdict !== "goes on") return codeOf[verdict];
    const { holder, low, next } = hello;
    const result = await delivery.node.others.resume({
      session: id,
      tokenDigest: digest,
      principal,
      node,
      claim: { holder, low, next },
      now,
      expiresAt,
    });
    if (!result.ok) {
      const code = codeOf[result.reason];
      delivery.node.report("refused", {
        namespace: delivery.name,
        session: id,
        code,
        detail: result.reason,
      });
      return code;
    }
    if (delivery.ending.has(id)) return "unknown_session";
    const session = this.#takeOver({ id, token, principal, hello }, socket, result);
    if (session === undefined) return "stale_generation";
    const memberships = await this.#authorized(session, socket, result);
    const lost = await findLostStreams(delivery.store, foreignPositions(hello, result));
    if (session.generation !== result.generation || session.ended) return "stale_generation";
    // Its stream may have another epoch by now, as those of the rooms.
    session.namespaceMembership = result.memberships.find(isOfNamespace) ?? session.namespaceMembership;
    session.memberships.clear();
    for (const membership of memberships) session.memberships.set(membership.room, membership);
    this.#welcome(socket, session, hello, { resumed: true, refused: "", own: result.own, lost });
    return undefined;
  }

  /** The session object that goes on; the connection that held it until now is closed. */
  #takeOver(
    client: {
      readonly id: string;
      readonly token: string;
      readonly principal: string | undefined;
      readonly hello: Hello;
    },
    socket: io.HoldfastSocket,
    result: ResumedSession,
  ): Session | undefined {
    const delivery = this.#delivery;
    const { id, token, principal, hello } = client;
    const held = delivery.sessions.get(id);
    // A newer resume of the same session has been admitted while this one waited.
    if (held !== undefined && held.generation > result.generation) return undefined;
    if (held?.connection !== undefined) {
      const old = held.connection;
      old.refuse('["er","stale_generation","resumed by a newer connection"]');
      io.supersede(old.socket);
    }
    // Where no session may wait without a connection it has just been evicted, and goes on from the store.
    const { previousGeneration, previousNode } = result;
    const isHeldHere = held?.generation === previousGeneration && previousNode === delivery.node.id;
    // Nor does what another copy of the client has said or begun meanwhile, and what is not stored yet,
    // belong to this one.
    if (held !== undefined && !held.ended && isHeldHere && held.judge(hello) === "goes on") {
      delivery.resumed(held);
      held.generation = result.generation;
      takeChanges(held.data, socket.data);
      return held;
    }
    if (held !== undefined) delivery.endSession(held, "moved");
    const namespaceMembership = result.memberships.find(isOfNamespace);
    if (namespaceMembership === undefined)
      throw new DeliveryError("unknown_session", { detail: "no namespace" });
    const data = JSON.parse(result.data) as Record<string, unknown>;
    takeChanges(data, socket.data);
    const session = new Session(delivery, {
      id,
      token,
      principal,
      data,
      generation: result.generation,
      namespaceMembership,
      resumed: result,
    });
    delivery.add(session);
    delivery.node.others.handleResumed(session, hello, result);
    return session;
  }

  async #authorized(
    session: Session,
    socket: io.HoldfastSocket,
    result: ResumedSession,
  ): Promise<Membership[]> {
    const { authorize } = this.#delivery.options;
    const memberships = result.memberships.filter(({ room }) => room !== "");
    if (authorize === undefined) return memberships;
    const allowed: Membership[] = [];
    for (const membership of memberships) {
      const ok = await authorize(socket as unknown as Parameters<typeof authorize>[0], membership.room);
      if (ok) allowed.push(membership);
      else await this.#delivery.rooms.leave(session, membership.room);
    }
    return allowed;
  }

  async #open(
    socket: io.HoldfastSocket,
    hello: Hello,
    principal: string | undefined,
    refused: string,
  ): Promise<void> {
    const delivery = this.#delivery;
    const id = newSessionId();
    const token = `${id}.${randomBytes(24).toString("base64url")}`;
    const now = Date.now();
    const data = delivery.dataText(socket.data) ?? "{}";
    const namespaceMembership = await delivery.store.openSession({
      session: id,
      tokenDigest: parseToken(token).digest,
      namespace: delivery.name,
      principal,
      node: delivery.node.id,
      holder: hello.holder,
      data,
      namespaceKey: namespaceKey(delivery.name),
      now,
      expiresAt: now + delivery.options.sessionLifeMs,
    });
    const session = new Session(delivery, {
      id,
      token,
      principal,
      data: socket.data,
      generation: 1,
      namespaceMembership,
      resumed: undefined,
    });
    delivery.add(session);
    this.#welcome(
      socket,
      session,
      { ...hello, low: 1, positions: [] },
      { resumed: false, refused, own: undefined, lost: { streams: [], frames: [] } },
    );
  }

  /** Binds the socket to the session and writes down what CONNECT will say. */
  #welcome(
    socket: io.HoldfastSocket,
    session: Session,
    hello: Hello,
    how: {
      readonly resumed: boolean;
      readonly refused: string;
      readonly own: StreamHead | undefined;
      readonly lost: LostStreams;
    },
  ): void {
    const delivery = this.#delivery;
    const connection = new Connection(socket, {
      namespace: delivery.name,
      defaultParser: io.hasDefaultParser(delivery.node.server),
      bufferedCharactersLimit: delivery.options.bufferedCharactersLimit,
    });
    socket.id = session.id;
    socket.data = session.data;
    socket.recovered = how.resumed;
    this.#meter(how);
    socket.deliverySession = session;
    session.holder.took(hello.holder);
    const inbox = session.connect(connection, hello.low);
    const positions = new Map(hello.positions.map((position) => [position.stream, position]));
    const places = [session.namespaceMembership, ...session.memberships.values()].map((membership) =>
      placeOf(membership, positions.get(membership.head.stream)),
    );
    if (how.own !== undefined) places.push(ownPlace(how.own, positions.get(how.own.stream)));
    this.#places.set(socket, places);
    session.welcome = {
      version: protocolVersion,
      generation: session.generation,
      resumed: how.resumed,
      refused: how.refused,
      limits: delivery.options.limits,
      streams: [...places.map(openStream), ...how.lost.streams],
      frames: [...how.lost.frames, ...inbox.frames].map((frame) => JSON.parse(frame) as unknown),
      uploads: inbox.uploads,
    };
    void delivery.localRooms.addAll(session.id, new Set(session.memberships.keys()));
    delivery.node.report("session", { namespace: delivery.name, session: session.id, resumed: how.resumed });
  }

  #meter(how: { readonly resumed: boolean; readonly refused: string; readonly lost: LostStreams }): void {
    const { meter } = this.#delivery.options;
    if (meter === undefined) return;
    meter.admitted(isErrorCode(how.refused) ? how.refused : how.resumed ? "resumed" : "new");
    for (const _ of how.lost.streams) meter.gap("reset");
  }

  #isMember(session: Session, head: StreamHead): boolean {
    const own = roomKey(this.#delivery.name, session.id);
    if (head.key === own || head.stream === session.namespaceMembership.head.stream) return true;
    for (const membership of session.memberships.values()) {
      if (membership.head.stream === head.stream) return true;
    }
    return false;
  }
}

function isOfNamespace({ room }: Membership): boolean {
  return room === "";
}

/** Where the client stands in streams that its session is not a member of. */
function foreignPositions(hello: Hello, result: ResumedSession): ClientPosition[] {
  const streams = new Set(result.memberships.map(({ head }) => head.stream));
  if (result.own !== undefined) streams.add(result.own.stream);
  return hello.positions.filter(({ stream }) => !streams.has(stream));
}

/** `sessionId.secret`; only the digest of the whole is kept, so that a copy of the store opens no session. */
function parseToken(token: string): { readonly id: string; readonly digest: string } {
  const dot = token.indexOf(".");
  if (dot <= 0 || token.length > 128) return { id: "", digest: "" };
  return { id: token.slice(0, dot), digest: createHash("sha256").update(token).digest("hex") };
}

function sameDigest(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** 20 characters, as Socket.IO's own ids; the secret is in the token, not here. */
function newSessionId(): string {
  return randomBytes(15).toString("base64url");
}

function refusal(code: ErrorCode, detail?: string): Error {
  const error = new DeliveryError(code, detail === undefined ? {} : { detail });
  return Object.assign(error, { data: { code } });
}

/** A copy is told what a client is told whose session is gone: begin anew. */
const codeOf = {
  unknown_session: "unknown_session",
  wrong_token: "wrong_token",
  wrong_principal: "wrong_principal",
  copy: "unknown_session",
  late: "stale_generation",
} as const;

type PrincipalOf = NamespaceDelivery["options"]["principal"];
