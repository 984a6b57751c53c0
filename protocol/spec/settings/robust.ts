/**
 * @module Settings of robust aggregation: the rule by which updates become one where some may be
 * false. The rules are in `protocol/robust`.
 */
import { MAX_COHORT, MIN_COHORT } from '../bounds.ts';
import { EVERY_RUN, type Parameter, type SettingsTable, type SettingValue } from '../setting.ts';

const iterations = (usual: number): Parameter & { type: 'integer' } => ({
  type: 'integer',
  min: 1,
  max: 100,
  default: usual,
  help: 'repetitions of the step',
});

export const ROBUST_SETTINGS = {
  aggregation: {
    area: 'robustness',
    type: 'variant',
    variants: {
      median: {},
      'trimmed-mean': {},
      krum: {},
      'multi-krum': {},
      rfa: {
        iterations: iterations(8),
        smoothing: {
          type: 'number',
          above: 0,
          max: 100,
          default: 0.1,
          help: 'least distance that counts, as a ratio to the median norm of the updates',
        },
      },
      'centred-clipping': {
        iterations: iterations(3),
        radius: {
          type: 'number',
          above: 0,
          max: 1000,
          default: 1,
          help: 'clip radius, as a ratio to the median distance to the last aggregate',
        },
      },
    },
    optional: true,
    otherwise: 'the mean, weighted by examples',
    help: 'rule by which updates become one where some may be false: single ones with --no-mask, with masks the means of groups (--group-size); each counts once',
    spec: 'robust.rule',
    commands: EVERY_RUN,
  },
  byzantine: {
    area: 'robustness',
    type: 'integer',
    min: 1,
    max: MAX_COHORT,
    optional: true,
    otherwise: '1, where there is a rule',
    help: 'false updates in a round that the rule must bear; more than it can bear are refused',
    spec: 'robust.byzantine',
    commands: EVERY_RUN,
  },
  groupSize: {
    area: 'robustness',
    type: 'integer',
    min: MIN_COHORT,
    max: MAX_COHORT,
    optional: true,
    otherwise: 'none',
    help: 'with masks: members of the groups that the beacon draws, at least; the sum of each group is opened, and --aggregation runs over their means',
    spec: 'robust.groupSize',
    commands: EVERY_RUN,
  },
  bucketing: {
    area: 'robustness',
    type: 'integer',
    min: 1,
    max: 16,
    optional: true,
    otherwise: 'none',
    help: 'updates that are averaged at random before the rule, for sites with unlike data',
    spec: 'robust.bucketing',
    commands: EVERY_RUN,
  },
  mixing: {
    area: 'robustness',
    type: 'choice',
    choices: ['nearest'],
    optional: true,
    otherwise: 'none',
    help: 'nearest replaces each update by the mean of its nearest before the rule (NNM)',
    spec: 'robust.mixing',
    commands: EVERY_RUN,
  },
} as const satisfies SettingsTable;

export type AggregationRule = SettingValue<(typeof ROBUST_SETTINGS)['aggregation']>;

/** Robust aggregation as the specification holds it. */
export interface Robust {
  readonly rule: AggregationRule;
  /** f */
  readonly byzantine: number;
  /** Masked runs: members of a group, at least. The vectors of the rule are means of groups. */
  readonly groupSize?: number | undefined;
  /**
   * `invited`: groups are drawn before anybody registers. Missing in earlier runs, which draw them
   * over the frozen cohort.
   */
  readonly drawn?: 'invited' | undefined;
  /** Updates of a bucket; 1 where it is missing. */
  readonly bucketing?: number | undefined;
  readonly mixing?: 'nearest' | undefined;
}
