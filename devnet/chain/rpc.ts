/**
 * @module The methods of Sui's gRPC API that the SDKs call, over one chain.
 */
import { bcs } from '@mysten/sui/bcs';
import { GrpcTypes } from '@mysten/sui/grpc';
import { normalizeStructTag, normalizeSuiAddress } from '@mysten/sui/utils';
import type { MoveVm } from '../move/types.ts';
import type { Chain } from './chain.ts';
import { simulate } from './dry-run.ts';
import { coinTypeOf, toProtoObject } from './encode.ts';
import { coinBalance } from './executor.ts';
import { REFERENCE_GAS_PRICE } from './gas.ts';
import { GRPC, GrpcError, type GrpcHandler } from './grpc-web.ts';
import { requireAddress } from './inputs.ts';
import { typeMatches, type ChainObject } from './objects.ts';
import { datatypeDescriptor, functionDescriptor, packageDescriptor } from './packages.ts';
import { listEvents, listTransactions } from './queries.ts';

const MAX_BATCH = 200;
const DEFAULT_PAGE = 50;
const MAX_PAGE = 1_000;

const notFound = (message: string): GrpcError => new GrpcError(GRPC.NOT_FOUND, message);

const pathsOf = (mask: { paths: string[] } | undefined): ReadonlySet<string> =>
  new Set(mask?.paths ?? []);

/** What metadata the RPC reports for a coin type that has no CoinMetadata object. */
export interface CoinInfo {
  readonly decimals: number;
  readonly name: string;
  readonly symbol: string;
  readonly description: string;
}

const pageOf = <T extends { readonly id: string }>(
  items: readonly T[],
  token: Uint8Array | undefined,
  size: number | undefined,
): { readonly items: readonly T[]; readonly nextPageToken?: Uint8Array } => {
  const after = token && token.length > 0 ? Buffer.from(token).toString() : '';
  const rest = items.filter(({ id }) => id > after);
  const taken = rest.slice(0, Math.min(size || DEFAULT_PAGE, MAX_PAGE));
  const last = taken.at(-1);
  return {
    items: taken,
    ...(last && taken.length < rest.length ? { nextPageToken: Buffer.from(last.id) } : {}),
  };
};

const FIELD = /^0x0{63}2::dynamic_field::Field<(.*)>$/;
const WRAPPER = /^0x0{63}2::dynamic_object_field::Wrapper<(.*)>$/;

/** Splits the two type arguments of `Field<N, V>`. */
const fieldTypes = (objectType: string): readonly [string, string] | undefined => {
  const inner = FIELD.exec(objectType)?.[1];
  if (inner === undefined) return undefined;
  let depth = 0;
  for (let at = 0; at < inner.length; at += 1) {
    if (inner[at] === '<') depth += 1;
    if (inner[at] === '>') depth -= 1;
    if (inner[at] === ',' && depth === 0)
      return [inner.slice(0, at).trim(), inner.slice(at + 1).trim()];
  }
  return undefined;
};

const dynamicField = (
  object: ChainObject,
  parent: string,
  chain: Chain,
  vm: MoveVm,
): GrpcTypes.DynamicField | undefined => {
  const types = fieldTypes(object.objectType);
  if (!types) return undefined;
  const [, name, value] = vm.fieldBytes(object.objectType, object.contents) ?? [];
  if (!name || !value) return undefined;
  const wrapped = WRAPPER.exec(types[0])?.[1];
  const kinds = GrpcTypes.DynamicField_DynamicFieldKind;
  const field = { parent, fieldId: object.id, value: { name: types[1], value } };
  if (wrapped === undefined)
    return {
      ...field,
      kind: kinds.FIELD,
      name: { name: types[0], value: name },
      valueType: types[1],
    };
  const childId = normalizeSuiAddress(Buffer.from(value).toString('hex'));
  return {
    ...field,
    kind: kinds.OBJECT,
    name: { name: wrapped, value: name },
    valueType: chain.readable.get(childId)?.objectType ?? '',
    childId,
  };
};

const CoinMetadata = bcs.struct('CoinMetadata', {
  id: bcs.Address,
  decimals: bcs.u8(),
  name: bcs.string(),
  symbol: bcs.string(),
  description: bcs.string(),
  icon_url: bcs.option(bcs.string()),
});

const balance = (coinType: string, total: bigint): GrpcTypes.Balance => ({
  coinType,
  balance: total,
  coinBalance: total,
  addressBalance: 0n,
});

const timestamp = (ms: number) => ({
  seconds: BigInt(Math.floor(ms / 1000)),
  nanos: (ms % 1000) * 1_000_000,
});

type Serve = (path: string, handler: GrpcHandler) => void;

const objectOf = (
  chain: Chain,
  request: GrpcTypes.GetObjectRequest,
  paths: ReadonlySet<string>,
) => {
  const id = requireAddress(request.objectId, 'an object');
  const object = chain.readable.get(id);
  if (!object || (request.version !== undefined && request.version !== object.version))
    throw notFound(`Object ${id} not found`);
  return toProtoObject(object, chain.vm, paths);
};

const transactionOf = (chain: Chain, digest: string | undefined): GrpcTypes.ExecutedTransaction => {
  const record = chain.transaction(digest ?? '');
  if (!record) throw notFound(`Transaction ${digest} not found`);
  return record.executed;
};

/** What an address owns, by coin type. */
const balancesOf = (chain: Chain, owner: string): ReadonlyMap<string, bigint> => {
  const totals = new Map<string, bigint>();
  for (const object of chain.readable.ownedBy({ type: 'address', address: owner })) {
    const type = coinTypeOf(object.objectType);
    if (type !== undefined)
      totals.set(type, (totals.get(type) ?? 0n) + coinBalance(object.contents));
  }
  return totals;
};

const packageOf = (chain: Chain, id: string | undefined) => {
  const address = requireAddress(id, 'a package');
  const info = chain.readable.get(address) && chain.vm.getPackage(address);
  if (!info) throw notFound(`Package ${address} not found`);
  return info;
};

const serveLedger = (serve: Serve, chain: Chain): void => {
  serve('LedgerService/GetServiceInfo', (): GrpcTypes.GetServiceInfoResponse => ({
    chainId: chain.chainId,
    chain: 'floe-devnet',
    epoch: chain.epoch,
    checkpointHeight: BigInt(chain.readableLength),
    timestamp: timestamp(chain.timeMs),
    lowestAvailableCheckpoint: 0n,
    lowestAvailableCheckpointObjects: 0n,
    server: 'floe-devnet',
  }));
  serve('LedgerService/GetEpoch', (): GrpcTypes.GetEpochResponse => ({
    epoch: {
      epoch: chain.epoch,
      start: timestamp(chain.epochStartMs),
      referenceGasPrice: REFERENCE_GAS_PRICE,
      protocolConfig: GrpcTypes.ProtocolConfig.create({ protocolVersion: 1n }),
      systemState: GrpcTypes.SystemState.create({
        version: 2n,
        epoch: chain.epoch,
        protocolVersion: 1n,
        referenceGasPrice: REFERENCE_GAS_PRICE,
        epochStartTimestampMs: BigInt(chain.epochStartMs),
        safeMode: false,
      }),
    },
  }));
  serve('LedgerService/GetObject', (request: GrpcTypes.GetObjectRequest) => ({
    object: objectOf(chain, request, pathsOf(request.readMask)),
  }));
  serve(
    'LedgerService/BatchGetObjects',
    (request: GrpcTypes.BatchGetObjectsRequest): GrpcTypes.BatchGetObjectsResponse => {
      if (request.requests.length > MAX_BATCH)
        throw new GrpcError(GRPC.INVALID_ARGUMENT, `expected at most ${MAX_BATCH} objects`);
      const paths = pathsOf(request.readMask);
      return {
        objects: request.requests.map((item): GrpcTypes.GetObjectResult => {
          try {
            return { result: { oneofKind: 'object', object: objectOf(chain, item, paths) } };
          } catch (error) {
            if (!(error instanceof GrpcError)) throw error;
            const { code, message } = error;
            return { result: { oneofKind: 'error', error: { code, message, details: [] } } };
          }
        }),
      };
    },
  );
  serve('LedgerService/GetTransaction', (request: GrpcTypes.GetTransactionRequest) => ({
    transaction: transactionOf(chain, request.digest),
  }));
  serve(
    'LedgerService/BatchGetTransactions',
    (request: GrpcTypes.BatchGetTransactionsRequest): GrpcTypes.BatchGetTransactionsResponse => ({
      transactions: request.digests.slice(0, MAX_BATCH).map((digest) => {
        const record = chain.transaction(digest);
        return record
          ? { result: { oneofKind: 'transaction', transaction: record.executed } }
          : {
              result: {
                oneofKind: 'error',
                error: { code: GRPC.NOT_FOUND, message: `${digest} not found`, details: [] },
              },
            };
      }),
    }),
  );
  serve('LedgerService/ListEvents', (request: GrpcTypes.ListEventsRequest) =>
    listEvents(chain, request),
  );
  serve('LedgerService/ListTransactions', (request: GrpcTypes.ListTransactionsRequest) =>
    listTransactions(chain, request),
  );
};

const serveState = (serve: Serve, chain: Chain, coins: ReadonlyMap<string, CoinInfo>): void => {
  serve(
    'StateService/ListOwnedObjects',
    (request: GrpcTypes.ListOwnedObjectsRequest): GrpcTypes.ListOwnedObjectsResponse => {
      const address = requireAddress(request.owner, 'the owner');
      const all = chain.readable
        .ownedBy({ type: 'address', address })
        .filter(
          ({ objectType }) => !request.objectType || typeMatches(request.objectType, objectType),
        );
      const { items, ...next } = pageOf(all, request.pageToken, request.pageSize);
      const paths = pathsOf(request.readMask);
      return { objects: items.map((object) => toProtoObject(object, chain.vm, paths)), ...next };
    },
  );
  serve(
    'StateService/ListDynamicFields',
    (request: GrpcTypes.ListDynamicFieldsRequest): GrpcTypes.ListDynamicFieldsResponse => {
      const parent = requireAddress(request.parent, 'the parent');
      const all = chain.readable.ownedBy({ type: 'object', parent });
      const { items, ...next } = pageOf(all, request.pageToken, request.pageSize);
      const dynamicFields = items.flatMap(
        (object) => dynamicField(object, parent, chain, chain.vm) ?? [],
      );
      return { dynamicFields, ...next };
    },
  );
  serve(
    'StateService/GetBalance',
    (request: GrpcTypes.GetBalanceRequest): GrpcTypes.GetBalanceResponse => {
      const coinType = normalizeStructTag(request.coinType ?? '0x2::sui::SUI');
      const owner = requireAddress(request.owner, 'the owner');
      const held = [...balancesOf(chain, owner)].find(([type]) => typeMatches(coinType, type));
      return { balance: balance(coinType, held?.[1] ?? 0n) };
    },
  );
  serve(
    'StateService/ListBalances',
    (request: GrpcTypes.ListBalancesRequest): GrpcTypes.ListBalancesResponse => ({
      balances: [...balancesOf(chain, requireAddress(request.owner, 'the owner'))].map(
        ([type, total]) => balance(type, total),
      ),
    }),
  );
  serve(
    'StateService/GetCoinInfo',
    (request: GrpcTypes.GetCoinInfoRequest): GrpcTypes.GetCoinInfoResponse => {
      const coinType = normalizeStructTag(request.coinType ?? '');
      const known = coins.get(coinType);
      if (known) return { coinType, metadata: known };
      const wanted = `0x2::coin::CoinMetadata<${coinType}>`;
      for (const object of chain.readable.objects())
        if (object.objectType.includes('::') && typeMatches(wanted, object.objectType)) {
          const data = CoinMetadata.parse(object.contents);
          const { id, decimals, name, symbol, description, icon_url: iconUrl } = data;
          const metadata = { id, decimals, name, symbol, description };
          return { coinType, metadata: iconUrl === null ? metadata : { ...metadata, iconUrl } };
        }
      throw notFound(`Coin ${coinType} not found`);
    },
  );
};

const servePackages = (serve: Serve, chain: Chain): void => {
  serve('MovePackageService/GetPackage', (request: GrpcTypes.GetPackageRequest) => ({
    package: packageDescriptor(packageOf(chain, request.packageId)),
  }));
  serve('MovePackageService/GetFunction', (request: GrpcTypes.GetFunctionRequest) => {
    const { storageId } = packageOf(chain, request.packageId);
    const info = chain.vm.getFunction(storageId, request.moduleName ?? '', request.name ?? '');
    if (!info) throw notFound(`${storageId}::${request.moduleName}::${request.name} not found`);
    return { function: functionDescriptor(info) };
  });
  serve('MovePackageService/GetDatatype', (request: GrpcTypes.GetDatatypeRequest) => {
    const info = packageOf(chain, request.packageId);
    const module = info.modules.find(({ name }) => name === request.moduleName);
    const datatype = module?.info.datatypes.find(({ name }) => name === request.name);
    if (!module || !datatype)
      throw notFound(`${info.storageId}::${request.moduleName}::${request.name} not found`);
    return { datatype: datatypeDescriptor(info, module.name, datatype) };
  });
};

const serveTransactions = (serve: Serve, chain: Chain): void => {
  serve(
    'TransactionExecutionService/SimulateTransaction',
    (request: GrpcTypes.SimulateTransactionRequest): GrpcTypes.SimulateTransactionResponse => {
      if (!request.transaction)
        throw new GrpcError(GRPC.INVALID_ARGUMENT, 'expected a transaction');
      const { executed, results } = simulate(chain, {
        transaction: request.transaction,
        checks:
          (request.checks ?? 0) === GrpcTypes.SimulateTransactionRequest_TransactionChecks.ENABLED,
        doGasSelection: request.doGasSelection ?? false,
      });
      return {
        transaction: executed,
        commandOutputs: results.map((values) => ({
          returnValues: values.map((value) => ({ value: { value } })),
          mutatedByRef: [],
        })),
        suggestedGasPrice: REFERENCE_GAS_PRICE,
      };
    },
  );
  serve(
    'TransactionExecutionService/ExecuteTransaction',
    async (request: GrpcTypes.ExecuteTransactionRequest) => {
      const sent = request.transaction?.bcs?.value;
      if (!sent) throw new GrpcError(GRPC.INVALID_ARGUMENT, 'expected BCS TransactionData');
      // The chain keeps it: a part of the request's body would keep all of that.
      const bytes = Uint8Array.from(sent);
      const signatures = request.signatures.map(({ bcs: signature }) => {
        if (!signature?.value)
          throw new GrpcError(GRPC.INVALID_ARGUMENT, 'expected signatures as bytes');
        return Uint8Array.from(signature.value);
      });
      return { transaction: (await chain.execute(bytes, signatures)).executed };
    },
  );
};

/** The handlers by path, for `grpcWebHandler`. */
export const suiHandlers = (
  chain: Chain,
  coins: ReadonlyMap<string, CoinInfo>,
): ReadonlyMap<string, GrpcHandler> => {
  const handlers = new Map<string, GrpcHandler>();
  const serve: Serve = (path, handler) => void handlers.set(`/sui.rpc.v2.${path}`, handler);
  serveLedger(serve, chain);
  serveState(serve, chain, coins);
  servePackages(serve, chain);
  serveTransactions(serve, chain);
  return handlers;
};
