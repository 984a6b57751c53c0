/**
 * @module The output of `floe sim`: a progress bar on a terminal, otherwise a line every few
 * rounds.
 */
import { SingleBar } from 'cli-progress';
import {
  describeEvent,
  describeRound,
  describeSummary,
  testText,
  type Tested,
} from '../sim/describe.ts';
import type { ScenarioEvent } from '../sim/events.ts';
import { formatBytes } from '../sim/report/html.ts';
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

/** The commands that read the finished run. */
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

export const showRun = (output: Output, scenario: Scenario): RunDisplay => {
  const every = Math.max(1, Math.floor(scenario.rounds / LINES));
  const pending = new Map<number, { readonly round: RoundSummary; readonly of: number }>();
  let bar: SingleBar | undefined;
  let tested: Tested = {};
  let warnings = 0;
  let bytes = 0;
  const close = (): void => {
    bar?.stop();
    bar = undefined;
  };
  const onRound = (round: RoundSummary, of: number): void => {
    bytes += round.bytesUp + round.bytesDown;
    if (bar !== undefined) {
      const state = `${testText(tested)}  ${formatBytes(bytes)}  ${round.seconds.toFixed(2)} s per round`;
      bar.update(round.version, { state });
    } else if (round.version % every === 0 || round.version === of)
      pending.set(round.version, { round, of });
  };
  const onScore = (version: number, score: Tested): void => {
    tested = score;
    const waiting = pending.get(version);
    pending.delete(version);
    if (waiting !== undefined) output.line(describeRound(waiting.round, waiting.of, score));
  };
  const openBar = (): void => {
    bar = new SingleBar({
      format: '{bar} round {value}/{total}  {state}  {duration_formatted}',
      barsize: 24,
      hideCursor: true,
      stream: process.stdout,
      stopOnComplete: false,
    });
    bar.start(scenario.rounds, 0, { state: '' });
  };
  return {
    event: (event) => {
      if (event.type === 'finishing') close();
      const lines = describeEvent(scenario, event);
      const isWarning = lines.some(([level]) => level === 'warn');
      if (isWarning) warnings += 1;
      const shown = isWarning && warnings > MAX_WARNINGS ? [] : lines;
      // The bar owns the terminal's last line: it makes room for other lines.
      if (bar !== undefined && shown.length > 0) process.stdout.write('\r\u001B[K');
      output.event(event, shown);
      if (isWarning && warnings === MAX_WARNINGS) output.line('further warnings are not shown');
      bar?.updateETA();
      if (event.type === 'round') onRound(event.round, event.of);
      if (event.type === 'scored') onScore(event.version, event);
      if (event.type === 'started' && output.interactive) openBar();
    },
    close,
    end: (summary, folder) => {
      close();
      output.print(describeSummary(summary, folder));
      for (const line of nextLines(summary, folder)) output.line(line);
    },
  };
};
