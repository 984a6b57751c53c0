/**
 * @module Reads the settings of a run from a run file and flags; flags win.
 */
import { toHex } from '../protocol/bytes.ts';
import { readContract } from '../protocol/spec/contract-file.ts';
import {
  gatherSettings as gather,
  readKeys,
  type GatheredSettings,
} from '../protocol/spec/run-file.ts';
import { settingsAmong, strategyAmong, type SettingFlags } from '../protocol/spec/setting-flags.ts';
import type { SettingCommand } from '../protocol/spec/setting.ts';

/** Loads strategies; the same module again changes nothing. @throws FloeError `strategy_invalid` */
export const loadModules = async (paths: readonly string[] = []): Promise<void> => {
  if (paths.length === 0) return;
  const { loadStrategies } = await import('../protocol/algorithm/load-module.ts');
  await Promise.all(paths.map(loadStrategies));
};

/**
 * The settings, after the modules that they name are loaded.
 *
 * @param warn receives the keys of the file that the command does not use
 * @throws FloeError `file_not_found`, `usage`, `spec_invalid` naming the setting
 */
export const gatherSettings = async (
  path: string | undefined,
  flags: SettingFlags,
  command: SettingCommand = 'coordinator',
  warn: (message: string) => void = () => undefined,
): Promise<GatheredSettings> => {
  const { allow, contract, strategyModule } = flags;
  const strategy = strategyAmong(flags);
  const given = {
    ...settingsAmong(flags, command),
    ...(allow === undefined ? {} : { allow: (await readKeys('--allow', allow)).map(toHex) }),
    ...(contract === undefined ? {} : { contract: await readContract('--contract', contract) }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(strategyModule === undefined ? {} : { strategyModules: [...strategyModule] }),
  };
  const found = await gather(path, given, command);
  if (found.unused.length > 0)
    warn(`${path}: not used by floe ${command}: ${found.unused.join(', ')}`);
  // A command that only prices a run does not execute the code that its file names.
  if (command !== 'cost') await loadModules(found.settings.strategyModules);
  return found;
};
