/**
 * @module A module of a user's own, imported by its URL: `floe sim --module`, `floe coordinator
 * --module` (a model, or the manifest of a trainer's weights), `floe join --module` (a trainer).
 */
import { FloeError } from '../protocol/errors.ts';
import { validateManifest, type Manifest } from '../protocol/model/manifest.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Dataset } from './data/dataset.ts';
import type { ModelFunction } from './tfjs/models.ts';
import type { Trainer } from './trainer.ts';

export interface OwnTrainerInit {
  /** The participant's examples to train on. */
  readonly data: Dataset;
  /**
   * Of a real run; `data` is its data contract, whose class weights a trainer of its own applies.
   */
  readonly spec?: Pick<RunSpec, 'model' | 'training' | 'data'>;
}

/** The exports that `floe join` and `floe coordinator` use. */
export interface OwnModule {
  readonly model?: ModelFunction;
  readonly manifest?: Manifest;
  readonly trainer?: (init: OwnTrainerInit) => Trainer | Promise<Trainer>;
}

/**
 * Imports a module. @param url `file:` or what `import` takes
 * @throws FloeError `usage`, `file_not_found`
 */
export const importModule = async (url: string): Promise<Readonly<Record<string, unknown>>> => {
  try {
    return (await import(/* @vite-ignore */ url)) as Readonly<Record<string, unknown>>;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const isMissing = code === 'ERR_MODULE_NOT_FOUND';
    throw new FloeError(
      isMissing ? 'file_not_found' : 'usage',
      `cannot load the module ${url}: ${message}`,
      {},
      { cause },
    );
  }
};

const isFunction = (value: unknown): boolean => typeof value === 'function';

/** @throws FloeError `usage` where the module does not export a trainer */
export const trainerOfModule = async (url: string): Promise<NonNullable<OwnModule['trainer']>> => {
  const { trainer } = await importModule(url);
  if (!isFunction(trainer))
    throw new FloeError(
      'usage',
      `${url}: expected a function trainer among its exports; the model comes from the run`,
    );
  return trainer as NonNullable<OwnModule['trainer']>;
};

/**
 * What a run trains, by a module. @throws FloeError `usage`, `tensor_malformed` for a bad manifest
 */
export const modelOfModule = async (
  url: string,
): Promise<Pick<OwnModule, 'model' | 'manifest'>> => {
  const { model, manifest } = await importModule(url);
  if (isFunction(model)) return { model: model as ModelFunction };
  if (manifest === undefined)
    throw new FloeError(
      'usage',
      `${url}: expected among its exports a function model, or the manifest of its trainer's weights`,
    );
  return { manifest: validateManifest(manifest) };
};
