/**
 * @module Where a run's publications are, on Sui: `floe::publication` names the Walrus blob that
 * holds specification and transcript up to an attempt. Whoever has a run's object id, or that of
 * one of its versions, finds the rest from there.
 */
import { bcs } from '@mysten/sui/bcs';
import type { BlobRef } from '../../ports/blob-store.ts';
import { FloeError } from '../../errors.ts';
import type { Publication, PublicationLedger } from '../../records/publication.ts';
import { withRetry } from './bounds.ts';
import { TransactionFailed, type Sender } from './transactions.ts';
import { allPages, dynamicField } from './chain.ts';
import { versionFactsOf, type VersionFacts } from './lineage.ts';
import { capOf, readTypedOneOf, type Registry } from './registry.ts';
import { blobNumber, blobOfNumber, Run } from './layout.ts';

const RunPublicationKey = bcs.tuple([bcs.u64()]);
const PublishedBlob = bcs.struct('Blob', {
  blobId: bcs.u256(),
  sha256: bcs.byteVector(),
  size: bcs.u64(),
});

const keyType = (packageId: string): string => `${packageId}::publication::RunPublicationKey`;

const readPublication = async (
  { client, packageId, ...limits }: Registry,
  run: string,
  attempt: number,
): Promise<BlobRef | undefined> => {
  const key = RunPublicationKey.serialize([attempt]).toBytes();
  const value = await dynamicField(client, run, keyType(packageId), key, limits);
  if (value === undefined) return undefined;
  const { blobId, sha256, size } = PublishedBlob.parse(value);
  return { id: blobOfNumber(blobId), sha256: Uint8Array.from(sha256), size: Number(size) };
};

/** Rounds that were published, ascending. */
const publishedAttempts = async (
  { client, packageId }: Registry,
  run: string,
): Promise<number[]> => {
  const names = await allPages('listing publications', async (cursor, signal) => {
    const page = await client.core.listDynamicFields({ parentId: run, cursor, signal });
    const items = page.dynamicFields.map(({ name }) => name);
    return { items, next: page.hasNextPage ? page.cursor : null };
  });
  return names
    .filter(({ type }) => type === keyType(packageId))
    .map((name) => Number(RunPublicationKey.parse(name.bcs)[0]))
    .toSorted((a, b) => a - b);
};

/** `EAlreadyPublished` of the package. */
const ALREADY_PUBLISHED = 70;
const isStanding = (thrown: unknown): boolean =>
  thrown instanceof TransactionFailed &&
  thrown.module === 'publication' &&
  thrown.abortCode === ALREADY_PUBLISHED;
/** Reads may lag behind what the chain has just refused to say twice. */
const LAG_RETRIES = 8;

/**
 * The coordinator's side, for one run.
 * @param runObject object id of the run
 */
export const suiPublications = (
  registry: Registry,
  sender: Sender,
  runObject: () => Promise<string>,
): PublicationLedger => ({
  readPublication: async (attempt) => readPublication(registry, await runObject(), attempt),
  recordPublication: async ({ attempt, blob }) => {
    const run = await runObject();
    const cap = await capOf(registry, sender.address, run);
    try {
      await sender.execute((transaction) => {
        const { object, pure } = transaction;
        transaction.moveCall({
          target: `${registry.packageId}::publication::publish`,
          arguments: [
            object(cap),
            object(run),
            pure.u64(attempt),
            pure.u256(blobNumber(blob.id)),
            pure.vector('u8', blob.sha256),
            pure.u64(blob.size),
          ],
        });
      });
    } catch (thrown) {
      if (!isStanding(thrown)) throw thrown;
      const standing = await withRetry(
        { retries: LAG_RETRIES, clock: registry.clock },
        async () => {
          const found = await readPublication(registry, run, attempt);
          if (found !== undefined) return found;
          throw new FloeError(
            'ledger_unavailable',
            `what stands of attempt ${attempt} is not seen yet`,
          );
        },
      );
      if (standing.id !== blob.id)
        throw new FloeError(
          'already_frozen',
          `another publication of attempt ${attempt} is already frozen, blob ${standing.id}`,
          { attempt },
        );
    }
  },
});

/** What an object id leads to. */
export interface PublishedRun {
  /** Object id of the run. */
  readonly run: string;
  readonly name: string;
  /** Hash of the run's specification. */
  readonly specHash: Uint8Array;
  /** The version that was asked for, where the id was one's. */
  readonly version: VersionFacts | undefined;
  /**
   * The newest publication, or for a version the first that has it; undefined where nothing was
   * published.
   */
  readonly publication: Publication | undefined;
}

/**
 * Finds a run by its object id or by that of a version.
 * @throws FloeError `usage` when it is neither of this package, `ledger_unavailable`
 */
export const findPublished = async (
  registry: Registry,
  objectId: string,
): Promise<PublishedRun> => {
  const types = ['run::Run', 'model::ModelVersion'] as const;
  const found = await readTypedOneOf(registry, types, objectId);
  const version = found.type === 'run::Run' ? undefined : versionFactsOf(found.content);
  const content =
    version === undefined
      ? found.content
      : (await readTypedOneOf(registry, ['run::Run'], version.run)).content;
  const { id, name, specHash } = Run.parse(content);
  const attempts = await publishedAttempts(registry, id);
  const attempt =
    version === undefined ? attempts.at(-1) : attempts.find((covers) => covers >= version.attempt);
  const blob = attempt === undefined ? undefined : await readPublication(registry, id, attempt);
  return {
    run: id,
    name,
    specHash: Uint8Array.from(specHash),
    version,
    publication: attempt === undefined || blob === undefined ? undefined : { attempt, blob },
  };
};
