/**
 * @module The lines of a privacy plan.
 */
import { info, result, warning, type Line } from '../line.ts';
import type { CorrelatedPlan } from './plan-correlated.ts';
import type { PlanInput, PrivacyPlan } from './plan.ts';

/** Three significant digits, without an exponent where there is no need. */
const digits = (value: number): string =>
  value === 0 || (value >= 1e-3 && value < 1e6)
    ? String(Number(value.toPrecision(3)))
    : value.toExponential(1);

const probability = (value: number): string =>
  value < 1e-30 ? 'below 1e-30' : `at most ${value.toExponential(1)}`;

const against = ({ noiseToClip, noiseNorm, clipNorm }: PrivacyPlan, cohort: number): string =>
  `signal     the mean of ${cohort} updates has norm ${digits(clipNorm)} at most, its noise ${digits(noiseNorm)}: ${digits(noiseToClip)} times as much`;

const priced = ({ groups }: PrivacyPlan): readonly Line[] =>
  groups === undefined
    ? []
    : [
        result(
          `groups     ${groups.count} of at least ${groups.size}, each opened alone, where one may have all members that add no noise: the mean of one has noise of ${digits(groups.noiseToClip)} times the clip norm`,
        ),
        result(
          groups.timesOneSum === undefined
            ? 'price      with one sum for the cohort no ring holds the noise'
            : `price      the mean over all groups has ${digits(groups.timesOneSum)} times the noise of one sum for the cohort; a median of groups has more`,
        ),
      ];

/** What a delta that is not small means. */
const largeDelta = ({ delta, participants }: PlanInput): readonly Line[] =>
  delta * participants < 0.1
    ? []
    : [
        warning(
          `delta      ${delta} is large for ${participants} participants: delta bounds the chance that the data of one leaks entirely; take less than a tenth of 1 / participants`,
        ),
      ];

/** Of a buffered run: who the others are. */
const inBuffers = ({ buffer, participants }: PlanInput): string =>
  buffer === undefined
    ? ''
    : `, though all of the ${participants} participants that add none may be in one buffer`;

const inAllRounds = (
  { participants, cohort, rounds, groupSize, buffer }: PlanInput,
  correlated: CorrelatedPlan | undefined,
): readonly Line[] => {
  if (groupSize !== undefined || buffer !== undefined) return [];
  if (correlated === undefined)
    return [
      info(
        participants === cohort
          ? 'correlated not possible with these sizes'
          : 'correlated refused: it needs every participant in every round',
      ),
    ];
  const { bands, noiseOfAllRounds, independent, ratio, ring, bits } = correlated;
  return [
    result(
      `correlated (--privacy ftrl, ${bands} bands, ${ring}, q = ${bits}) the sum of all ${rounds} rounds has noise ${digits(noiseOfAllRounds)} times the clip norm, with independent noise ${digits(independent)}: ${digits(ratio)} times as much`,
    ),
    result(
      ratio < 1
        ? 'better     correlated noise, for the models of the whole run'
        : 'better     independent noise (--privacy skellam): where participants are in every round no correlation leaves less in the sum of all rounds',
    ),
  ];
};

/**
 * The plan of a run with these sizes, line by line.
 *
 * @param correlated what correlated noise would be; undefined where it is refused
 */
export const describePlan = (
  input: PlanInput,
  plan: PrivacyPlan,
  correlated?: CorrelatedPlan,
): readonly Line[] => {
  const { participants, cohort, rounds, dimension } = input;
  return [
    info(
      `run        ${rounds} rounds of ${cohort} of ${participants} participants, ${dimension} parameters`,
    ),
    result(
      `guarantee  epsilon ${digits(plan.epsilon)} at delta ${plan.delta} for each participant, by RDP of order ${plan.order}`,
    ),
    ...largeDelta(input),
    info(
      'covers     all that one participant sends, against empty updates in its place; a changed row of its data counts twice (docs/privacy.md)',
    ),
    info(
      'against    every reader of sums and models, the coordinator included; that a participant took part is public',
    ),
    info(
      `assumed    at least ${plan.minimum} survivors in ${plan.groups === undefined ? 'a sum' : 'the sum of a group'}, of whom at least ${plan.honestSurvivors} ${plan.honestSurvivors === 1 ? 'adds its' : 'add their'} noise${inBuffers(input)}; no amplification by sampling`,
    ),
    result(
      `rounds     a participant is in at most ${plan.participations} of them; its ledger refuses the next one`,
    ),
    result(
      `noise      Skellam, multiplier ${digits(plan.noiseMultiplier)}; variance ${digits(plan.variance)} a participant and coordinate`,
    ),
    result(
      `encoding   ${plan.ring}, q = ${plan.bits}: a coordinate of any round wraps with probability ${probability(plan.wrapProbability)}; upload ${plan.uploadBytes} bytes`,
    ),
    info(
      `sampler    integer thresholds of 160 bits: all draws together are within ${digits(plan.samplerError)} of exact ones`,
    ),
    result(against(plan, cohort)),
    ...priced(plan),
    ...inAllRounds(input, correlated),
    info(''),
    info('with other sizes, at the same epsilon and delta:'),
    ...plan.alternatives.map(({ change, noiseMultiplier, noiseToClip }) =>
      info(
        `  ${change.padEnd(38)} multiplier ${digits(noiseMultiplier).padEnd(6)} noise ${digits(noiseToClip)} times the clip norm`,
      ),
    ),
  ];
};
