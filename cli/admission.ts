/**
 * @module The flags of `floe join` that set what a run must offer this participant, and the policy
 * file that holds the same.
 */
import type { Command } from 'commander';
import { parseAdmission } from '../client/admission-file.ts';
import { ADMISSION_DEFAULTS, type AdmissionInput } from '../client/admission.ts';
import { collect, decimal, hexKey, readInput, usage, wholeNumber } from './flags.ts';
import { readKeys } from './run-file.ts';

const MAX_POLICY_BYTES = 1 << 20;

type Bounds = AdmissionInput['clipNorm'];

export interface AdmissionFlags {
  readonly require?: string;
  readonly requireMasked?: boolean;
  readonly requireMinimum?: number;
  readonly requireKnown?: number;
  readonly requireMembers?: string;
  readonly requireParent?: readonly Uint8Array[];
  readonly requireSteps?: number;
  readonly requireClipNorm?: NonNullable<Bounds>;
  readonly requireBatchSize?: NonNullable<Bounds>;
  readonly requireWeightCap?: NonNullable<Bounds>;
  readonly requireArchitecture?: readonly string[];
}

/** `0.1..8`, both ends included. */
const bounds =
  (flag: string, read: (text: string) => number) =>
  (text: string): NonNullable<Bounds> => {
    const [min = '', max = '', ...rest] = text.split('..');
    if (rest.length > 0 || max === '') throw usage(flag, 'MIN..MAX', text);
    return { min: read(min), max: read(max) };
  };

/** A share in [0, 1]. */
const share =
  (flag: string) =>
  (text: string): number => {
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!(value >= 0 && value <= 1)) throw usage(flag, 'a share from 0 to 1', text);
    return value;
  };

export const withAdmission = (command: Command): Command => {
  const { minimum, known, steps, clipNorm, batchSize, weightCap } = ADMISSION_DEFAULTS;
  return command
    .option('--require <file>', 'what a run must offer, as JSON; the flags below win over it')
    .option(
      '--no-require-masked',
      'take a run WITHOUT masks too: its coordinator reads every update',
    )
    .option(
      '--require-minimum <n>',
      `fewest updates in a sum that is opened (default ${minimum})`,
      wholeNumber('--require-minimum', 3, 255),
    )
    .option(
      '--require-known <share>',
      `least share of a cohort that are known members; 0 takes runs that anybody may join (default ${known})`,
      share('--require-known'),
    )
    .option(
      '--require-members <file>',
      'the members that you know, one key in hex a line (default: those that the specification lists)',
    )
    .option(
      '--require-parent <hash>',
      'take a run that begins with the model, or the state of a strategy, of this hash; may be repeated (default: only what a seed gives)',
      collect(hexKey('--require-parent')),
    )
    .option(
      '--require-steps <n>',
      `fewest local steps of a round (default ${steps})`,
      wholeNumber('--require-steps', 1, 2 ** 31),
    )
    .option(
      '--require-clip-norm <a..b>',
      `bounds of the clip norm (default ${clipNorm.min}..${clipNorm.max})`,
      bounds('--require-clip-norm', decimal('--require-clip-norm', 0, 1e6)),
    )
    .option(
      '--require-batch-size <a..b>',
      `bounds of the local batch (default ${batchSize.min}..${batchSize.max})`,
      bounds('--require-batch-size', wholeNumber('--require-batch-size', 1, 65_536)),
    )
    .option(
      '--require-weight-cap <a..b>',
      `bounds of what one participant counts for (default ${weightCap.min}..${weightCap.max})`,
      bounds('--require-weight-cap', wholeNumber('--require-weight-cap', 1, 2 ** 24)),
    )
    .option(
      '--require-architecture <name>',
      'take this architecture only; may be repeated (default: any)',
      collect((text) => text),
    );
};

/**
 * What the flags and the policy file ask for; the defaults fill the rest. @throws FloeError
 * `file_not_found`, `usage`
 */
export const admissionOf = async (flags: AdmissionFlags): Promise<AdmissionInput> => {
  const { require } = flags;
  const file =
    require === undefined
      ? {}
      : parseAdmission(await readInput('--require', require, MAX_POLICY_BYTES), require);
  const { requireMembers } = flags;
  const members =
    requireMembers === undefined ? undefined : await readKeys('--require-members', requireMembers);
  return {
    masked: flags.requireMasked === false ? false : file.masked,
    minimum: flags.requireMinimum ?? file.minimum,
    known: flags.requireKnown ?? file.known,
    members: members === undefined ? file.members : [...members],
    parents: flags.requireParent === undefined ? file.parents : [...flags.requireParent],
    steps: flags.requireSteps ?? file.steps,
    clipNorm: flags.requireClipNorm ?? file.clipNorm,
    batchSize: flags.requireBatchSize ?? file.batchSize,
    weightCap: flags.requireWeightCap ?? file.weightCap,
    architectures:
      flags.requireArchitecture === undefined ? file.architectures : [...flags.requireArchitecture],
  };
};
