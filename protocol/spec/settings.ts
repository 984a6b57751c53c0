/**
 * @module The settings of a run, each once. The schema of the run specification and its defaults,
 * the scenario of a simulation, the run file, the flags with their help and docs/settings.md are
 * derived from this table: a new setting is one entry. What two settings must be together is in
 * `setting-checks.ts`. Options that say how one process works and not what it computes (state
 * folder, port, TLS files, output) belong to their commands and are not here.
 */
import type { SettingsTable, SettingValues } from './setting.ts';
import { CLIPPING_SETTINGS } from './settings/clipping.ts';
import { BUFFER_SETTINGS } from './settings/buffer.ts';
import { COMPRESSION_SETTINGS } from './settings/compression.ts';
import { COHORT_SETTINGS } from './settings/cohort.ts';
import { LOCAL_SETTINGS } from './settings/local.ts';
import { PRIVACY_SETTINGS } from './settings/privacy.ts';
import { ROBUST_SETTINGS } from './settings/robust.ts';
import { PLACE_SETTINGS, READER_SETTINGS, RUN_SETTINGS } from './settings/run.ts';
import { SIMULATION_SETTINGS } from './settings/simulation.ts';
import { STRATEGY_SETTINGS } from './settings/strategy.ts';
import { TIMEOUT_SETTINGS } from './settings/timeouts.ts';
import { MEASURE_SETTINGS } from './settings/measures.ts';
import { ENCODING_SETTINGS, TRAINING_SETTINGS } from './settings/training.ts';
import { WORLD_SETTINGS } from './settings/world.ts';

export const SETTINGS = {
  ...RUN_SETTINGS,
  ...COHORT_SETTINGS,
  ...BUFFER_SETTINGS,
  ...TRAINING_SETTINGS,
  ...MEASURE_SETTINGS,
  ...LOCAL_SETTINGS,
  ...STRATEGY_SETTINGS,
  ...ENCODING_SETTINGS,
  ...CLIPPING_SETTINGS,
  ...ROBUST_SETTINGS,
  ...COMPRESSION_SETTINGS,
  ...PRIVACY_SETTINGS,
  ...TIMEOUT_SETTINGS,
  ...READER_SETTINGS,
  ...PLACE_SETTINGS,
  ...SIMULATION_SETTINGS,
  ...WORLD_SETTINGS,
} as const satisfies SettingsTable;

export type SettingName = keyof typeof SETTINGS;
/** The settings of a run as an operator gives them: any of them, with the types of the table. */
export type RunSettings = SettingValues<typeof SETTINGS>;
