/**
 * @module A key server's checks before it evaluates the policy: the shape of the request and of its
 * programmable transaction, the session's certificate (time, wallet signature) and the session's
 * signature over the request.
 */
import { bcs } from '@mysten/sui/bcs';
import { GrpcTypes } from '@mysten/sui/grpc';
import { fromBase64, isValidSuiAddress, normalizeSuiAddress } from '@mysten/sui/utils';
import * as v from 'valibot';
import { decodeProgrammable } from '../chain/transaction.ts';
import { checkPersonalMessage, verifyEd25519 } from '../signatures.ts';

/** The errors a key server answers with, and their HTTP status. */
export const SEAL_ERRORS = {
  InvalidPTB: 403,
  InvalidPackage: 403,
  NoAccess: 403,
  InvalidCertificate: 403,
  InvalidSignature: 403,
  InvalidSessionSignature: 403,
  InvalidParameter: 403,
  InvalidMVRName: 403,
  InvalidSDKType: 400,
  InvalidSDKVersion: 400,
  InvalidServiceId: 400,
  MissingRequiredHeader: 400,
  Failure: 503,
} as const;

export type SealErrorName = keyof typeof SEAL_ERRORS;

/** Thrown by the checks; becomes the reply. */
export class SealRefusal extends Error {
  readonly error: SealErrorName;
  constructor(error: SealErrorName, message: string) {
    super(message);
    this.error = error;
  }
}

const base64 = (bytes?: number) =>
  v.pipe(
    v.string(),
    v.base64(),
    v.transform((value) => fromBase64(value)),
    v.check((value) => bytes === undefined || value.length === bytes, `expected ${bytes} bytes`),
  );

const FetchKeyRequest = v.object({
  ptb: base64(),
  enc_key: base64(48),
  enc_verification_key: base64(96),
  request_signature: base64(64),
  certificate: v.object({
    user: v.pipe(
      v.string(),
      v.check((value) => isValidSuiAddress(normalizeSuiAddress(value)), 'expected an address'),
      v.transform((value) => normalizeSuiAddress(value)),
    ),
    session_vk: base64(32),
    creation_time: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
    ttl_min: v.pipe(v.number(), v.integer()),
    signature: v.string(),
    mvr_name: v.optional(v.nullable(v.string())),
  }),
});

export type FetchKeyRequest = v.InferOutput<typeof FetchKeyRequest>;

/** @throws {SealRefusal} InvalidPTB when the body is not such a request. */
export const parseRequest = (body: Uint8Array): FetchKeyRequest => {
  let data: unknown;
  try {
    data = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch (error) {
    throw new SealRefusal('InvalidPTB', `expected JSON: ${String(error)}`);
  }
  const parsed = v.safeParse(FetchKeyRequest, data);
  if (!parsed.success)
    throw new SealRefusal('InvalidPTB', `malformed request: ${v.summarize(parsed.issues)}`);
  return parsed.output;
};

/** A transaction that may ask for keys, and the identities it asks for. */
export interface ApprovalRequest {
  readonly programmable: GrpcTypes.ProgrammableTransaction;
  readonly packageId: string;
  readonly innerIds: readonly Uint8Array[];
}

const MAX_COMMANDS = 100;
const refuse = (message: string): SealRefusal => new SealRefusal('InvalidPTB', message);

/**
 * Checks that a transaction only calls `seal_approve*` functions of one package, each with an
 * identity as its first argument.
 *
 * @throws {SealRefusal} InvalidPTB.
 */
export const parseApproval = (bytes: Uint8Array): ApprovalRequest => {
  let data: GrpcTypes.TransactionKind['data'];
  try {
    ({ data } = decodeProgrammable(bytes));
  } catch (error) {
    throw refuse(String(error));
  }
  if (data.oneofKind !== 'programmableTransaction') throw refuse('expected a transaction');
  const { inputs, commands } = data.programmableTransaction;
  if (inputs.length === 0) throw refuse('expected at least one input');
  if (commands.length === 0 || commands.length > MAX_COMMANDS)
    throw refuse(`expected 1 to ${MAX_COMMANDS} commands, got ${commands.length}`);
  const packages = new Set<string>();
  const innerIds = commands.map(({ command }) => {
    if (command.oneofKind !== 'moveCall') throw refuse('expected only Move calls');
    const call = command.moveCall;
    packages.add(normalizeSuiAddress(call.package ?? ''));
    if (!call.function?.startsWith('seal_approve'))
      throw refuse(`expected a seal_approve function, got ${call.function}`);
    if (call.arguments.some(({ kind }) => kind !== GrpcTypes.Argument_ArgumentKind.INPUT))
      throw refuse('expected only inputs as arguments');
    const first = inputs[call.arguments[0]?.input ?? -1];
    if (first?.kind !== GrpcTypes.Input_InputKind.PURE || !first.pure)
      throw refuse('expected an identity as the first argument');
    return identityOf(first.pure);
  });
  const [packageId] = packages;
  if (packageId === undefined || packages.size !== 1) throw refuse('expected calls of one package');
  return { programmable: data.programmableTransaction, packageId, innerIds };
};

const Identity = bcs.byteVector();

const identityOf = (pure: Uint8Array): Uint8Array => {
  let id: Uint8Array;
  try {
    id = Identity.parse(pure);
  } catch (error) {
    throw new SealRefusal('InvalidPTB', `expected an identity as vector<u8>: ${String(error)}`);
  }
  if (!Buffer.from(Identity.serialize(id).toBytes()).equals(pure))
    throw new SealRefusal('InvalidPTB', 'expected nothing after the identity');
  return id;
};

const MAX_TTL_MINUTES = 30;
const SignedRequest = bcs.struct('RequestFormat', {
  ptb: bcs.byteVector(),
  encKey: bcs.byteVector(),
  encVerificationKey: bcs.byteVector(),
});

/** The text that a wallet signs to open a session. */
const sessionMessage = (
  certificate: FetchKeyRequest['certificate'],
  packageId: string,
): Uint8Array => {
  const created = new Date(certificate.creation_time).toISOString();
  const at = created.slice(0, 19).replace('T', ' ');
  const key = Buffer.from(certificate.session_vk).toString('base64');
  return new TextEncoder().encode(
    `Accessing keys of package ${packageId} for ${certificate.ttl_min} mins from ${at} UTC, session key ${key}`,
  );
};

/**
 * Checks the session: not too long, not expired, not from the future, opened by the user, and
 * signing this very request.
 *
 * @throws {SealRefusal} InvalidCertificate, InvalidSignature, InvalidSessionSignature or
 * InvalidMVRName.
 */
export const checkSession = async (
  request: FetchKeyRequest,
  firstPackageId: string,
  nowMs: number,
): Promise<void> => {
  const { certificate } = request;
  if (certificate.mvr_name !== undefined && certificate.mvr_name !== null)
    throw new SealRefusal('InvalidMVRName', 'the devnet has no name registry');
  const { ttl_min: ttl, creation_time: created } = certificate;
  if (ttl < 1 || ttl > MAX_TTL_MINUTES || created > nowMs || created + ttl * 60_000 < nowMs)
    throw new SealRefusal('InvalidCertificate', 'the session is expired or not valid yet');
  try {
    await checkPersonalMessage(
      sessionMessage(certificate, firstPackageId),
      certificate.signature,
      certificate.user,
    );
  } catch (error) {
    throw new SealRefusal(
      'InvalidSignature',
      `the session was not opened by the user: ${String(error)}`,
    );
  }
  const signed = SignedRequest.serialize(
    {
      ptb: request.ptb,
      encKey: request.enc_key,
      encVerificationKey: request.enc_verification_key,
    },
    { maxSize: 1_048_576 },
  ).toBytes();
  if (!verifyEd25519(request.request_signature, signed, certificate.session_vk))
    throw new SealRefusal('InvalidSessionSignature', 'the request was not signed by the session');
};
