/**
 * @module Writes a model in clear to files: safetensors, and the format of tfjs. Node only.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../protocol/bytes.ts';
import { encodeSafetensors, MODEL_FILE_LIMITS, type Manifest } from '../../protocol/model/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { isThere, writeWhole } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { BaseWeights } from '../adapters/base.ts';
import { factsOf, type ExportedModel, type Facts } from '../export/facts.ts';
import type { Topology } from '../tfjs/models.ts';
import { modelOfSpec } from '../spec-model.ts';
import type { PulledModel, PullOptions, RunReader } from './run.ts';
import { topologyOfSpec } from './topology.ts';

const writeTfjs = async (
  folder: string,
  manifest: Manifest,
  weights: Float32Array,
  topology: Topology,
  facts: Facts,
): Promise<void> => {
  await mkdir(join(folder, RUN_FILES.tfjs), { recursive: true });
  const { exportTfjs } = await import('../tfjs/topology.ts');
  for (const [name, bytes] of Object.entries(exportTfjs(manifest, weights, topology, facts)))
    await writeWhole(join(folder, RUN_FILES.tfjs, name), bytes);
};

/**
 * A model of tfjs or ONNX needs all of its weights, and those of a frozen base do not travel.
 * @throws FloeError `base_mismatch` for a run over a frozen base
 */
const requireWhole = ({ model: { base } }: RunSpec, file: string): void => {
  if (base === undefined) return;
  const name = base.name === undefined ? '' : ` (${base.name})`;
  throw new FloeError(
    'base_mismatch',
    `${file}: the run trains over the frozen base ${toHex(base.hash)}${name}, whose weights it does not hold; give them with --base (\`base\` in code)`,
  );
};

/**
 * Writes the model in clear: safetensors, and tfjs's own format where the topology is known.
 *
 * @param model as the coordinator signed it: the files then say what they hold, see export/facts.ts
 * @throws FloeError `base_mismatch` with the topology of a run over a frozen base
 */
export const writeModel = async (
  folder: string,
  spec: RunSpec,
  weights: Float32Array,
  topology: Topology | undefined,
  model?: ExportedModel,
): Promise<void> => {
  if (topology !== undefined) requireWhole(spec, 'tfjs/model.json');
  const manifest = { tensors: spec.model.tensors };
  const facts = model === undefined ? {} : factsOf(spec, model);
  const bytes = encodeSafetensors(manifest, weights, facts, MODEL_FILE_LIMITS);
  await writeWhole(join(folder, RUN_FILES.model), bytes);
  if (topology !== undefined) await writeTfjs(folder, manifest, weights, topology, facts);
};

/** Base and adapters put together as a plain model. @throws FloeError `base_mismatch` */
const mergeWhole = async (spec: RunSpec, weights: Float32Array, base: BaseWeights) => {
  const { selectBackend } = await import('../tfjs/backends.ts');
  const { mergedModel } = await import('../adapters/merged.ts');
  const { manifestOf, topologyOf } = await import('../tfjs/topology.ts');
  const { wholeWeights } = await import('../tfjs/whole-weights.ts');
  const { tf } = await selectBackend({ prefer: 'cpu' });
  const model = await mergedModel(tf, spec, weights, base);
  try {
    return {
      manifest: manifestOf(model),
      weights: wholeWeights(model),
      topology: topologyOf(model),
    };
  } finally {
    model.dispose();
  }
};

export interface SaveOptions extends PullOptions {
  /** Also write tfjs/model.json, which `tf.loadLayersModel` reads. */
  readonly tfjs?: boolean | undefined;
  /** Also write model.onnx, which ONNX Runtime runs. */
  readonly onnx?: boolean | undefined;
  /**
   * With `tfjs` or `onnx`, for a run over a frozen base: its weights, which go into these files.
   * The safetensors file holds what the run trained, with or without it.
   */
  readonly base?: BaseWeights | undefined;
  /** Overwrite a file that exists. */
  readonly force?: boolean | undefined;
}

export interface SavedModel extends PulledModel {
  /** The safetensors file, and with `tfjs` the model.json. */
  readonly file: string;
  readonly tfjs: string | undefined;
  readonly onnx: string | undefined;
}

const writeOnnx = async (
  file: string,
  spec: RunSpec,
  { model, round, weights }: PulledModel,
  base: BaseWeights | undefined,
): Promise<void> => {
  const { exportOnnx } = await import('../export/onnx.ts');
  const bytes = await exportOnnx(
    {
      model: modelOfSpec(spec),
      manifest: { tensors: spec.model.tensors },
      weights,
      task: spec.training.task,
      base,
    },
    factsOf(spec, { ...model, round }),
  );
  await writeWhole(file, bytes);
};

/**
 * Pulls a model of an open run and writes it in clear to a folder, which is made if missing.
 *
 * @throws FloeError `file_exists`, `base_mismatch` for `tfjs` of a run over a frozen base without
 * that base, and what `run.pull` throws
 */
export const savePulled = async (
  run: Pick<RunReader, 'spec' | 'pull'>,
  folder: string,
  { tfjs = false, onnx = false, force = false, base, ...options }: SaveOptions = {},
): Promise<SavedModel> => {
  if (base !== undefined && !tfjs && !onnx)
    throw new FloeError('usage', '--base: expected --tfjs or --onnx as well, which need the base');
  if (tfjs && base === undefined) requireWhole(run.spec, 'tfjs/model.json');
  if (onnx && base === undefined) requireWhole(run.spec, RUN_FILES.onnx);
  const pulled = await run.pull(options);
  const exported = { ...pulled.model, round: pulled.round };
  const file = join(folder, RUN_FILES.model);
  if (!force && (await isThere(file)))
    throw new FloeError('file_exists', `${file} exists; --force overwrites it`);
  const merged = tfjs && base ? await mergeWhole(run.spec, pulled.weights, base) : undefined;
  await mkdir(folder, { recursive: true });
  // Before the other files: a model that ONNX has no form for leaves none of them.
  const onnxFile = join(folder, RUN_FILES.onnx);
  if (onnx) await writeOnnx(onnxFile, run.spec, pulled, base);
  const topology = tfjs && merged === undefined ? await topologyOfSpec(run.spec) : undefined;
  await writeModel(folder, run.spec, pulled.weights, topology, exported);
  if (merged !== undefined)
    await writeTfjs(
      folder,
      merged.manifest,
      merged.weights,
      merged.topology,
      factsOf(run.spec, exported),
    );
  return {
    ...pulled,
    file,
    tfjs: tfjs ? join(folder, RUN_FILES.tfjs, 'model.json') : undefined,
    onnx: onnx ? onnxFile : undefined,
  };
};
