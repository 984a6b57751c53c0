/**
 * @module Opens the folder of an interrupted simulation: `runScenario` continues it with what this
 * gives.
 */
import { parseMapping } from '../../client/data/contract/mapping.ts';
import { loadStrategies } from '../../protocol/algorithm/load-module.ts';
import { FloeError } from '../../protocol/errors.ts';
import { settingsOfModule } from '../module-settings.ts';
import type { RunOptions } from '../run.ts';
import type { Scenario } from '../scenario.ts';
import { partialFolder } from './reopen.ts';
import { readScenario, scenarioOf } from './stored-scenario.ts';

export interface PartialRun {
  readonly scenario: Scenario;
  /** For the options of `runScenario`. */
  readonly options: Pick<RunOptions, 'exports' | 'map'> & {
    readonly resume: string;
    readonly module?: string;
  };
}

/**
 * @param path the run's folder, with or without `.partial`
 * @throws FloeError `file_not_found`; `usage` for a finished run, one that was not local, or one
 * whose data or trainers were values of a program
 */
export const openPartial = async (path: string): Promise<PartialRun> => {
  const resume = await partialFolder(path);
  const stored = await readScenario(resume);
  if (stored.ownTask === true)
    throw new FloeError(
      'usage',
      `${resume} has data, a model or a trainer of a program: resume it there, with simulate({ ..., resume })`,
    );
  const { strategyModules = [] } = stored.settings as { readonly strategyModules?: string[] };
  const { module, exports = [], map } = stored;
  // Its strategies are known before the settings are checked.
  await settingsOfModule(module);
  await Promise.all(strategyModules.map(loadStrategies));
  return {
    scenario: scenarioOf(stored, resume),
    options: {
      resume,
      exports,
      ...(map === undefined ? {} : { map: parseMapping(map) }),
      ...(module === undefined ? {} : { module }),
    },
  };
};
