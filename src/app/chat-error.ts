/**
 * What the chat says no with. A handler that throws one of these rejects the caller's emit with its code and
 * message.
 */

export class ChatError extends Error {
  readonly code: ChatErrorCode;
  /**
   * Socket.IO hands `data` of a middleware's error to the client; handlers' errors travel by code and
   * message.
   */
  readonly data: { readonly code: ChatErrorCode };

  constructor(code: ChatErrorCode, message: string) {
    super(message);
    this.name = "ChatError";
    this.code = code;
    this.data = { code };
  }
}

export type ChatErrorCode =
  | "secret_wrong"
  | "input_wrong"
  | "text_empty"
  | "text_too_long"
  | "name_wrong"
  | "name_taken"
  | "names_used_up"
  | "name_missing"
  | "name_unknown"
  | "not_to_yourself"
  | "room_wrong"
  | "rooms_used_up"
  | "not_in_room"
  | "too_fast";
