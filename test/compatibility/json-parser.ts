/** A parser of the kind that Socket.IO's documentation shows: packets are JSON text. */

import { Emitter } from "@socket.io/component-emitter";

export class Encoder {
  encode(packet: object): string[] {
    return [JSON.stringify(packet)];
  }
}

export class Decoder extends Emitter<
  { decoded: (packet: object) => void },
  { decoded: (packet: object) => void }
> {
  add(text: string): void {
    const packet = JSON.parse(text) as { type?: unknown; nsp?: unknown };
    if (typeof packet.type !== "number" || typeof packet.nsp !== "string") throw new Error("invalid packet");
    this.emit("decoded", packet);
  }

  destroy(): void {
    this.off();
  }
}
