/**
 * @module The run specification that settings make, for a simulation and for a real run alike.
 */
import { FloeError, type ErrorCode } from '../errors.ts';
import { makeRunSpec, SPEC_DEFAULTS, type RunSpec, type RunSpecInput } from './run-spec.ts';
import { checkTogether, type Together } from './setting-checks.ts';
import type { NameSetting } from './read-settings.ts';
import { specFieldsOf } from './settings-in-spec.ts';
import { SETTINGS, type RunSettings } from './settings.ts';

/** The settings that are checked together, with the defaults of the specification below them. */
const togetherOf = (settings: RunSettings, members: number | undefined): Together => {
  const { cohort, encoding, selection } = SPEC_DEFAULTS;
  const size = settings.cohort ?? settings.buffer ?? cohort.size;
  return {
    cohort: size,
    minimum: settings.minimum ?? Math.min(cohort.minimum, size),
    overSelect: settings.overSelect ?? cohort.overSelect,
    selection: settings.selection ?? selection,
    members,
    ring: settings.ring ?? encoding.ring,
    bits: settings.bits ?? encoding.bits,
    isMasked: settings.mask ?? true,
    robust: {
      rule: settings.aggregation,
      byzantine: settings.byzantine,
      groupSize: settings.groupSize,
      ...(settings.groupSize === undefined || settings.mask === false ? {} : { drawn: 'invited' }),
      bucketing: settings.bucketing,
      mixing: settings.mixing,
    },
    buffer: settings.buffer,
    maxStaleness: settings.maxStaleness,
    compression: settings.compression,
    clipNorm: settings.clipNorm ?? encoding.clipNorm,
    clipping: settings.clipping,
  };
};

/**
 * Checks what settings must be together.
 *
 * @param members of a closed run, where they are not the setting `allow`
 * @throws FloeError with `code`, naming the setting by `nameOf`
 */
export const checkSettingsTogether = (
  settings: RunSettings,
  members: number | undefined,
  code: ErrorCode,
  nameOf: NameSetting,
): void => {
  const violation = checkTogether(togetherOf(settings, members));
  if (violation === undefined) return;
  throw new FloeError(code, `${nameOf(violation.setting)}: ${violation.message(nameOf)}`);
};

/**
 * The specification of a run with these settings; defaults hold for the others.
 *
 * @param fixed what is no setting: id, keys, model, members; it wins over the settings
 * @throws FloeError `spec_invalid` naming the setting or the field
 */
export const specOfSettings = (
  settings: RunSettings,
  fixed: Pick<RunSpecInput, 'id' | 'coordinator' | 'model'> & Partial<RunSpecInput>,
  nameOf: NameSetting = (name) => name,
): RunSpec => {
  const members = fixed.members?.type === 'closed' ? fixed.members.keys : settings.allow;
  checkSettingsTogether(settings, members?.length, 'spec_invalid', nameOf);
  const { members: allowed, ...fields } = specFieldsOf(SETTINGS, settings);
  return makeRunSpec({
    ...fields,
    ...(allowed === undefined
      ? {}
      : { members: { type: 'closed', ...allowed } as RunSpec['members'] }),
    ...fixed,
  });
};
