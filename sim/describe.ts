/**
 * @module Formats the events and the summary of a simulation as the lines that `floe sim` prints.
 */
import { makeStrategySpec } from '../protocol/algorithm/registry.ts';
import { metricsText } from '../protocol/algorithm/metrics.ts';
import { describeRobust } from '../protocol/robust/describe.ts';
import { describeBuffer, stalenessText } from '../protocol/spec/describe-buffer.ts';
import { DEFAULT_MAX_STALENESS } from '../protocol/spec/settings/buffer.ts';
import { describeContract } from '../protocol/spec/describe-contract.ts';
import { info, result, warning, type Line } from '../protocol/line.ts';
import { anomalyRows } from './report/anomalies.ts';
import type { ScenarioEvent } from './events.ts';
import { formatDrops } from './faults.ts';
import { describeActivities } from './report/activities.ts';
import { formatBytes, formatPercent } from './report/html.ts';
import type { Scenario } from './scenario.ts';
import { describeFineTuned } from './fine-tune/distribution.ts';
import type { RoundSummary, Summary } from './summary.ts';
import { describeWorld } from './world-summary.ts';
import { plural } from '../protocol/plural.ts';

type EventOf<Type extends ScenarioEvent['type']> = Extract<ScenarioEvent, { readonly type: Type }>;

const ruleOf = (scenario: Scenario): readonly string[] => {
  const { aggregation: rule, byzantine = 1, groupSize, bucketing, mixing } = scenario;
  const { minimum, cohort: size, mask } = scenario;
  if (rule === undefined) return [];
  const secagg = mask ? 'masked' : 'none';
  return describeRobust(
    { rule, byzantine, groupSize, bucketing, mixing },
    { secagg, cohort: { minimum, size } },
  );
};

const bufferOf = ({
  buffer: size,
  maxStaleness = DEFAULT_MAX_STALENESS,
  participants: members,
  strategy: input,
}: Scenario): readonly string[] => {
  if (size === undefined) return [];
  const strategy = makeStrategySpec(input, { members, buffer: size });
  return describeBuffer({ size, maxStaleness }, { members, strategy });
};

const describeStart = (scenario: Scenario, event: EventOf<'started'>): readonly string[] => {
  const { statistics, data } = event;
  const labels =
    statistics.meanLabels === undefined
      ? ''
      : `, ${statistics.meanLabels.toFixed(1)} labels each on average`;
  return [
    `backend    ${event.backend}`,
    `store      ${event.store} (${scenario.substrate.type === 'local' ? '' : 'copies in '}${event.folder}/blobs), gate ${event.gate}, ledger ${event.ledger}`,
    event.masked
      ? 'updates    masked: the coordinator sees sums only'
      : 'updates    NOT masked: the coordinator can read every update',
    ...(event.privacy === undefined ? [] : [`privacy    ${event.privacy}`]),
    ...ruleOf(scenario),
    ...bufferOf(scenario),
    `seed       ${scenario.seed} (keys derive from it: for simulation only)`,
    `data       ${data.source}: ${data.train} training and ${data.test} test examples`,
    ...(data.contract === undefined ? [] : describeContract(data.contract)),
    ...data.notes.map((note) => `           ${note}`),
    `partition  ${event.partition} over ${plural(scenario.participants, 'participant')}: ${statistics.smallest} to ${plural(statistics.largest, 'example')}${labels}`,
    `model      ${event.model}, ${event.parameters} parameters`,
    `rounds     ${scenario.rounds}, ${plural(scenario.cohort, 'participant')} each, ${plural(event.workers, 'worker thread')}`,
    `drop-outs  ${formatDrops(scenario.drops)}`,
    ...describeWorld(event.world),
    `run        ${event.run}`,
    '',
  ];
};

/**
 * The lines of an event; of rounds only anomalies, see {@link describeRound}; none for
 * progress alone.
 */
export const describeEvent = (scenario: Scenario, event: ScenarioEvent): readonly Line[] => {
  switch (event.type) {
    case 'starting':
      return scenario.substrate.type === 'devnet'
        ? [info('starting   Sui, Walrus and Seal on this machine')]
        : [];
    case 'started':
      return describeStart(scenario, event).map(info);
    case 'resumed':
      return [
        info(
          event.rounds === 0
            ? 'resumed    no round was committed: the run begins anew'
            : `resumed    after round ${event.rounds} of ${scenario.rounds}`,
        ),
      ];
    case 'network':
      return [
        info(`network    ${event.own ? 'a devnet of this run: ' : ''}Sui ${event.rpcUrl}`),
        info(`           Walrus ${event.aggregatorUrl ?? ''}, package ${event.packageId ?? ''}`),
      ];
    case 'aborted':
      return [warning(`attempt ${event.attempt} was aborted: ${event.code}: ${event.reason}`)];
    case 'warning':
      return [warning(event.message)];
    case 'participant':
      return [warning(`participant ${event.index}: ${event.event.code}: ${event.event.message}`)];
    case 'finishing':
      return event.baseline
        ? [info('all rounds are done; scoring the last models and finishing the baseline')]
        : [];
    case 'round':
      return anomalyRows([event.round]).map(([round, text]) =>
        warning(`anomaly in ${round}: ${text}`),
      );
    case 'scored':
    case 'phase':
    case 'dropped':
      return [];
  }
};

/** What a model reaches on the test set. */
export interface Tested {
  readonly testAccuracy?: number | undefined;
  readonly testLoss?: number | undefined;
  /** Of attackers whose goal is measured. */
  readonly attackSuccess?: number | undefined;
}

/** Regression has no accuracy. */
export const testText = ({ testAccuracy, testLoss }: Tested): string =>
  testAccuracy === undefined && testLoss !== undefined
    ? `test loss ${testLoss.toFixed(4)}`
    : `test accuracy ${formatPercent(testAccuracy)}`;

/** The line of a committed round. @param tested its model, empty if not evaluated */
export const describeRound = (round: RoundSummary, of: number, tested: Tested): string => {
  const { attackSuccess } = tested;
  const attacked =
    attackSuccess === undefined ? '' : `attack success ${formatPercent(attackSuccess)}  `;
  const virtual =
    round.virtualSeconds === undefined
      ? ''
      : `  virtual ${round.virtualSeconds.toFixed(1)} s, ${(round.virtualTime ?? 0).toFixed(1)} s in all`;
  const norm =
    round.clipNorm === undefined ? '' : `next clip norm ${round.clipNorm.toPrecision(4)}  `;
  const aged = round.staleness === undefined ? '' : `${stalenessText(round.staleness)}  `;
  const metrics = Object.entries(round.training).map(([name, value]) => ({ name, value }));
  return (
    `round ${String(round.version).padStart(String(of).length)}/${of}  ${testText(tested)}  ${attacked}` +
    `${metricsText(metrics, round.version)}  ${round.survivors}/${round.cohort} survived  ${aged}${norm}` +
    `up ${formatBytes(round.bytesUp)}  down ${formatBytes(round.bytesDown)}  ${round.seconds.toFixed(2)} s${virtual}`
  );
};

/** Where others find the last version. */
const describePublished = ({ published, history }: Summary): readonly string[] => {
  const { object, runObject, blob, transcript } = published;
  if (object === undefined) return [];
  return [
    '',
    `run on Sui      ${runObject ?? ''}`,
    `version on Sui  ${object} (round ${history.at(-1)?.version ?? 0})`,
    `model           blob ${blob} on Walrus, its key at Seal`,
    `transcript      blob ${transcript ?? ''}`,
  ];
};

/** What the world of the scenario has made of the run. */
const describeOutcome = ({ status, virtualSeconds, attackSuccess }: Summary): readonly Line[] => [
  ...(virtualSeconds === undefined
    ? []
    : [
        result(
          `virtual time ${virtualSeconds.toFixed(1)} s${status === 'target' ? ' to the wanted accuracy' : ''}`,
        ),
      ]),
  ...(attackSuccess === undefined
    ? []
    : [result(`success of the attackers ${formatPercent(attackSuccess)}`)]),
];

/** The lines of a finished run and of the files in its folder. */
export const describeSummary = (summary: Summary, folder: string): readonly Line[] => {
  const { baselineAccuracy, rounds, seconds } = summary;
  const baseline =
    baselineAccuracy === undefined
      ? ''
      : ` (centralised baseline ${formatPercent(baselineAccuracy)})`;
  const tfjs = summary.files['tfjs'] === undefined ? '' : ' (also as tfjs/)';
  return [
    info(''),
    result(
      `${testText(summary)}${baseline} after ${plural(rounds, 'round')} in ${seconds.toFixed(1)} s`,
    ),
    result(
      `up ${formatBytes(summary.bytesUp)}, down ${formatBytes(summary.bytesDown)}; ${summary.masked ? 'every update was masked' : 'updates were NOT masked'}; aborted attempts: ${summary.attemptsAborted}`,
    ),
    ...describeOutcome(summary),
    ...(summary.fineTuned === undefined ? [] : [result(describeFineTuned(summary.fineTuned))]),
    result(`model hash ${summary.modelHash}`),
    ...[
      `time per round, of kinds that overlap: ${describeActivities(summary).join(', ')}`,
      ...describePublished(summary),
      '',
      folder,
      '  report.html         plots and tables, opens without a network',
      '  summary.json        the same as numbers',
      `  model.safetensors   the model in clear, its only clear copy${tfjs}`,
      '  auditor.key         key of the simulated auditor; floe verify and floe pull use it',
      '',
    ].map(info),
  ];
};
