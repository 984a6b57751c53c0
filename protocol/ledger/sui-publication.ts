/**
 * @module Where a run's publications are, on Sui: three records of the published round name the Walrus blob that holds
 * specification and transcript. Whoever has a run's object id, or that of one of its versions, finds the rest from there.
 */
import type { Sender } from '../sui/transactions.ts';
import { TransactionFailed } from '../sui/transactions.ts';
import { withRetry } from '../sui/bounds.ts';
import type { BlobRef } from '../blobs/blob-store.ts';
import { FloeError } from '../errors.ts';
import type { Publication, PublicationLedger } from '../publication.ts';
import { versionFactsOf, type VersionFacts } from './lineage.ts';
import { allPages, capOf, readTypedOneOf, type Registry } from './registry.ts';
import {
  blobNumber,
  blobOfNumber,
  ByteVector,
  RecordKey,
  RECORDS,
  Run,
  u256,
} from './sui-layout.ts';
import { readChain } from './sui-run.ts';

/** The kinds of record that together are a publication; each holds 32 bytes. */
const KINDS = ['publicationBlob', 'publicationSha256', 'publicationSize'] as const;

const own = (bytes: Iterable<number>): Uint8Array => Uint8Array.from(bytes);

const readRecord = async (
  { client, packageId }: Registry,
  run: string,
  round: number,
  kind: (typeof KINDS)[number],
): Promise<Uint8Array | undefined> =>
  readChain(`reading a record of round ${round}`, undefined, async (signal) => {
    const key = RecordKey.serialize([round, RECORDS[kind]]).toBytes();
    const name = { type: `${packageId}::record::RecordKey`, bcs: key };
    const { dynamicField } = await client.core.getDynamicField({ parentId: run, name, signal });
    return own(ByteVector.parse(dynamicField.value.bcs));
  });

const readPublication = async (
  registry: Registry,
  run: string,
  round: number,
): Promise<BlobRef | undefined> => {
  const [blob, sha256, size] = await Promise.all(
    KINDS.map((kind) => readRecord(registry, run, round, kind)),
  );
  if (blob === undefined || sha256 === undefined || size === undefined) return undefined;
  const bytes = Number(u256.parse(size));
  if (!Number.isSafeInteger(bytes))
    throw new FloeError('data_malformed', `a publication of ${u256.parse(size)} bytes`);
  return { id: blobOfNumber(u256.parse(blob)), sha256, size: bytes };
};

/** Rounds that were published, ascending. */
const publishedRounds = async ({ client, packageId }: Registry, run: string): Promise<number[]> => {
  const names = await allPages('listing publications', async (cursor, signal) => {
    const page = await client.core.listDynamicFields({ parentId: run, cursor, signal });
    const items = page.dynamicFields.map(({ name }) => name);
    return { items, next: page.hasNextPage ? page.cursor : null };
  });
  return names
    .filter(({ type }) => type === `${packageId}::record::RecordKey`)
    .map(({ bcs }) => RecordKey.parse(bcs))
    .filter(([, kind]) => kind === RECORDS.publicationBlob)
    .map(([round]) => Number(round))
    .toSorted((a, b) => a - b);
};

/** A publication says it once: what stands already must be the same. */
const isStanding = (thrown: unknown): boolean =>
  thrown instanceof TransactionFailed && thrown.module === 'record' && thrown.abortCode === 60;
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
  readPublication: async (round) => readPublication(registry, await runObject(), round),
  recordPublication: async ({ round, blob }) => {
    const run = await runObject();
    const cap = await capOf(registry, sender.address, run);
    const values = [
      u256.serialize(blobNumber(blob.id)).toBytes(),
      blob.sha256,
      u256.serialize(blob.size).toBytes(),
    ];
    try {
      await sender.execute((transaction) => {
        const { object, pure } = transaction;
        for (const [at, kind] of KINDS.entries())
          transaction.moveCall({
            target: `${registry.packageId}::record::record`,
            arguments: [
              object(cap),
              object(run),
              pure.u64(round),
              pure.u8(RECORDS[kind]),
              pure.vector('u8', values[at] ?? []),
            ],
          });
      });
    } catch (thrown) {
      if (!isStanding(thrown)) throw thrown;
      const standing = await withRetry({ retries: LAG_RETRIES }, async () => {
        const found = await readPublication(registry, run, round);
        if (found !== undefined) return found;
        throw new FloeError('ledger_unavailable', `what stands of round ${round} is not seen yet`);
      });
      if (standing.id !== blob.id)
        throw new FloeError(
          'already_frozen',
          `another publication of round ${round} stands, blob ${standing.id}`,
          { round },
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
  /** The newest publication, or for a version the first that has it; undefined where nothing was published. */
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
  const rounds = await publishedRounds(registry, id);
  const round =
    version === undefined ? rounds.at(-1) : rounds.find((covers) => covers >= version.round);
  const blob = round === undefined ? undefined : await readPublication(registry, id, round);
  return {
    run: id,
    name,
    specHash: own(specHash),
    version,
    publication: round === undefined || blob === undefined ? undefined : { round, blob },
  };
};
