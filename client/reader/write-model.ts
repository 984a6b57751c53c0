/**
 * @module Writes a model in clear to files: safetensors, and the format of tfjs. Node only.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSafetensors } from '../../protocol/model/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { isThere, writeWhole } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Topology } from '../tfjs/models.ts';
import type { PulledModel, PullOptions, RunReader } from './run.ts';
import { topologyOfSpec } from './topology.ts';

/** Writes the model in clear: safetensors, and tfjs's format if the topology is known. */
export const writeModel = async (
  folder: string,
  spec: RunSpec,
  weights: Float32Array,
  topology: Topology | undefined,
): Promise<void> => {
  const manifest = { tensors: spec.model.tensors };
  await writeWhole(join(folder, RUN_FILES.model), encodeSafetensors(manifest, weights));
  if (topology === undefined) return;
  await mkdir(join(folder, RUN_FILES.tfjs), { recursive: true });
  const { exportTfjs } = await import('../tfjs/topology.ts');
  for (const [name, bytes] of Object.entries(exportTfjs(manifest, weights, topology)))
    await writeWhole(join(folder, RUN_FILES.tfjs, name), bytes);
};

export interface SaveOptions extends PullOptions {
  /** Also write tfjs/model.json, which `tf.loadLayersModel` reads. */
  readonly tfjs?: boolean | undefined;
  /** Overwrite a file that exists. */
  readonly force?: boolean | undefined;
}

export interface SavedModel extends PulledModel {
  /** The safetensors file, and with `tfjs` the model.json. */
  readonly file: string;
  readonly tfjs: string | undefined;
}

/**
 * Pulls a model of an open run and writes it in clear to a folder, which is made if missing.
 *
 * @throws FloeError `file_exists`, and what `run.pull` throws
 */
export const savePulled = async (
  run: Pick<RunReader, 'spec' | 'pull'>,
  folder: string,
  { tfjs = false, force = false, ...options }: SaveOptions = {},
): Promise<SavedModel> => {
  const pulled = await run.pull(options);
  const file = join(folder, RUN_FILES.model);
  if (!force && (await isThere(file)))
    throw new FloeError('file_exists', `${file} exists; --force overwrites it`);
  await mkdir(folder, { recursive: true });
  const topology = tfjs ? await topologyOfSpec(run.spec) : undefined;
  await writeModel(folder, run.spec, pulled.weights, topology);
  return {
    ...pulled,
    file,
    tfjs: topology === undefined ? undefined : join(folder, RUN_FILES.tfjs, 'model.json'),
  };
};
