/**
 * @module A scenario: all inputs that determine the outcome of a simulated run. Its keys are the
 * settings of a run file, so one file serves a simulation and a real run. Two runs of one scenario
 * on one backend end with the same model, bit for bit.
 */
import * as v from 'valibot';
import { parseWith } from '../protocol/wire/cbor.ts';
import { FloeError } from '../protocol/errors.ts';
import { networkConfigSchema, type NetworkConfig } from '../protocol/net/config.ts';
import { MIN_COHORT, SPEC_DEFAULTS } from '../protocol/spec/run-spec.ts';
import { PRIVATE_DEFAULTS, privateMinimum } from '../protocol/spec/private-run.ts';
import {
  readSettings,
  withDefaultSettings,
  type NameSetting,
} from '../protocol/spec/read-settings.ts';
import { flagOf, type Setting } from '../protocol/spec/setting.ts';
import { SETTINGS, type RunSettings, type SettingName } from '../protocol/spec/settings.ts';
import { TIMEOUT_SETTINGS } from '../protocol/spec/settings/timeouts.ts';
import { checkSettingsTogether } from '../protocol/spec/spec-of-settings.ts';
import { checkAttacks, parseAttack } from './attackers/attack-setting.ts';
import { checkDrops, dropsIn, type Drops } from './faults.ts';
import { isVirtual } from './virtual/is-virtual.ts';

/** What blobs, keys and freezes rest on. */
export type ScenarioSubstrate =
  /** This machine's disk, sealed boxes, the journal. */
  | { readonly type: 'local' }
  /** Walrus, Seal and Sui on a devnet of the run. */
  | { readonly type: 'devnet' }
  /** The same on a network that is there already. */
  | { readonly type: 'network'; readonly network: NetworkConfig };

const substrateSchema = v.pipe(
  v.union([
    v.picklist(['local', 'devnet']),
    v.strictObject({ type: v.literal('network'), network: networkConfigSchema }),
  ]),
  v.transform((given): ScenarioSubstrate => (typeof given === 'string' ? { type: given } : given)),
);

/** Settings of a run; those that a simulation does not use may be there and are ignored. */
export type ScenarioInput = RunSettings & {
  /**
   * Where the run takes place, for a caller that has a network's configuration at hand: wins over
   * `local`.
   */
  readonly substrate?: v.InferInput<typeof substrateSchema>;
};

/** Settings that a simulation uses. */
type SimulationSetting = {
  [Name in SettingName]: 'sim' extends (typeof SETTINGS)[Name]['commands'][number] ? Name : never;
}[SettingName];
/** Those that may be missing after the defaults. */
type Undecided =
  | 'targetAccuracy'
  | 'fineTune'
  | 'localLayers'
  | 'workers'
  | 'task'
  | 'contract'
  | 'optimizer'
  | 'weightDecay'
  | 'clipGradient'
  | 'statistics'
  | 'schedule'
  | 'aggregation'
  | 'byzantine'
  | 'bucketing'
  | 'mixing'
  | 'compression'
  | 'modelPrecision'
  | 'privacy'
  | 'measures'
  | 'buffer'
  | 'maxStaleness'
  | 'speed'
  | 'bandwidth'
  | 'attack';

export type Scenario = Required<
  Omit<Pick<RunSettings, SimulationSetting>, Undecided | 'drops' | 'network' | 'local'>
> &
  Pick<RunSettings, Undecided> & {
    readonly drops: Drops;
    readonly substrate: ScenarioSubstrate;
  };

const byFlag: NameSetting = (name) => `--${flagOf(name, SETTINGS[name as SettingName] as Setting)}`;

/** In virtual time deadlines cost what they do in a real run. */
const REAL_TIMEOUTS: RunSettings = Object.fromEntries(
  Object.entries(TIMEOUT_SETTINGS).map(([name, setting]) => [name, setting.default]),
);

/** Half of the cohort, within the limits of the protocol and the default of a real run. */
const halfOf = (cohort: number): number =>
  Math.max(MIN_COHORT, Math.min(SPEC_DEFAULTS.cohort.minimum, Math.floor(cohort / 2)));

/** What is given of the settings whose defaults a private run changes. */
const ownOf = ({ ring, weightCap }: RunSettings): Pick<RunSettings, 'ring' | 'weightCap'> => ({
  ...(ring === undefined ? {} : { ring }),
  ...(weightCap === undefined ? {} : { weightCap }),
});

/** @throws FloeError `usage` where these losses would end every attempt */
const checkLosses = (scenario: Scenario, nameOf: NameSetting): void => {
  const { drops, mask, selection, cohort, minimum } = scenario;
  // A participant that has uploaded is a survivor, whether or not it is lost later.
  const lost = (['register', 'share'] as const).find((phase) => (drops[phase] ?? 0) > 0);
  if (selection === 'batches' && lost !== undefined)
    throw new FloeError(
      'usage',
      `${nameOf('drops')}: a batch takes part whole, so a loss after ${lost} ends every attempt`,
    );
  const { aggregation: rule, byzantine = 1, groupSize, bucketing } = scenario;
  const robust = rule && { rule, byzantine, groupSize, bucketing };
  checkDrops(drops, { size: cohort, minimum, robust }, mask, nameOf('drops'));
};

const ON_CHAIN =
  'on a chain the keys of a model open for frozen cohorts, and members of a buffered run train before that';

/** @throws FloeError `usage` where a simulation cannot have buffered rounds */
const checkBuffer = ({ buffer, speed, substrate, drops }: Scenario, nameOf: NameSetting): void => {
  if (buffer === undefined) return;
  const refuse = (why: string): never => {
    throw new FloeError('usage', `${nameOf('buffer')}: ${why}`);
  };
  if (substrate.type !== 'local') refuse(`${ON_CHAIN}: expected ${nameOf('local')}`);
  if (speed === undefined)
    refuse(
      `which updates are ready first follows from how long training takes: expected ${nameOf('speed')}`,
    );
  if (Object.keys(drops).length > 0)
    refuse(`${nameOf('drops')} is for losses in a phase of a drawn cohort: expected none`);
};

/** @throws FloeError `usage` where fine-tuning after the run could not be measured */
const checkFineTune = (scenario: Scenario, nameOf: NameSetting): void => {
  const { fineTune, holdout, localLayers = [] } = scenario;
  if (fineTune === undefined) return;
  const refuse = (why: string): never => {
    throw new FloeError('usage', `${nameOf('fineTune')}: ${why}`);
  };
  if (holdout === undefined)
    refuse(`it is scored on examples that no round has trained on: expected ${nameOf('holdout')}`);
  if (localLayers.length > 0)
    refuse(`a site's ${nameOf('localLayers')} stay in its own memory: expected none`);
};

const substrateOf = (
  { local, network }: RunSettings,
  given: ScenarioInput['substrate'],
  nameOf: NameSetting,
): ScenarioSubstrate => {
  if (given !== undefined) return parseWith(substrateSchema, given, 'usage');
  if (network !== undefined)
    throw new FloeError(
      'usage',
      `${nameOf('network')}: expected the configuration in \`substrate\`, got the file ${network}`,
    );
  return { type: local === true ? 'local' : 'devnet' };
};

/**
 * Fills in the defaults and checks every setting and what they mean together.
 *
 * @param nameOf names a setting in errors, by default as its flag
 * @throws FloeError `usage` naming the setting
 */
export const makeScenario = (
  { substrate, ...input }: ScenarioInput = {},
  nameOf: NameSetting = byFlag,
): Scenario => {
  const { settings } = readSettings(SETTINGS, input, {
    command: 'sim',
    code: 'usage',
    whole: 'scenario',
    nameOf,
  });
  const timed = isVirtual(settings) ? { ...REAL_TIMEOUTS, ...settings } : settings;
  const { network: _, local: __, ...filled } = withDefaultSettings(SETTINGS, 'sim', timed);
  const given = filled as unknown as Omit<Scenario, 'substrate' | 'drops' | 'minimum'>;
  // The default of the cohort is for many participants; of few, all take part.
  const cohortOf = settings.cohort ?? settings.buffer ?? Math.min(given.cohort, given.participants);
  const base = {
    ...given,
    cohort: cohortOf,
    ...(settings.privacy === undefined ? {} : { ...PRIVATE_DEFAULTS, ...ownOf(settings) }),
  };
  const scenario: Scenario = {
    ...base,
    minimum:
      settings.minimum ??
      (settings.privacy === undefined
        ? halfOf(base.cohort)
        : privateMinimum(base.cohort, settings.privacy)),
    drops: dropsIn(settings.drops ?? {}, base.mask, nameOf('drops')),
    substrate: substrateOf(settings, substrate, nameOf),
  };
  const { participants, cohort } = scenario;
  if (cohort > participants)
    throw new FloeError(
      'usage',
      `${nameOf('cohort')}: expected at most ${nameOf('participants')} (${participants}), got ${cohort}`,
    );
  checkSettingsTogether(settingsOf(scenario), participants, 'usage', nameOf);
  checkLosses(scenario, nameOf);
  checkBuffer(scenario, nameOf);
  checkFineTune(scenario, nameOf);
  const attacks = (scenario.attack ?? []).map((text) => parseAttack(text, nameOf('attack')));
  checkAttacks(attacks, participants, scenario.mask, nameOf('attack'));
  return scenario;
};

/** The settings of a scenario, without those that have another form in a run file. */
export const settingsOf = (scenario: Scenario): RunSettings => {
  const { drops: _, substrate: __, ...settings } = scenario;
  return settings;
};
