/**
 * @module The models in a transcript, by version, and their mapping to versions on chain.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import type { VersionFacts } from '../../protocol/net/sui/lineage.ts';
import type { ModelRef } from '../../protocol/records/records.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';

interface SignedRun {
  readonly spec: RunSpec;
  readonly transcript: Uint8Array;
}

/**
 * Every model that the coordinator signed, ascending by version. If a version was wrapped for
 * readers more than once, the reference in the commit is used, because it names all readers present
 * then.
 * @throws FloeError `transcript_broken`
 */
export const modelsOf = ({ spec, transcript }: SignedRun): readonly ModelRef[] => {
  const models = new Map<number, ModelRef>();
  const committed = new Set<number>();
  for (const { record } of decodeTranscript(hashRunSpec(spec), transcript).entries) {
    if (!equalBytes(record.author, spec.coordinator)) continue;
    if (record.type === 'commit') {
      models.set(record.body.model.version, record.body.model);
      committed.add(record.body.model.version);
    } else if (record.type === 'open' && !committed.has(record.body.model.version))
      models.set(record.body.model.version, record.body.model);
  }
  return [...models.values()].toSorted((a, b) => a.version - b.version);
};

/**
 * The number of committed rounds, which the specification limits. Aborted attempts do not count.
 */
export const committedRounds = (run: SignedRun): number =>
  modelsOf(run).filter(({ version }) => version > 0).length;

/** How many rounds stand behind a model: the number of its commit, 0 for the first model. */
export const roundOf = (run: SignedRun, { version }: Pick<ModelRef, 'version'>): number =>
  modelsOf(run).filter((known) => known.version > 0 && known.version <= version).length;

/**
 * The signed reference behind a version on chain.
 * @throws FloeError `verification_failed` when the transcript and the chain name different models
 */
export const modelOfVersion = (
  run: SignedRun,
  version: Pick<VersionFacts, 'id' | 'attempt' | 'blob' | 'modelHash' | 'stateHash'>,
): ModelRef => {
  const { id, attempt, blob, modelHash, stateHash } = version;
  const model = modelsOf(run).find((known) => known.version === attempt);
  if (model?.blob.id !== blob.id || toHex(model.blob.sha256) !== blob.sha256)
    throw new FloeError(
      'verification_failed',
      `the version ${id} names blob ${blob.id}, the signed records of attempt ${attempt} ${model?.blob.id ?? 'no model'}`,
    );
  if (toHex(model.hash) !== modelHash)
    throw new FloeError(
      'verification_failed',
      `the version ${id} names the model ${modelHash}, the signed records of attempt ${attempt} ${toHex(model.hash)}`,
    );
  const signed = model.state && toHex(model.state);
  if (signed !== stateHash)
    throw new FloeError(
      'verification_failed',
      `the version ${id} names the state ${stateHash ?? 'none'}, the signed records of attempt ${attempt} ${signed ?? 'none'}`,
    );
  return model;
};
