/**
 * @module What settings must be together, each check once. Scenario, run file and run specification
 * call the same functions and only name the settings differently.
 */
import type { Compression } from '../encoding/compression.ts';
import { MOST_INVITED } from './bounds.ts';
import { RINGS, type Ring } from '../encoding/layout.ts';
import { batchCount } from '../rules/batches.ts';
import { tolerated } from '../robust/rule.ts';
import { groupCount, largestGroup } from '../secagg/group-sizes.ts';
import type { SettingName } from './settings.ts';
import type { Robust } from './settings/robust.ts';

/** The settings that are checked together, as they hold, defaults included. */
export interface Together {
  readonly cohort: number;
  readonly minimum: number;
  readonly overSelect: number;
  readonly selection: 'draw' | 'batches';
  /** How many members a closed run has; undefined where anybody may join. */
  readonly members: number | undefined;
  readonly ring: Ring;
  /** As many as the ring holds where it is undefined. */
  readonly bits: number | undefined;
  readonly isMasked: boolean;
  /** Without a rule there is only what was given beside it. */
  readonly robust: { readonly [Key in keyof Robust]?: Robust[Key] | undefined };
  readonly compression: Compression | undefined;
  readonly clipNorm: number;
  readonly clipping: { readonly floor: number; readonly ceiling: number } | undefined;
  /** K of buffered rounds; undefined where rounds are not buffered. */
  readonly buffer: number | undefined;
  readonly maxStaleness: number | undefined;
}

export interface Violation {
  readonly setting: SettingName;
  /** What was expected and what came. @param nameOf another setting in the caller's words */
  readonly message: (nameOf: (name: SettingName) => string) => string;
}

type Check = (settings: Together) => Violation | undefined;

const minimumWithinCohort: Check = ({ minimum, cohort }) =>
  minimum <= cohort
    ? undefined
    : {
        setting: 'minimum',
        message: (nameOf) => `expected at most ${nameOf('cohort')} (${cohort}), got ${minimum}`,
      };

const enoughMembers: Check = ({ members, minimum }) =>
  members === undefined || members >= minimum
    ? undefined
    : {
        setting: 'allow',
        message: (nameOf) =>
          `expected at least ${nameOf('minimum')} (${minimum}) keys, got ${members}`,
      };

const batchesAreClosed: Check = ({ selection, members }) =>
  selection === 'draw' || members !== undefined
    ? undefined
    : {
        setting: 'selection',
        message: (nameOf) =>
          `batches are made of the members of a closed run: expected ${nameOf('allow')}`,
      };

const batchesAreWhole: Check = ({ selection, overSelect }) =>
  selection === 'draw' || overSelect === 1
    ? undefined
    : {
        setting: 'overSelect',
        message: () => `a batch takes part whole: expected 1, got ${overSelect}`,
      };

const batchesFit: Check = ({ selection, members, minimum, cohort }) =>
  selection === 'draw' ||
  members === undefined ||
  batchCount(members, { size: cohort, minimum }) !== undefined
    ? undefined
    : {
        setting: 'selection',
        message: () => `${members} members cannot be cut into batches of ${minimum} to ${cohort}`,
      };

/** A lane must hold the sum of the cohort, or of a group: q + ceil(log2 n) bits. */
const ringHoldsSum: Check = ({ ring, bits, cohort: whole, isMasked, robust: { groupSize } }) => {
  const cohort = isMasked && groupSize !== undefined ? largestGroup(groupSize) : whole;
  const { modulusBits, bits: range, spare } = RINGS[ring];
  const [low, high] = range;
  const most = Math.min(high, modulusBits - Math.ceil(Math.log2(cohort)));
  if (bits === undefined)
    return spare <= modulusBits - Math.ceil(Math.log2(cohort))
      ? undefined
      : {
          setting: 'ring',
          message: (nameOf) =>
            `${ring} holds ${spare} bits for ${2 ** (modulusBits - spare)} participants, and ${nameOf('cohort')} is ${cohort}`,
        };
  return bits >= low && bits <= most
    ? undefined
    : {
        setting: 'bits',
        message: (nameOf) =>
          `expected ${low} to ${most} for ${nameOf('ring')} ${ring} and ${nameOf('cohort')} ${cohort}, got ${bits}`,
      };
};

/** What goes with a rule says nothing without one. */
const ruleIsNamed: Check = ({ robust: { rule, byzantine, groupSize, bucketing, mixing } }) => {
  if (rule !== undefined) return undefined;
  const given = Object.entries({ byzantine, groupSize, bucketing, mixing }).find(
    ([, value]) => value,
  );
  return given === undefined
    ? undefined
    : {
        setting: given[0] as SettingName,
        message: (nameOf) => `it is part of a rule: expected ${nameOf('aggregation')} with it`,
      };
};

/** A rule compares single updates; under masks, the means of groups. */
const ruleSeesUpdates: Check = ({ robust: { rule, groupSize }, isMasked }) =>
  rule === undefined || !isMasked || groupSize !== undefined
    ? undefined
    : {
        setting: 'aggregation',
        message: (nameOf) =>
          `${rule.type} compares single updates, and under masks there is only their sum: expected ${nameOf('groupSize')} with it, or a run without masks`,
      };

const groupsAreMasked: Check = ({ robust: { groupSize }, isMasked, selection }) => {
  if (groupSize === undefined) return undefined;
  if (!isMasked)
    return {
      setting: 'groupSize',
      message: (nameOf) =>
        `groups are opened one by one under masks; without them ${nameOf('aggregation')} compares single updates: expected none`,
    };
  return selection === 'draw'
    ? undefined
    : {
        setting: 'groupSize',
        message: () =>
          'batches keep every sum to whole batches, and groups open smaller ones: expected none, or no batches',
      };
};

/** The first to register would form a cohort with gaps in every group. */
const groupsInviteCohort: Check = ({ robust: { drawn }, overSelect }) =>
  drawn === undefined || overSelect === 1
    ? undefined
    : {
        setting: 'overSelect',
        message: (nameOf) =>
          `with ${nameOf('groupSize')} the groups are drawn before anybody registers: expected 1, got ${overSelect}`,
      };

const ruleBears: Check = ({ robust, minimum, cohort, isMasked }) => {
  const { rule, byzantine = 1, bucketing, groupSize } = robust;
  if (rule === undefined) return undefined;
  const vectors = bucketing === undefined ? '' : ` over buckets of ${bucketing}`;
  if (isMasked && groupSize !== undefined) {
    const groups = groupCount(cohort, groupSize);
    const borne = tolerated({ rule, bucketing }, groups);
    return byzantine <= borne
      ? undefined
      : {
          setting: 'byzantine',
          message: (nameOf) =>
            `a false update spoils its group, and ${rule.type}${vectors} bears ${borne} of the ${groups} groups that ${nameOf('groupSize')} ${groupSize} makes of ${nameOf('cohort')} (${cohort}), got ${byzantine}`,
        };
  }
  const most = tolerated({ rule, bucketing }, minimum);
  return byzantine <= most
    ? undefined
    : {
        setting: 'byzantine',
        message: (nameOf) =>
          `${rule.type}${vectors} bears ${most} false updates where ${nameOf('minimum')} (${minimum}) are left, got ${byzantine}`,
      };
};

/** Below one coordinate for each member a round tells less than one member could send alone. */
const rateCoversCohort: Check = ({ compression, cohort }) =>
  compression?.type !== 'random-k' || compression.rate * cohort >= 1
    ? undefined
    : {
        setting: 'compression',
        message: (nameOf) =>
          `expected a rate of at least 1/${cohort} for ${nameOf('cohort')} ${cohort}, got ${compression.rate}`,
      };

/** An adaptive norm begins within its bounds. */
const clipNormWithinBounds: Check = ({ clipNorm, clipping }) =>
  clipping === undefined || (clipNorm >= clipping.floor && clipNorm <= clipping.ceiling)
    ? undefined
    : {
        setting: 'clipping',
        message: (nameOf) =>
          `expected a floor and a ceiling around ${nameOf('clipNorm')} (${clipNorm}), got ${clipping.floor} and ${clipping.ceiling}`,
      };

/** What was left out at one norm would be fed back at another. */
const clippingWithoutFeedback: Check = ({ clipping, compression }) =>
  clipping === undefined || compression?.mode !== 'feedback'
    ? undefined
    : {
        setting: 'clipping',
        message: (nameOf) =>
          `the residual of error feedback has the clip norm of earlier rounds: expected ${nameOf('compression')} without it, or a fixed clip norm`,
      };

/** Units of a rank fill the blocks of an update. */
const rankIsPowerOfTwo: Check = ({ compression }) =>
  compression?.type !== 'low-rank' || Number.isInteger(Math.log2(compression.rank))
    ? undefined
    : {
        setting: 'compression',
        message: () => `expected a rank of 4, 8, 16, 32 or 64, got ${compression.rank}`,
      };

/** What goes with buffered rounds says nothing without them. */
const stalenessIsBuffered: Check = ({ buffer, maxStaleness }) =>
  buffer !== undefined || maxStaleness === undefined
    ? undefined
    : {
        setting: 'maxStaleness',
        message: (nameOf) => `it is part of buffered rounds: expected ${nameOf('buffer')} with it`,
      };

const bufferIsCohort: Check = ({ buffer, cohort }) =>
  buffer === undefined || buffer === cohort
    ? undefined
    : {
        setting: 'buffer',
        message: (nameOf) =>
          `the updates of a buffer are the cohort of a round: expected the number of ${nameOf('cohort')}, ${cohort}, got ${buffer}`,
      };

/**
 * The first to be ready form a round, so no draw bounds how many of them one party makes: only the
 * list of members does.
 */
const bufferIsClosed: Check = ({ buffer, members, selection }) => {
  if (buffer === undefined) return undefined;
  if (selection === 'batches')
    return {
      setting: 'selection',
      message: (nameOf) =>
        `${nameOf('buffer')} takes the first updates that are ready, and batches take part whole or not at all: expected draw`,
    };
  if (members === undefined)
    return {
      setting: 'buffer',
      message: (nameOf) =>
        `the first to be ready form a round, so in an open run one party can be all but one of them: expected a closed run (${nameOf('allow')})`,
    };
  return members >= buffer && members <= MOST_INVITED
    ? undefined
    : {
        setting: 'buffer',
        message: () =>
          members < buffer
            ? `expected at most the members of the run (${members}), got ${buffer}`
            : `a buffered round invites all members: expected at most ${MOST_INVITED} of them, got ${members}`,
      };
};

/** All members are invited, and the first to be ready come first. */
const bufferInvitesAll: Check = ({ buffer, overSelect }) =>
  buffer === undefined || overSelect === 1
    ? undefined
    : {
        setting: 'overSelect',
        message: () => `a buffered round invites all members: expected 1, got ${overSelect}`,
      };

/** A rule compares updates of one model; stale ones are shorter, and of another model. */
const bufferIsMean: Check = ({ buffer, robust: { rule } }) =>
  buffer === undefined || rule === undefined
    ? undefined
    : {
        setting: 'aggregation',
        message: (nameOf) =>
          `${rule.type} compares updates of one model, and ${nameOf('buffer')} mixes updates of several: expected no rule`,
      };

const CHECKS: readonly Check[] = [
  minimumWithinCohort,
  enoughMembers,
  batchesAreClosed,
  batchesAreWhole,
  batchesFit,
  ringHoldsSum,
  ruleIsNamed,
  ruleSeesUpdates,
  groupsAreMasked,
  groupsInviteCohort,
  ruleBears,
  rateCoversCohort,
  clipNormWithinBounds,
  clippingWithoutFeedback,
  rankIsPowerOfTwo,
  stalenessIsBuffered,
  bufferIsCohort,
  bufferIsClosed,
  bufferInvitesAll,
  bufferIsMean,
];

/** The first check that the settings fail; undefined where they hold together. */
export const checkTogether = (settings: Together): Violation | undefined => {
  for (const check of CHECKS) {
    const violation = check(settings);
    if (violation !== undefined) return violation;
  }
  return undefined;
};
