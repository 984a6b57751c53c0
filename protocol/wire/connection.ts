/**
 * @module The transport port: an ordered, reliable duplex of binary frames. WebSocket and message
 * ports implement it; the coordinator's sessions and the participant know nothing else of the
 * network.
 */
export interface ConnectionHandlers {
  readonly message: (frame: Uint8Array) => void;
  /** Called exactly once, whoever closed. */
  readonly close: (code: number, reason: string) => void;
}

export interface Connection {
  /** Where the peer is, for logs: an address and port, or the name of a simulated peer. */
  readonly remote: string;
  /** Bytes handed to `send` that have not left yet. */
  readonly bufferedBytes: number;
  /** Queues one frame. Does nothing once the connection is closed. */
  send(frame: Uint8Array): void;
  /**
   * Closes with a WebSocket close code (1000 normal, 4000 with an error's code as the reason).
   * Idempotent.
   */
  close(code: number, reason: string): void;
  /** Sets the handlers; frames that came before are delivered first. */
  receive(handlers: ConnectionHandlers): void;
}
