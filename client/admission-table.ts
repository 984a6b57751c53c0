/**
 * @module The requirements of a participant as a table: the flag of `floe join`, the type and range
 * of each value, and its help. Flags and their errors are derived from it.
 */
import { MAX_COHORT, MIN_COHORT } from '../protocol/spec/run-spec.ts';
import type { SettingKind } from '../protocol/spec/setting.ts';

/** Values that hold where a participant requires nothing else. */
export const DEFAULT_REQUIREMENTS = {
  masked: true,
  survey: false,
  minimum: 5,
  known: 1,
  parents: [],
  steps: 2,
  clipNorm: { min: 1e-3, max: 64 },
  batchSize: { min: 1, max: 1024 },
  weightCap: { min: 1, max: 10_000 },
  classWeights: 10,
  strategyNorm: 64,
  delta: 1e-5,
  honest: 0.9,
  central: false,
};

export interface Requirement {
  /** Without dashes. */
  readonly flag: string;
  readonly help: string;
  readonly placeholder?: string;
  /**
   * The values of the flag: `value`, one; `bounds`, a smallest and a largest; `list`, a repeated
   * flag; `keys`, a file of keys; `off` and `on`, none: the flag turns the requirement off or on.
   */
  readonly takes: 'value' | 'bounds' | 'list' | 'keys' | 'off' | 'on';
  /** Of a value, or of each bound or item. `hash` is 32 bytes in hex. */
  readonly kind: SettingKind | 'hash';
}

const { minimum, known, steps, clipNorm, batchSize, weightCap, classWeights, strategyNorm } =
  DEFAULT_REQUIREMENTS;
const show = ({ min, max }: { readonly min: number; readonly max: number }): string =>
  `${min}..${max}`;

/** By the fields of `AdmissionPolicy`. */
export const ADMISSION_TABLE = {
  masked: {
    flag: 'no-require-masked',
    help: 'also accept a run WITHOUT masks: its coordinator can read every update',
    takes: 'off',
    kind: { type: 'boolean', default: true },
  },
  survey: {
    flag: 'accept-survey',
    help: 'take part in a survey, and in nothing else: counts and sums of your table leave, masked, and their totals over all sites are opened',
    takes: 'on',
    kind: { type: 'boolean', default: false },
  },
  minimum: {
    flag: 'require-minimum',
    help: `fewest updates in a sum that is opened (default ${minimum})`,
    takes: 'value',
    kind: { type: 'integer', min: MIN_COHORT, max: MAX_COHORT },
  },
  known: {
    flag: 'require-known',
    placeholder: '<fraction>',
    help: `least fraction of a cohort that are known members; 0 accepts runs that anybody may join (default ${known})`,
    takes: 'value',
    kind: { type: 'fraction', min: 0, max: 1 },
  },
  members: {
    flag: 'require-members',
    help: 'file of the members that you know, one key in hex per line (default: those that the specification lists)',
    takes: 'keys',
    kind: 'hash',
  },
  parents: {
    flag: 'require-parent',
    placeholder: '<hash>',
    help: 'accept a run that begins with the model, or the state of a strategy, of this hash; may be repeated (default: only the model that a seed gives)',
    takes: 'list',
    kind: 'hash',
  },
  steps: {
    flag: 'require-steps',
    help: `fewest local steps of a round (default ${steps})`,
    takes: 'value',
    kind: { type: 'integer', min: 1, max: 2 ** 31 },
  },
  clipNorm: {
    flag: 'require-clip-norm',
    help: `bounds of the clip norm (default ${show(clipNorm)})`,
    takes: 'bounds',
    kind: { type: 'number', above: 0, max: 1e6 },
  },
  batchSize: {
    flag: 'require-batch-size',
    help: `bounds of the local batch (default ${show(batchSize)})`,
    takes: 'bounds',
    kind: { type: 'integer', min: 1, max: 65_536 },
  },
  weightCap: {
    flag: 'require-weight-cap',
    help: `bounds of the weight cap of one participant (default ${show(weightCap)})`,
    takes: 'bounds',
    kind: { type: 'integer', min: 1, max: 2 ** 24 },
  },
  classWeights: {
    flag: 'require-class-weights',
    placeholder: '<ratio>',
    help: `largest ratio of the weights of two classes (default ${classWeights})`,
    takes: 'value',
    kind: { type: 'number', min: 1, max: 1e9 },
  },
  strategyNorm: {
    flag: 'require-strategy-norm',
    placeholder: '<norm>',
    help: `largest L2 bound of a vector that the strategy sends beside the update, such as twice the controlNorm of SCAFFOLD (default ${strategyNorm})`,
    takes: 'value',
    kind: { type: 'number', above: 0, max: 1e9 },
  },
  epsilon: {
    flag: 'require-epsilon',
    help: 'largest epsilon of differential privacy that a run may spend; a run without privacy is then refused (default: any)',
    takes: 'value',
    kind: { type: 'number', above: 0, max: 1000 },
  },
  delta: {
    flag: 'require-delta',
    help: `largest delta of a run with privacy, and the delta of the total (default ${DEFAULT_REQUIREMENTS.delta})`,
    takes: 'value',
    kind: { type: 'number', above: 0, max: 0.1 },
  },
  totalEpsilon: {
    flag: 'require-total-epsilon',
    help: 'largest epsilon over all runs of this identity, which the ledger in its keystore counts; a run without privacy is then refused (default: no limit)',
    takes: 'value',
    kind: { type: 'number', above: 0, max: 1000 },
  },
  honest: {
    flag: 'require-honest',
    help: `largest fraction of a cohort that a run with privacy may assume to be honest: the noise of the others does not count (default ${DEFAULT_REQUIREMENTS.honest})`,
    takes: 'value',
    kind: { type: 'number', above: 0, max: 1 },
  },
  central: {
    flag: 'accept-central-noise',
    help: 'also accept a run with central privacy: its coordinator sees single updates and adds the noise',
    takes: 'on',
    kind: { type: 'boolean', default: false },
  },
  architectures: {
    flag: 'require-architecture',
    placeholder: '<name>',
    help: 'accept this architecture only; may be repeated (default: any)',
    takes: 'list',
    kind: { type: 'text', max: 1000 },
  },
} as const satisfies Readonly<Record<string, Requirement>>;
