/**
 * @module What `floe sim` shows: a progress bar on a terminal, a line every few rounds elsewhere.
 */
import { SingleBar } from 'cli-progress';
import type { ScenarioEvent } from '../sim/events.ts';
import { formatDrops } from '../sim/faults.ts';
import { describeActivities, formatBytes, formatPercent } from '../sim/report.ts';
import type { Scenario } from '../sim/scenario.ts';
import type { RoundSummary, Summary } from '../sim/summary.ts';
import { commandName, type Output } from './output.ts';

export interface RunDisplay {
  readonly event: (event: ScenarioEvent) => void;
  readonly end: (summary: Summary, folder: string) => void;
  /** Gives the terminal back, however the run ended. Idempotent. */
  readonly close: () => void;
}

/** Without a terminal about this many lines are printed. */
const LINES = 20;
/** The same warning of many participants is printed this often. */
const MAX_WARNINGS = 5;

const startLines = (
  scenario: Scenario,
  event: Extract<ScenarioEvent, { type: 'started' }>,
  output: Output,
): string[] => {
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
      : `updates    ${output.style(['bold', 'red'], 'NOT masked')}: the coordinator can read every update`,
    `seed       ${scenario.seed} (keys derive from it: for simulation only)`,
    `data       ${data.source}: ${data.train} training and ${data.test} test examples`,
    `partition  ${event.partition} over ${scenario.participants} participants: ${statistics.smallest} to ${statistics.largest} examples${labels}`,
    `model      ${event.model}, ${event.parameters} parameters`,
    `rounds     ${scenario.rounds}, ${scenario.cohort} participants each, ${event.workers} worker threads`,
    `drop-outs  ${formatDrops(scenario.drops)}`,
    `run        ${event.run}`,
    '',
  ];
};

/** Where the last version can be found by others. */
const publishedLines = ({ published, history }: Summary): string[] => {
  const { object, runObject, blob, transcript } = published;
  if (object === undefined) return [];
  return [
    '',
    `run on Sui      ${runObject ?? ''}`,
    `version on Sui  ${object} (round ${history.at(-1)?.round ?? 0})`,
    `model           blob ${blob} on Walrus, its key at Seal`,
    `transcript      blob ${transcript ?? ''}`,
  ];
};

/** What to do with a run. */
const nextLines = ({ published: { object, runObject } }: Summary, folder: string): string[] => {
  const floe = commandName();
  return [
    `recompute it  ${floe} verify ${folder}`,
    ...(object === undefined
      ? [`pull it       ${floe} pull ${folder} --out model`]
      : [
          `pull it       ${floe} pull ${object} --run ${folder} --out model`,
          `its versions  ${floe} models ${runObject ?? ''} --run ${folder}`,
        ]),
  ];
};

const describeMetrics = ({ training }: RoundSummary): string =>
  Object.entries(training)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join('  ');

const roundLine = (round: RoundSummary, of: number, accuracy: string): string =>
  `round ${String(round.version).padStart(String(of).length)}/${of}  ${accuracy}  ` +
  `${describeMetrics(round)}  ${round.survivors}/${round.cohort} survived  ` +
  `up ${formatBytes(round.bytesUp)}  down ${formatBytes(round.bytesDown)}  ${round.seconds.toFixed(2)} s`;

/** What came of the run, and what its folder holds. */
const conclude = (summary: Summary, folder: string, output: Output): void => {
  const baseline =
    summary.baselineAccuracy === undefined
      ? ''
      : ` (centralised baseline ${formatPercent(summary.baselineAccuracy)})`;
  output.line();
  output.say(
    `test accuracy ${output.style('bold', formatPercent(summary.testAccuracy))}${baseline} after ${summary.rounds} rounds in ${summary.seconds.toFixed(1)} s`,
  );
  output.say(
    `up ${formatBytes(summary.bytesUp)}, down ${formatBytes(summary.bytesDown)}; ${summary.masked ? 'every update was masked' : 'updates were NOT masked'}; aborted attempts: ${summary.roundsAborted}`,
  );
  output.say(`model hash ${summary.modelHash}`);
  output.line(`a round's time: ${describeActivities(summary).join(', ')}`);
  for (const line of publishedLines(summary)) output.line(line);
  output.line();
  output.line(folder);
  output.line('  report.html         plots and tables, opens without a network');
  output.line('  summary.json        the same in numbers');
  output.line(
    `  model.safetensors   the model in clear, its only clear copy${summary.files['tfjs'] === undefined ? '' : ' (also as tfjs/)'}`,
  );
  output.line(
    "  auditor.key         the simulated auditor's key: floe verify and floe pull use it",
  );
  output.line();
  for (const line of nextLines(summary, folder)) output.line(line);
};

export const showRun = (output: Output, scenario: Scenario): RunDisplay => {
  const every = Math.max(1, Math.floor(scenario.rounds / LINES));
  const pending = new Map<number, { readonly round: RoundSummary; readonly of: number }>();
  let bar: SingleBar | undefined;
  let accuracy = 'test accuracy –';
  let warnings = 0;
  let bytes = 0;
  /** The bar owns the terminal's last line: it makes room for other lines. */
  const aside = (print: () => void): void => {
    const shown = bar;
    if (shown === undefined) {
      print();
      return;
    }
    process.stdout.write('\r\u001B[K');
    print();
    shown.updateETA();
  };
  const warn = (text: string): void => {
    warnings += 1;
    if (warnings <= MAX_WARNINGS) aside(() => output.warn(text));
    if (warnings === MAX_WARNINGS + 1) aside(() => output.warn('more like this are not shown'));
  };
  const close = (): void => {
    bar?.stop();
    bar = undefined;
  };
  const onRound = (round: RoundSummary, of: number): void => {
    bytes += round.bytesUp + round.bytesDown;
    if (bar !== undefined) {
      const state = `${accuracy}  ${formatBytes(bytes)}  ${round.seconds.toFixed(2)} s a round`;
      bar.update(round.version, { state });
    } else if (round.version % every === 0 || round.version === of)
      pending.set(round.version, { round, of });
  };
  return {
    event: (event) => {
      switch (event.type) {
        case 'starting':
          if (scenario.substrate.type === 'devnet')
            output.line('starting   Sui, Walrus and Seal on this machine');
          break;
        case 'started':
          for (const line of startLines(scenario, event, output)) output.line(line);
          if (output.interactive) {
            bar = new SingleBar({
              format: '{bar} round {value}/{total}  {state}  {duration_formatted}',
              barsize: 24,
              hideCursor: true,
              stream: process.stdout,
              stopOnComplete: false,
            });
            bar.start(scenario.rounds, 0, { state: '' });
          }
          break;
        case 'network':
          output.line(
            `network    ${event.own ? "a devnet of this run's own: " : ''}Sui ${event.rpcUrl}`,
          );
          output.line(
            `           Walrus ${event.aggregatorUrl ?? ''}, package ${event.packageId ?? ''}`,
          );
          break;
        case 'round':
          onRound(event.round, event.of);
          break;
        case 'scored': {
          accuracy = `test accuracy ${formatPercent(event.testAccuracy)}`;
          const waiting = pending.get(event.version);
          pending.delete(event.version);
          if (waiting !== undefined) output.line(roundLine(waiting.round, waiting.of, accuracy));
          break;
        }
        case 'aborted':
          warn(`attempt ${event.round} was aborted: ${event.code}: ${event.reason}`);
          break;
        case 'warning':
          warn(event.message);
          break;
        case 'participant':
          warn(`participant ${event.index}: ${event.event.code}: ${event.event.message}`);
          break;
        case 'finishing':
          close();
          if (event.baseline)
            output.line(
              'the rounds are over; scoring the last models and finishing the centralised baseline',
            );
          break;
        case 'phase':
        case 'dropped':
          break;
      }
    },
    close,
    end: (summary, folder) => {
      close();
      conclude(summary, folder, output);
    },
  };
};
