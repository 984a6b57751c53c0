/**
 * @module A Seal key server in open mode: one master key, any package. It returns the key of an
 * identity if the package's own `seal_approve*` succeeds for the caller on the latest state of the
 * chain.
 */
import { GrpcTypes } from '@mysten/sui/grpc';
import { toBase64 } from '@mysten/sui/utils';
import type { Chain } from '../chain/chain.ts';
import { GrpcError, GRPC } from '../chain/grpc-web.ts';
import type { G1Point } from '../bls12-381.ts';
import { json, type HttpHandler, type HttpReply, type HttpRequest } from '../http.ts';
import { Lru } from '../lru.ts';
import { encryptKey, extract, fullIdentity, proofOfPossession } from './ibe.ts';
import type { Requesters } from './requesters.ts';
import {
  checkSession,
  parseApproval,
  parseRequest,
  SEAL_ERRORS,
  SealRefusal,
  type ApprovalRequest,
} from './request.ts';

/** At least what the SDK asks for. */
const SERVER_VERSION = '0.5.0';
export const VERSION_HEADER = 'X-KeyServer-Version';
/** Bytes of a fetch_key request. */
export const BODY_LIMIT = 180 * 1024;
const SDK_TYPES = new Set(['typescript', 'rust', 'golang', 'python', 'aggregator']);

export interface KeyServerOptions {
  readonly chain: Pick<Chain, 'vm' | 'state'>;
  /** Asks a policy on the latest state: what it fails with, undefined where it holds. */
  readonly evaluate: (
    programmable: ApprovalRequest['programmable'],
    sender: string,
  ) => GrpcTypes.ExecutionError | undefined;
  /** The KeyServer object it is registered as. */
  readonly objectId: string;
  /** Master secret: a scalar of 32 bytes. */
  readonly secretKey: Uint8Array;
  /** Wall clock in milliseconds, against which sessions are checked. */
  readonly now: () => number;
  /** Shared by the servers of one process. */
  readonly requesters: Requesters;
}

/** User secret keys that a server keeps: each follows from its master key and the identity. */
const MAX_USER_KEYS = 1_024;
/** The client hung up before the answer, so this is never read. */
const GONE: HttpReply = { status: 499 };

const headers = { [VERSION_HEADER]: SERVER_VERSION };

const checkClient = ({ headers: received }: HttpRequest): void => {
  const version = received['client-sdk-version'];
  if (typeof version !== 'string')
    throw new SealRefusal('MissingRequiredHeader', 'expected Client-Sdk-Version');
  if (!/^\d+\.\d+\.\d+/.test(version))
    throw new SealRefusal('InvalidSDKVersion', `expected a version, got ${version}`);
  const type = received['client-sdk-type'];
  if (type !== undefined && !SDK_TYPES.has(String(type)))
    throw new SealRefusal('InvalidSDKType', `unknown kind of SDK ${String(type)}`);
};

/**
 * Runs the policy. What the user may not do is NoAccess; what no one can do is the request's fault.
 */
const askPolicy = (
  evaluate: KeyServerOptions['evaluate'],
  approval: ApprovalRequest,
  user: string,
): void => {
  const kinds = GrpcTypes.ExecutionError_ExecutionErrorKind;
  let error: GrpcTypes.ExecutionError | undefined;
  try {
    error = evaluate(approval.programmable, user);
  } catch (thrown) {
    if (!(thrown instanceof GrpcError)) throw thrown;
    throw thrown.code === GRPC.NOT_FOUND
      ? new SealRefusal('InvalidParameter', thrown.message)
      : new SealRefusal('NoAccess', thrown.message);
  }
  if (!error) return;
  const message = error.description ?? 'denied';
  const malformed: readonly (number | undefined)[] = [
    kinds.FUNCTION_NOT_FOUND,
    kinds.ARITY_MISMATCH,
    kinds.TYPE_ARGUMENT_ERROR,
    kinds.NON_ENTRY_FUNCTION_INVOKED,
  ];
  throw new SealRefusal(malformed.includes(error.kind) ? 'InvalidPTB' : 'NoAccess', message);
};

export const keyServerHandler = (options: KeyServerOptions): HttpHandler => {
  const { chain, evaluate, objectId, secretKey, now, requesters } = options;
  const pop = toBase64(proofOfPossession(secretKey, objectId));
  const keys = new Lru<G1Point>(MAX_USER_KEYS);
  const userKey = (identity: Uint8Array): G1Point =>
    keys.getOrCreate(toBase64(identity), () => extract(secretKey, identity));
  const fetchKeys = async (request: HttpRequest): Promise<HttpReply> => {
    checkClient(request);
    const body = parseRequest(request.body);
    if (!(await requesters.isWaiting(body.enc_key, request.signal))) return GONE;
    const approval = parseApproval(body.ptb);
    const info = chain.vm.getPackage(approval.packageId);
    if (!info || chain.state.get(approval.packageId)?.objectType !== 'package')
      throw new SealRefusal('InvalidPackage', `there is no package ${approval.packageId}`);
    await checkSession(body, info.originalId, now());
    askPolicy(evaluate, approval, body.certificate.user);
    const target = encryptionPoint(requesters, body.enc_key);
    const decryptionKeys = approval.innerIds.map((innerId) => {
      const identity = fullIdentity(info.originalId, innerId);
      const encrypted = encryptKey(userKey(identity), target);
      return { id: [...identity], encrypted_key: encrypted.map((part) => toBase64(part)) };
    });
    requesters.answered(body.enc_key);
    return json({ decryption_keys: decryptionKeys }, 200, headers);
  };
  const service = ({ url }: HttpRequest): HttpReply => {
    const asked = url.searchParams.get('service_id');
    if (asked !== objectId)
      throw new SealRefusal('InvalidServiceId', `this server is ${objectId}, not ${asked}`);
    return json({ service_id: objectId, pop }, 200, headers);
  };
  return async (request) => {
    const { pathname } = request.url;
    try {
      if (request.method === 'GET' && pathname === '/health') return json('ok', 200, headers);
      if (request.method === 'GET' && pathname === '/v1/service') return service(request);
      if (request.method === 'POST' && pathname === '/v1/fetch_key')
        return await fetchKeys(request);
      return json({ error: 'NotFound', message: 'no such route' }, 404, headers);
    } catch (error) {
      if (error instanceof SealRefusal)
        return json(
          { error: error.error, message: error.message },
          SEAL_ERRORS[error.error],
          headers,
        );
      const message = error instanceof Error ? error.message : String(error);
      return json({ error: 'Failure', message }, SEAL_ERRORS.Failure, headers);
    }
  };
};

const encryptionPoint = (requesters: Requesters, encryptionKey: Uint8Array): G1Point => {
  try {
    return requesters.point(encryptionKey);
  } catch (error) {
    throw new SealRefusal('InvalidPTB', `enc_key: ${String(error)}`);
  }
};
