/**
 * @module Opens a model to predict with: a pulled `model.safetensors` or its folder, or a run by
 * its folder, its coordinator's address or an object id. Node only.
 */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import {
  decodeSafetensors,
  hashModel,
  MODEL_FILE_LIMITS,
  type Manifest,
} from '../../protocol/model/index.ts';
import { isThere } from '../../protocol/ports/files.ts';
import { readInput } from '../../protocol/ports/input-file.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { factsOf, readFacts, type Facts, type ReadFacts } from '../export/facts.ts';
import { openRun, type PullOptions } from '../reader/run.ts';
import type { OpenRunOptions } from '../reader/source.ts';
import { modelOfSpec } from '../spec-model.ts';
import type { Task } from '../task.ts';
import type { ModelFunction } from '../tfjs/models.ts';

/** A model in clear with what is known of it. */
export interface ReadModel {
  /** In words: `round 5 of run 9c12...`. */
  readonly origin: string;
  readonly build: ModelFunction;
  readonly manifest: Manifest;
  /** Flat, in the manifest's order. */
  readonly weights: Float32Array;
  readonly task: Task | undefined;
  readonly contract: Contract | undefined;
  /** What its file says, or would say. */
  readonly facts: Facts;
  /** Hashes in hex. */
  readonly run: string | undefined;
  readonly round: number | undefined;
  readonly modelHash: string;
}

const MAX_FILE_BYTES = 2 ** 31 - 1;

const originOf = (
  { run, round, tunedFrom }: Pick<ReadFacts, 'run' | 'round' | 'tunedFrom'>,
  source: string,
): string => {
  if (tunedFrom !== undefined) return `${source}, fine-tuned from ${tunedFrom.slice(0, 16)}`;
  return run === undefined
    ? source
    : `the model after round ${round ?? '?'} of run ${run.slice(0, 16)} (${source})`;
};

const modelOf = (
  facts: Facts,
  manifest: Manifest,
  weights: Float32Array,
  source: string,
): ReadModel => {
  const read = readFacts(facts);
  const { architecture, topology, run, round, modelHash: stated, tunedFrom } = read;
  const modelHash = toHex(hashModel(manifest, weights));
  if (stated !== undefined && stated !== modelHash)
    throw new FloeError(
      'verification_failed',
      `${source} holds the model ${modelHash}, and says that it is ${stated}`,
    );
  const tensors = manifest.tensors.map((tensor) => ({ ...tensor, shape: [...tensor.shape] }));
  return {
    origin: originOf({ run, round, tunedFrom }, source),
    facts,
    build: modelOfSpec({
      model: { architecture, tensors, ...(topology === undefined ? {} : { topology }) },
    }),
    manifest,
    weights,
    task: read.task,
    contract: read.contract,
    run,
    round,
    modelHash,
  };
};

const openFile = async (path: string): Promise<ReadModel> => {
  const bytes = await readInput('MODEL', path, MAX_FILE_BYTES);
  const { manifest, flat, metadata } = decodeSafetensors(bytes, MODEL_FILE_LIMITS);
  return modelOf(metadata, manifest, flat, path);
};

/** The safetensors file that `source` is or holds, unless it is a run's folder. */
const fileOf = async (source: string): Promise<string | undefined> => {
  const found = await stat(source).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isDirectory()) return source;
  if (await isThere(join(source, RUN_FILES.spec))) return undefined;
  const file = join(source, RUN_FILES.model);
  return (await isThere(file)) ? file : undefined;
};

/**
 * Opens a model.
 *
 * @param source a `model.safetensors` that Floe exported, a folder that holds one, or what
 * `openRun` takes
 * @throws FloeError `model_malformed`, `tensor_malformed`, `verification_failed` for a file that is
 * not what it says, and what `openRun` and `pull` throw
 */
export const openModelToUse = async (
  source: string,
  options: OpenRunOptions = {},
  pull: PullOptions = {},
): Promise<ReadModel> => {
  const file = await fileOf(source);
  if (file !== undefined) return openFile(file);
  await using run = await openRun(source, options);
  const { model, round, weights } = await run.pull(pull);
  return modelOf(
    factsOf(run.spec, { ...model, round }),
    { tensors: run.spec.model.tensors },
    weights,
    source,
  );
};
