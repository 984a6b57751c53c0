/**
 * @module What a run begins with: the model that its seed gives, for an architecture of the registry, the weights of a safetensors file for it, or a model
 * version on chain, whose architecture the run keeps.
 */
import { cryptoReady } from '../protocol/ports/identity.ts';
import { equalBytes, fromHex, toHex } from '../protocol/bytes.ts';
import { FloeError } from '../protocol/errors.ts';
import { hashRunSpec, type RunSpec } from '../protocol/spec/run-spec.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';
import {
  decodeSafetensors,
  hashModel,
  matchManifest,
  roundToTypes,
} from '../protocol/model/index.ts';
import type { StrategySpec } from '../protocol/algorithm/registry.ts';
import { openVersion } from '../protocol/verify/index.ts';
import { describeModel } from '../sim/describe.ts';
import { readInput } from './flags.ts';
import { modelOfVersion } from './published.ts';
import type { Reading } from './run-network.ts';
import { openSource, type SourceOptions } from './source.ts';

/** A coordinator does not train; the plain backend is enough to build a model. */
const DESCRIBING_BACKEND = 'cpu';
const MAX_MODEL_BYTES = 2 ** 31 - 1;

export interface Beginning {
  readonly model: RunSpec['model'];
  /** Where the run begins with a model that was there before: that model, and its flat weights. */
  readonly parent?: NonNullable<RunSpec['parent']>;
  readonly weights?: Float32Array;
  /** What the strategy of that model carried, and which strategy that is. */
  readonly carried?: { readonly state: Float32Array; readonly strategy: StrategySpec };
}

/** The examples a model takes: MNIST's for the registry's, as the flags say for the others. */
const shapeOf = ({
  model = 'mlp-2nn',
  inputs,
  classes,
}: RunSettings): { readonly featureShape: readonly number[]; readonly classes: number } => {
  if (model === 'mlp-2nn' || model === 'cnn') return { featureShape: [28, 28, 1], classes: 10 };
  if (inputs === undefined || classes === undefined)
    throw new FloeError('usage', `--model ${model}: expected --inputs and --classes as well`);
  return { featureShape: [inputs], classes };
};

const hashOf = (model: RunSpec['model'], weights: Float32Array): Uint8Array =>
  hashModel({ tensors: model.tensors }, roundToTypes(model, weights));

/**
 * The beginning that a run's settings ask for; the same again after a crash.
 *
 * @throws FloeError `usage`, `file_not_found`, `tensor_malformed`, `tensor_mismatch` when the file is of another model
 */
export const beginningOf = async (settings: RunSettings): Promise<Beginning> => {
  const { architecture, tensors, topology } = await describeModel(
    settings.model ?? 'mlp-2nn',
    shapeOf(settings),
    DESCRIBING_BACKEND,
  );
  const model = {
    architecture,
    tensors: tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] })),
    ...(architecture === 'custom' ? { topology } : {}),
  };
  if (settings.from === undefined) return { model };
  const file = decodeSafetensors(await readInput('--from', settings.from, MAX_MODEL_BYTES));
  matchManifest(model, file.manifest);
  return { model, weights: file.flat, parent: { modelHash: hashOf(model, file.flat) } };
};

/**
 * The parent of a new run: with its state where both have the same strategy, whatever its
 * parameters. Another strategy begins with a state of its own.
 */
export const parentFor = (
  { parent, carried }: Beginning,
  { name, code }: Pick<StrategySpec, 'name' | 'code'>,
): Beginning['parent'] => {
  if (parent === undefined) return undefined;
  const { stateHash: _, ...others } = parent;
  const before = carried?.strategy;
  const isSame = before?.name === name && equalBytes(before.code ?? NO_CODE, code ?? NO_CODE);
  return isSame ? parent : others;
};

const NO_CODE = new Uint8Array();

/**
 * The beginning that is a model version on Sui, opened with the key that the flags name.
 *
 * @throws FloeError `usage` when the object is no version, `access_denied`, `verification_failed` when chain and signed records
 * do not fit each other, what opening a source throws
 */
export const beginningFrom = async (
  objectId: string,
  flags: SourceOptions,
  reading: Reading,
): Promise<Beginning> => {
  const source = await openSource(objectId, flags, reading);
  const { spec, version, gate, store } = source;
  if (version === undefined)
    throw new FloeError(
      'usage',
      `${objectId} is a run; expected one of its versions, which floe models lists`,
    );
  if (gate === undefined)
    throw new FloeError(
      'usage',
      'expected a key that the model opens for: --keystore, --key-file, --keystore-file or FLOE_SUI_KEY',
    );
  await cryptoReady;
  const { architectureHash } = await import('../protocol/net/connect.ts');
  if (!equalBytes(architectureHash(spec), fromHex(version.architectureHash)))
    throw new FloeError(
      'verification_failed',
      `the version ${objectId} is of another architecture than its run, ${toHex(hashRunSpec(spec))}`,
    );
  const model = modelOfVersion(source, version);
  const cipher = await store.get(model.blob, { signal: reading.signal });
  const run = hashRunSpec(spec);
  // The new run begins with this version, not with what the seed of the other gives.
  const { seed: _, ...architecture } = spec.model;
  const { weights, state } = await openVersion({ run, model, cipher }, spec.model, gate);
  return {
    model: architecture,
    weights,
    ...(model.state === undefined ? {} : { carried: { state, strategy: spec.strategy } }),
    parent: {
      modelHash: model.hash,
      ...(model.state === undefined ? {} : { stateHash: model.state }),
      object: fromHex(objectId.replace(/^0x/u, '')),
    },
  };
};
