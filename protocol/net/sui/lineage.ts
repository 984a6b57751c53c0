/**
 * @module Model versions on Sui and what they come from. A version is an immutable object that
 * names its parent, which may belong to another run: the chain of parents is the model's lineage.
 */
import { bcs } from '@mysten/sui/bcs';
import { toHex } from '../../bytes.ts';
import { FloeError, toFloeError } from '../../errors.ts';
import { allPages, objectContents } from './chain.ts';
import { readTyped, readTypedOneOf, type Registry } from './registry.ts';
import { blobOfNumber, ModelObject, PublishedKey, Run, type OnChainMechanism } from './layout.ts';

export interface VersionFacts {
  readonly id: string;
  readonly run: string;
  readonly attempt: number;
  readonly parent?: string;
  /** The run's metrics by name, means and sums as they are reported: `trainLoss`... */
  readonly metrics: Readonly<Record<string, number>>;
  readonly examples: number;
  /** Absent without differential privacy. */
  readonly privacy?: {
    readonly mechanism: OnChainMechanism;
    readonly epsilon: number;
    readonly delta: number;
  };
  /** Hex. */
  readonly architectureHash: string;
  readonly modelHash: string;
  /** Of the strategy's state; absent where the strategy has none. */
  readonly stateHash?: string;
  /** Merkle root over the records of the uploads that it is made of. */
  readonly dataCommitment: string;
  /** Merkle root over all records of its attempt. */
  readonly transcriptRoot: string;
  /** Where the encrypted weights are. */
  readonly blob: { readonly id: string; readonly sha256: string; readonly size: number };
}

const MICRO = 1e6;
const PICO = 1e12;
/** A lineage longer than this is cut. */
const MAX_LINEAGE = 1_000;

const hex = (bytes: Iterable<number>): string => toHex(Uint8Array.from(bytes));

type Parsed = ReturnType<typeof ModelObject.parse>;

/** @throws FloeError `usage` for an object of a package that this program does not know */
const parsed = (content: Uint8Array): Parsed => {
  try {
    return ModelObject.parse(content);
  } catch (thrown) {
    throw new FloeError(
      'usage',
      `expected a model version whose privacy is None, Gaussian, Skellam, Central or Ftrl: ${toFloeError(thrown).message}`,
    );
  }
};

const privacyFacts = ({ privacy }: Pick<Parsed, 'privacy'>): Pick<VersionFacts, 'privacy'> => {
  if (privacy.$kind === 'None') return {};
  const { epsilon, delta } = privacy.Gaussian ?? privacy.Skellam ?? privacy.Central ?? privacy.Ftrl;
  return {
    privacy: {
      mechanism: privacy.$kind.toLowerCase() as OnChainMechanism,
      epsilon: Number(epsilon) / MICRO,
      delta: Number(delta) / PICO,
    },
  };
};

/** What a `ModelVersion` object says. */
export const versionFactsOf = (content: Uint8Array): VersionFacts => {
  const model = parsed(content);
  const { metrics, blob, parent } = model;
  return {
    id: model.id,
    run: model.run,
    attempt: Number(model.attempt),
    ...(parent === null ? {} : { parent }),
    metrics: Object.fromEntries(
      metrics.named.map(({ name, value }) => [name, Number(value) / MICRO]),
    ),
    examples: Number(metrics.examples),
    ...privacyFacts(model),
    architectureHash: hex(model.architectureHash),
    modelHash: hex(model.modelHash),
    ...(model.stateHash.length === 0 ? {} : { stateHash: hex(model.stateHash) }),
    dataCommitment: hex(model.dataCommitment),
    transcriptRoot: hex(model.transcriptRoot),
    blob: { id: blobOfNumber(blob.blobId), sha256: hex(blob.sha256), size: Number(blob.size) },
  };
};

const PublishedField = bcs.struct('Field', {
  id: bcs.Address,
  name: PublishedKey,
  value: bcs.Address,
});

const contentsOf = async (
  { client }: Registry,
  what: string,
  ids: readonly string[],
): Promise<Uint8Array[]> =>
  (await objectContents(client, what, ids)).map((content) => {
    if (content instanceof Error)
      throw new FloeError('ledger_unavailable', `${what}: ${content.message}`);
    return content;
  });

const fieldIds = async ({ client, packageId }: Registry, parentId: string): Promise<string[]> => {
  const fields = await allPages('listing versions', async (cursor, signal) => {
    const page = await client.core.listDynamicFields({ parentId, cursor, signal });
    return { items: page.dynamicFields, next: page.hasNextPage ? page.cursor : null };
  });
  return fields
    .filter(({ name }) => name.type === `${packageId}::model::PublishedKey`)
    .map(({ fieldId }) => fieldId);
};

/**
 * Every version that a run has published, by attempt. @throws FloeError `usage`,
 * `ledger_unavailable`
 */
export const versionsOf = async (registry: Registry, run: string): Promise<VersionFacts[]> => {
  await readTyped(registry, 'run::Run', run);
  const fields = await contentsOf(registry, 'reading versions', await fieldIds(registry, run));
  const ids = fields.map((content) => PublishedField.parse(content).value);
  const models = await contentsOf(registry, 'reading models', ids);
  return models.map(versionFactsOf).toSorted((a, b) => a.attempt - b.attempt);
};

/**
 * A version, its parent, and so on back to the first, across runs. Who publishes a version may name
 * any parent; a run that was forked begins with its parent's model.
 * @throws FloeError `usage` when one of them is no version of this package, `verification_failed`
 * when one names a parent in another run and has another model
 */
const lineageOf = async (registry: Registry, version: string): Promise<VersionFacts[]> => {
  const line: VersionFacts[] = [];
  const seen = new Set<string>();
  for (
    let at: string | undefined = version;
    at !== undefined && !seen.has(at) && line.length < MAX_LINEAGE;
  ) {
    seen.add(at);
    // Each version names the next.
    const facts: VersionFacts = versionFactsOf(
      await readTyped(registry, 'model::ModelVersion', at),
    );
    const child = line.at(-1);
    if (child !== undefined && child.run !== facts.run && child.modelHash !== facts.modelHash)
      throw new FloeError(
        'verification_failed',
        `the version ${child.id} names the parent ${at} and does not begin with its model`,
      );
    line.push(facts);
    at = facts.parent;
  }
  return line;
};

/** What an object id names: a run with its versions, or a version with its lineage. */
export const describeModels = async (
  registry: Registry,
  objectId: string,
): Promise<
  | { readonly type: 'run'; readonly name: string; readonly versions: readonly VersionFacts[] }
  | { readonly type: 'version'; readonly lineage: readonly VersionFacts[] }
> => {
  const { type, content } = await readTypedOneOf(
    registry,
    ['run::Run', 'model::ModelVersion'],
    objectId,
  );
  return type === 'run::Run'
    ? { type: 'run', name: Run.parse(content).name, versions: await versionsOf(registry, objectId) }
    : { type: 'version', lineage: await lineageOf(registry, objectId) };
};
