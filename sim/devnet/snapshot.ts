/**
 * @module A devnet on disk, so that a run can be resumed: objects, packages, transactions, clock, and what the storage nodes
 * hold. One JSON file, written beside and renamed, so that a crash leaves the old one.
 */
import { existsSync } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { GrpcTypes } from '@mysten/sui/grpc';
import { fromBase64, toBase64 } from '@mysten/sui/utils';
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import type { Chain } from './chain/chain.ts';
import type { ChainObject, PackageData } from './chain/objects.ts';
import { parseBlobId, parseMetadata } from './walrus/layout.ts';
import type { StorageNode } from './walrus/storage-node.ts';

const FORMAT = 1;

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

const Snapshot = v.object({
  format: v.literal(FORMAT),
  chainId: v.string(),
  epoch: big,
  clockOffset: v.number(),
  floePackageId: v.optional(v.string()),
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
  transactions: v.array(bytes),
  nodes: v.array(
    v.array(
      v.object({
        blobId: v.string(),
        metadata: bytes,
        slivers: v.array(v.tuple([v.string(), bytes])),
      }),
    ),
  ),
});

type SavedObject = v.InferOutput<typeof Snapshot>['objects'][number];

/** A snapshot that was read, ready to be put into a new devnet. */
export interface ReadSnapshot {
  readonly floePackageId: string | undefined;
  /** Puts objects, packages and transactions into a chain that has only its genesis packages. */
  restore(chain: Chain): void;
  /** Gives a storage node back what it held. */
  fillNode(node: StorageNode, index: number): void;
}

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

/** Registers saved packages in the machine, each after the packages it links to and the version it upgrades. */
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
      throw new FloeError('data_malformed', 'the snapshot holds a package whose dependencies lack');
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
    throw new FloeError('data_malformed', `package ${storageId}: ${result.failure.message}`);
};

/**
 * Reads a snapshot; undefined when there is no such file.
 *
 * @throws {FloeError} data_malformed when it is not a snapshot of this format.
 */
export const readSnapshot = async (file: string): Promise<ReadSnapshot | undefined> => {
  if (!existsSync(file)) return undefined;
  const parsed = v.safeParse(Snapshot, JSON.parse(await readFile(file, 'utf8')));
  if (!parsed.success)
    throw new FloeError('data_malformed', `${file}: ${v.summarize(parsed.issues)}`);
  const saved = parsed.output;
  return {
    floePackageId: saved.floePackageId,
    restore: (chain) => {
      if (saved.chainId !== chain.chainId)
        throw new FloeError('data_malformed', `${file} is of a devnet with another seed`);
      const objects = saved.objects.map(toObject);
      registerPackages(chain, objects);
      chain.restore({
        objects,
        executed: saved.transactions.map((item) => GrpcTypes.ExecutedTransaction.fromBinary(item)),
        epoch: saved.epoch,
        clockOffset: saved.clockOffset,
      });
    },
    fillNode: (node, index) => {
      for (const { blobId, metadata, slivers } of saved.nodes[index] ?? []) {
        const id = parseBlobId(blobId);
        if (!id) throw new FloeError('data_malformed', `${file}: ${blobId} is not a blob id`);
        node.blobs.set(blobId, {
          metadata: parseMetadata(metadata, id, node.totalShards),
          slivers: new Map(slivers),
        });
      }
    },
  };
};

/** Writes everything a devnet knows. */
export const writeSnapshot = async (
  file: string,
  chain: Chain,
  nodes: readonly StorageNode[],
  floePackageId: string | undefined,
): Promise<void> => {
  const snapshot = {
    format: FORMAT,
    chainId: chain.chainId,
    epoch: chain.epoch,
    clockOffset: chain.clockOffset,
    ...(floePackageId === undefined ? {} : { floePackageId }),
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
    transactions: chain.records.map(({ executed }) =>
      toBase64(GrpcTypes.ExecutedTransaction.toBinary(executed)),
    ),
    nodes: nodes.map((node) =>
      [...node.blobs].flatMap(([blobId, { metadata, slivers }]) =>
        metadata
          ? [
              {
                blobId,
                metadata: toBase64(metadata.bytes),
                slivers: [...slivers].map(([key, sliver]) => [key, toBase64(sliver)]),
              },
            ]
          : [],
      ),
    ),
  };
  const text = JSON.stringify(snapshot, (_key, item: unknown) =>
    typeof item === 'bigint' ? item.toString() : item,
  );
  await writeFile(`${file}.new`, text);
  await rename(`${file}.new`, file);
};
