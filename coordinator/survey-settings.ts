/**
 * @module The specification of a survey from settings: those of the cohort, the readers and the
 * timeouts hold, those of a model and of training are refused.
 */
import { FloeError } from '../protocol/errors.ts';
import { SPEC_DEFAULTS, type RunSpec } from '../protocol/spec/run-spec.ts';
import type { NameSetting } from '../protocol/spec/read-settings.ts';
import type { Setting, SettingArea } from '../protocol/spec/setting.ts';
import { SETTINGS, type RunSettings, type SettingName } from '../protocol/spec/settings.ts';
import { specOfSettings } from '../protocol/spec/spec-of-settings.ts';
import { SURVEY_ARCHITECTURE, surveyParts } from '../protocol/survey/survey-run.ts';
import type { FixedParts } from './state-folder.ts';

const TRAINS: ReadonlySet<SettingArea> = new Set(['training', 'encoding']);
const OF_MODEL: ReadonlySet<string> = new Set<SettingName>([
  'rounds',
  'model',
  'inputs',
  'shape',
  'classes',
  'from',
  'strategy',
]);

/** @throws FloeError `usage` for a name that no setting has */
const isOfTraining = (name: SettingName, nameOf: NameSetting): boolean => {
  if (!Object.hasOwn(SETTINGS, name))
    throw new FloeError('usage', `${nameOf(name)}: no setting has this name`);
  const { area }: Setting = SETTINGS[name];
  return OF_MODEL.has(name) || TRAINS.has(area);
};

/** @throws FloeError `usage` naming the setting that a survey has no use for */
const requireNoTraining = (settings: RunSettings, nameOf: NameSetting): void => {
  for (const name of Object.keys(settings) as SettingName[])
    if (settings[name] !== undefined && isOfTraining(name, nameOf))
      throw new FloeError('usage', `${nameOf(name)}: a survey trains nothing, leave it out`);
};

/**
 * The model of a survey before the run has an id: {@link surveySpec} puts its own in this place.
 */
export const SURVEY_PLACEHOLDER: RunSpec['model'] = {
  architecture: SURVEY_ARCHITECTURE,
  tensors: [{ name: SURVEY_ARCHITECTURE, shape: [1], dtype: 'float32' }],
};

/**
 * The specification of a survey.
 *
 * @throws FloeError `usage` without a contract or with a setting of training; `contract_invalid`,
 * `encoding_overflow` for a contract that no survey can be made of
 */
export const surveySpec = (
  settings: RunSettings,
  fixed: FixedParts,
  nameOf: NameSetting = (name) => name,
): RunSpec => {
  const { contract, survey: _survey, surveyBins: bins, cohort, ...others } = settings;
  if (contract === undefined)
    throw new FloeError(
      'usage',
      `${nameOf('survey')}: expected ${nameOf('contract')} as well, the draft with the columns and their ranges`,
    );
  requireNoTraining(others, nameOf);
  const size = cohort ?? SPEC_DEFAULTS.cohort.size;
  return specOfSettings(
    settings,
    { ...fixed, ...surveyParts({ id: fixed.id, contract, cohort: size, bins }) },
    nameOf,
  );
};
