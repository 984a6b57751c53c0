/**
 * @module Creates the run that the settings describe, for `startCoordinator`. A folder that already
 * holds a run keeps its original settings.
 */
import { join } from 'node:path';
import { makeStrategySpec } from '../protocol/algorithm/registry.ts';
import { FloeError } from '../protocol/errors.ts';
import type { Beginning } from '../protocol/model/run-start.ts';
import { isThere } from '../protocol/ports/files.ts';
import type { Contract } from '../protocol/spec/contract.ts';
import type { NameSetting } from '../protocol/spec/read-settings.ts';
import { readRunFile } from '../protocol/spec/run-file.ts';
import { meaningDiffers } from '../protocol/spec/same-meaning.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';
import { specOfSettings } from '../protocol/spec/spec-of-settings.ts';
import { SETTINGS_FILE, type NewRun } from './state-folder.ts';
import { SURVEY_PLACEHOLDER, surveySpec } from './survey-settings.ts';

/** A run that begins with a model version on chain; it replaces the first model of the settings. */
export interface Fork {
  /** Object id of the version. */
  readonly object: string;
  readonly open: () => Promise<Beginning>;
}

export interface NewRunOptions {
  /** Settings without the place of the run. */
  readonly settings: RunSettings;
  /** Names a setting in errors. */
  readonly nameOf?: NameSetting;
  /** The first model of a run that is no fork, such as `beginningOf` of floe/client makes. */
  readonly begin: (settings: RunSettings) => Promise<Beginning>;
  readonly fork?: Fork | undefined;
}

/** `rounds 50`, or that the setting was not given. */
const written = (name: string, value: unknown): string =>
  value === undefined ? `no ${name} given` : `${name} ${JSON.stringify(value)}`;

/** @throws FloeError `spec_mismatch` naming the first setting that differs */
const settingsOfFolder = async (given: RunSettings, folder: string): Promise<RunSettings> => {
  const path = join(folder, SETTINGS_FILE);
  if (!(await isThere(path))) return given;
  const { settings: before } = await readRunFile(path);
  for (const [name, value] of Object.entries(given))
    if (JSON.stringify(value) !== JSON.stringify(before[name as keyof RunSettings]))
      throw new FloeError(
        'spec_mismatch',
        `${folder} holds a run with ${written(name, before[name as keyof RunSettings])}, and ${JSON.stringify(value)} was given; leave the setting out to resume it, or choose another --state`,
      );
  return before;
};

/** A model was trained under its own contract: another one may not change what its numbers mean. */
const requireSameMeaning = (
  parent: Contract | undefined,
  own: Contract,
  nameOf: NameSetting = (name) => name,
): void => {
  const differs = parent === undefined ? undefined : meaningDiffers(parent, own);
  if (differs === undefined) return;
  throw new FloeError(
    'contract_invalid',
    `${nameOf('contract')}: a fork keeps the meaning of its parent's inputs and outputs, and ${differs}; ` +
      "leave the contract out to keep the parent's, or begin a new run for another one",
  );
};

/**
 * The run to begin in a folder, or to resume there.
 *
 * @throws FloeError `spec_mismatch` when the folder holds a run with other settings; `usage` for a
 * fork whose settings name a model; `strategy_invalid`
 */
export const newRun = async (
  folder: string,
  { settings: given, nameOf, begin, fork }: NewRunOptions,
): Promise<NewRun & { readonly settings: RunSettings }> => {
  const { model, inputs, classes, shape, from } = given;
  if (fork !== undefined && [model, inputs, classes, shape, from].some((set) => set !== undefined))
    throw new FloeError('usage', 'a fork takes its model from the version: leave the model out');
  const settings = await settingsOfFolder(given, folder);
  return {
    settings,
    strategy: makeStrategySpec(settings.strategy ?? {}),
    seed: settings.seed,
    fork: fork?.object,
    begin:
      settings.survey === true
        ? async () => ({ model: SURVEY_PLACEHOLDER })
        : (fork?.open ?? (() => begin(settings))),
    // A fork has the contract of its parent unless the settings give another.
    spec: (fixed) => {
      const { contract, survey } = settings;
      if (survey === true) return surveySpec(settings, fixed, nameOf);
      if (contract !== undefined) requireSameMeaning(fixed.data, contract, nameOf);
      return specOfSettings(
        settings,
        contract === undefined ? fixed : { ...fixed, data: contract },
        nameOf,
      );
    },
  };
};
