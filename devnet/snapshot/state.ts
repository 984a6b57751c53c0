/**
 * @module A chain as bytes: its objects, packages and clock, and its history, transaction by
 * transaction.
 */
import { gunzipSync, gzipSync } from 'node:zlib';
import { GrpcTypes } from '@mysten/sui/grpc';
import { fromBase64, toBase64 } from '@mysten/sui/utils';
import * as v from 'valibot';
import { DevnetError } from '../errors.ts';
import type { Chain } from '../chain/chain.ts';
import type { ChainObject, PackageData } from '../chain/objects.ts';

/** Bytes of a state, decompressed. */
const STATE_LIMIT = 1024 * 1024 * 1024;

const bytes = v.pipe(
  v.string(),
  v.transform((text) => fromBase64(text)),
);
const big = v.pipe(
  v.string(),
  v.regex(/^\d+$/),
  v.transform((text) => BigInt(text)),
);

const Owner = v.variant('type', [
  v.object({ type: v.literal('address'), address: v.string() }),
  v.object({ type: v.literal('object'), parent: v.string() }),
  v.object({ type: v.literal('shared'), version: big }),
  v.object({ type: v.literal('immutable') }),
]);

const pairs = v.array(v.tuple([v.string(), v.string()]));

const State = v.object({
  epoch: big,
  clockOffset: v.number(),
  objects: v.array(
    v.object({
      id: v.string(),
      version: big,
      digest: v.string(),
      owner: Owner,
      objectType: v.string(),
      contents: bytes,
      hasPublicTransfer: v.boolean(),
      previousTransaction: v.string(),
      storageRebate: big,
      package: v.optional(
        v.object({
          originalId: v.string(),
          modules: v.array(v.tuple([v.string(), bytes])),
          linkage: pairs,
          typeOrigins: pairs,
        }),
      ),
    }),
  ),
});

type SavedObject = v.InferOutput<typeof State>['objects'][number];

const toObject = ({ package: saved, ...object }: SavedObject): ChainObject => ({
  ...object,
  ...(saved
    ? {
        package: {
          originalId: saved.originalId,
          modules: new Map(saved.modules),
          linkage: new Map(saved.linkage),
          typeOrigins: new Map(saved.typeOrigins),
        },
      }
    : {}),
});

/**
 * Registers saved packages in the machine, each after the packages it links to and the version it
 * upgrades.
 */
const registerPackages = (chain: Chain, objects: readonly ChainObject[]): void => {
  const packages = objects
    .flatMap(({ id, version, package: data }) => (data ? [{ id, version, data }] : []))
    .filter(({ id }) => !chain.vm.getPackage(id));
  const latest = new Map<string, string>();
  let waiting = packages.toSorted((a, b) => Number(a.version - b.version));
  while (waiting.length > 0) {
    const ready = waiting.filter(({ id, data, version }) => {
      const dependencies = [...data.linkage.values()].filter((other) => other !== id);
      const previous = version === 1n || latest.has(data.originalId);
      return previous && dependencies.every((other) => chain.vm.getPackage(other));
    });
    if (ready.length === 0)
      throw new DevnetError(
        'snapshot_invalid',
        'the snapshot holds a package whose dependencies lack',
      );
    for (const { id, data } of ready) {
      publishSaved(chain, id, data, latest.get(data.originalId));
      latest.set(data.originalId, id);
    }
    waiting = waiting.filter((item) => !ready.includes(item));
  }
};

const publishSaved = (
  chain: Chain,
  storageId: string,
  data: PackageData,
  upgrades: string | undefined,
): void => {
  const result = chain.vm.publish({
    storageId,
    modules: [...data.modules.values()],
    dependencies: [...data.linkage.values()].filter((other) => other !== storageId),
    ...(upgrades === undefined ? {} : { upgrades }),
  });
  if (result.status === 'failure')
    throw new DevnetError('snapshot_invalid', `package ${storageId}: ${result.failure.message}`);
};

/** The current state of a chain: objects, packages, clock; not its history. Compressed JSON. */
export const encodeState = (chain: Chain): Uint8Array => {
  const state = {
    epoch: chain.epoch,
    clockOffset: chain.clockOffset,
    objects: [...chain.state.objects()].map(({ package: data, ...object }) => ({
      ...object,
      contents: toBase64(object.contents),
      ...(data
        ? {
            package: {
              originalId: data.originalId,
              modules: [...data.modules].map(([name, code]) => [name, toBase64(code)]),
              linkage: [...data.linkage],
              typeOrigins: [...data.typeOrigins],
            },
          }
        : {}),
    })),
  };
  const text = JSON.stringify(state, (_key, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  );
  return gzipSync(text, { level: 3 });
};

/**
 * Puts a saved state and history into a chain that has only its genesis packages.
 *
 * @throws {DevnetError} snapshot_invalid
 */
export const restoreState = (
  chain: Chain,
  state: Uint8Array,
  executed: readonly GrpcTypes.ExecutedTransaction[],
): void => {
  let data: unknown;
  try {
    data = JSON.parse(gunzipSync(state, { maxOutputLength: STATE_LIMIT }).toString('utf8'));
  } catch (cause) {
    throw new DevnetError('snapshot_invalid', 'the saved state cannot be read', { cause });
  }
  const parsed = v.safeParse(State, data);
  if (!parsed.success)
    throw new DevnetError('snapshot_invalid', `the saved state: ${v.summarize(parsed.issues)}`);
  const { epoch, clockOffset } = parsed.output;
  const objects = parsed.output.objects.map(toObject);
  registerPackages(chain, objects);
  chain.restore({ objects, executed, epoch, clockOffset });
};

/** Transactions one after the other, each with its length (u32, little-endian) before it. */
export const encodeTransactions = (
  executed: readonly GrpcTypes.ExecutedTransaction[],
): Uint8Array =>
  Buffer.concat(
    executed.flatMap((item) => {
      const encoded = GrpcTypes.ExecutedTransaction.toBinary(item);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(encoded.length);
      return [length, encoded];
    }),
  );

/** @throws {DevnetError} snapshot_invalid */
export const decodeTransactions = (
  encoded: Uint8Array,
): readonly GrpcTypes.ExecutedTransaction[] => {
  const view = new DataView(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  const executed: GrpcTypes.ExecutedTransaction[] = [];
  try {
    for (let at = 0; at < encoded.length;) {
      const end = at + 4 + view.getUint32(at, true);
      if (end > encoded.length) throw new RangeError(`${end} is beyond ${encoded.length} bytes`);
      executed.push(GrpcTypes.ExecutedTransaction.fromBinary(encoded.subarray(at + 4, end)));
      at = end;
    }
  } catch (cause) {
    throw new DevnetError('snapshot_invalid', 'the saved transactions are damaged', { cause });
  }
  return executed;
};
