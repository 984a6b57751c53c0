/**
 * @module What a simulation module says of its scenario: settings below those that are given, and
 * its strategies, which are registered before any setting is checked.
 */
import { loadStrategies } from '../protocol/algorithm/load-module.ts';
import type { RunSettings } from '../protocol/spec/settings.ts';
import { loadTask } from './task.ts';

/**
 * Loads the module's strategies.
 *
 * @param url `file:`
 * @returns the settings that hold where nothing else is given
 * @throws FloeError `usage`, `file_not_found`, `strategy_invalid`
 */
export const settingsOfModule = async (url: string | undefined): Promise<RunSettings> => {
  if (url === undefined) return {};
  const { settings = {}, strategies } = await loadTask(url);
  if (strategies !== undefined) await loadStrategies(new URL(url));
  return settings;
};

/** Given settings over the module's. The module is one of its strategies' modules. */
export const overModule = async <Given extends RunSettings>(
  given: Given,
  url: string | undefined,
): Promise<Given & RunSettings> => {
  if (url === undefined) return given;
  const below = await settingsOfModule(url);
  const { strategies } = await loadTask(url);
  const { strategyModules = below.strategyModules ?? [] } = given;
  return {
    ...below,
    ...given,
    ...(strategies === undefined ? {} : { strategyModules: [...strategyModules, url] }),
  };
};
