/**
 * @module gRPC-Web over plain HTTP/1.1, in the two encodings that browsers and `SuiGrpcClient` use:
 * binary frames and base64 text. Methods are looked up in the service descriptors that
 * `@mysten/sui/grpc` exports, so every message is encoded by the SDK's own codec.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import type { HttpReply, HttpRequest } from '../http.ts';

/** The status codes the devnet answers with (a subset of gRPC's). */
export const GRPC = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
} as const;

/** Thrown by handlers; becomes the trailer's status. */
export class GrpcError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

interface MessageCodec {
  /**
   * `never`, because which message it is depends on the method: a handler may name any type for it.
   */
  fromBinary(bytes: Uint8Array): never;
  create(value: unknown): unknown;
  toBinary(message: unknown): Uint8Array;
}

interface MethodInfo {
  readonly name: string;
  readonly I: MessageCodec;
  readonly O: MessageCodec;
  readonly serverStreaming: boolean;
}

interface ServiceInfo {
  readonly typeName: string;
  readonly methods: readonly MethodInfo[];
}

/** A handler takes the decoded request and gives one message, or the messages of a stream. */
export type GrpcHandler = (request: never) => unknown;

const isService = (value: unknown): value is ServiceInfo =>
  typeof value === 'object' && value !== null && 'methods' in value && 'typeName' in value;

const methodTable = (): ReadonlyMap<string, MethodInfo> => {
  const table = new Map<string, MethodInfo>();
  for (const value of Object.values(GrpcTypes) as unknown[])
    if (isService(value))
      for (const method of value.methods) table.set(`/${value.typeName}/${method.name}`, method);
  return table;
};

const frame = (type: number, payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(5 + payload.length);
  bytes[0] = type;
  new DataView(bytes.buffer).setUint32(1, payload.length);
  bytes.set(payload, 5);
  return bytes;
};

const trailer = (code: number, message: string): Uint8Array =>
  frame(
    0x80,
    new TextEncoder().encode(
      `grpc-status: ${code}\r\ngrpc-message: ${encodeURIComponent(message)}\r\n`,
    ),
  );

const firstFrame = (bytes: Uint8Array): Uint8Array => {
  if (bytes.length < 5) throw new GrpcError(GRPC.INVALID_ARGUMENT, 'expected a gRPC-Web frame');
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const length = view.getUint32(1);
  if (bytes[0] !== 0 || bytes.length < 5 + length)
    throw new GrpcError(GRPC.INVALID_ARGUMENT, 'expected one uncompressed gRPC-Web data frame');
  return bytes.subarray(5, 5 + length);
};

/**
 * Serves the given handlers, named by path such as `/sui.rpc.v2.LedgerService/GetEpoch`. Methods
 * without a handler are answered UNIMPLEMENTED.
 */
export const grpcWebHandler = (
  handlers: ReadonlyMap<string, GrpcHandler>,
): ((request: HttpRequest) => Promise<HttpReply>) => {
  const methods = methodTable();
  return async ({ method, url, headers, body }) => {
    if (method !== 'POST') return { status: 405 };
    const isText = (headers['content-type'] ?? '').startsWith('application/grpc-web-text');
    const reply = (frames: readonly Uint8Array[]): HttpReply => {
      const all = Buffer.concat(frames);
      return {
        status: 200,
        headers: {
          'content-type': isText ? 'application/grpc-web-text+proto' : 'application/grpc-web+proto',
        },
        body: isText ? all.toString('base64') : all,
      };
    };
    try {
      const info = methods.get(url.pathname);
      const handler = handlers.get(url.pathname);
      if (!info || !handler)
        throw new GrpcError(GRPC.UNIMPLEMENTED, `the devnet does not serve ${url.pathname}`);
      const bytes = isText ? Buffer.from(Buffer.from(body).toString('latin1'), 'base64') : body;
      const result: unknown = await handler(info.I.fromBinary(firstFrame(bytes)));
      const messages: readonly unknown[] =
        info.serverStreaming && Array.isArray(result) ? result : [result];
      const data = messages.map((message) => frame(0, info.O.toBinary(info.O.create(message))));
      return reply([...data, trailer(GRPC.OK, '')]);
    } catch (error) {
      const code = error instanceof GrpcError ? error.code : GRPC.INTERNAL;
      const message = error instanceof Error ? error.message : String(error);
      return reply([trailer(code, message)]);
    }
  };
};
