/** The package `holdfast`: a Socket.IO server that delivers. */

export { DeliveryError, type ErrorCode, errorCatalogue } from "../protocol/errors.ts";
export type { Durability, Receipt } from "../store/port.ts";
export type {
  Delivery,
  DeliveryEvents,
  History,
  HistoryEntry,
  HistoryRequest,
  PublishOptions,
  SocketDelivery,
} from "./delivery.ts";
export type { NodeFigures } from "./delivery-node.ts";
export type { JoinOptions } from "./room-memberships.ts";
export type { DeliveryOptions } from "./options.ts";
export { type CurrentRequest, currentRequest, RetryLater } from "./request.ts";
export type { HoldfastServerOptions } from "./server.ts";
export type { EndReason, Session } from "./session.ts";
export { type BroadcastOperator, type Namespace, Server, type Socket } from "./types.ts";
