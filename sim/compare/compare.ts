/**
 * @module What several runs reached and cost, side by side, and the settings in which they differ.
 */
import type { RoundSummary } from '../summary.ts';
import type { ComparedRun } from './read-runs.ts';

export interface Reached {
  readonly name: string;
  readonly testAccuracy: number | undefined;
  readonly testLoss: number | undefined;
  readonly rounds: number;
  /** To the target; undefined where it was not reached, or none was asked for. */
  readonly roundsToTarget: number | undefined;
  readonly bytesToTarget: number | undefined;
  /** Of virtual time. */
  readonly virtualToTarget: number | undefined;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly seconds: number;
  readonly modelHash: string;
}

/** Of one run over its rounds: the horizontal axes, and what is drawn over them. */
export interface Curves {
  readonly name: string;
  readonly rounds: readonly number[];
  /** Both ways, since the beginning. */
  readonly bytes: readonly number[];
  /** At the end of each round, since the first began. */
  readonly seconds: readonly number[];
  /** The same in virtual time; undefined of a run in real time. */
  readonly virtual: readonly number[] | undefined;
  readonly accuracy: readonly (number | undefined)[];
  readonly loss: readonly (number | undefined)[];
}

export interface Comparison {
  readonly target: number | undefined;
  readonly reached: readonly Reached[];
  readonly curves: readonly Curves[];
  /** Settings with more than one value, each with that of every run; `undefined`: not given. */
  readonly differences: readonly {
    readonly setting: string;
    readonly values: readonly (string | undefined)[];
  }[];
  /** Settings that all runs share. */
  readonly common: readonly { readonly setting: string; readonly value: string }[];
}

const sums = (
  history: readonly RoundSummary[],
  of: (round: RoundSummary) => number,
): readonly number[] => {
  let sum = 0;
  return history.map((round) => (sum += of(round)));
};

/** Seconds of virtual time at the end of a round; undefined in real time. */
const virtualTime = (round: RoundSummary & { readonly virtualTime?: number | undefined }) =>
  round.virtualTime;

const virtualTimes = (history: readonly RoundSummary[]): readonly number[] | undefined => {
  const known = history.flatMap((round) => virtualTime(round) ?? []);
  return known.length === 0 || known.length < history.length ? undefined : known;
};

const curvesOf = ({ name, summary: { history } }: ComparedRun): Curves => ({
  name,
  rounds: history.map(({ version }) => version),
  bytes: sums(history, ({ bytesUp, bytesDown }) => bytesUp + bytesDown),
  seconds: sums(history, ({ seconds }) => seconds),
  virtual: virtualTimes(history),
  accuracy: history.map(({ testAccuracy }) => testAccuracy),
  loss: history.map(({ testLoss }) => testLoss),
});

const reachedBy = ({ name, summary }: ComparedRun, target: number | undefined): Reached => {
  const { history } = summary;
  const at =
    target === undefined
      ? -1
      : history.findIndex(({ testAccuracy }) => (testAccuracy ?? -1) >= target);
  const until = history.slice(0, at + 1);
  const bytes = sums(until, ({ bytesUp, bytesDown }) => bytesUp + bytesDown).at(-1);
  return {
    name,
    testAccuracy: summary.testAccuracy,
    testLoss: summary.testLoss,
    rounds: summary.rounds,
    roundsToTarget: until.at(-1)?.version,
    bytesToTarget: bytes,
    virtualToTarget: virtualTimes(until)?.at(-1),
    bytesUp: summary.bytesUp,
    bytesDown: summary.bytesDown,
    seconds: summary.seconds,
    modelHash: summary.modelHash,
  };
};

/** @param target test accuracy to which rounds and bytes are counted */
export const compareRuns = (
  runs: readonly ComparedRun[],
  target: number | undefined,
): Comparison => {
  const names = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))].toSorted();
  const all = names.map((setting) => ({
    setting,
    values: runs.map(({ settings }) => settings[setting]),
  }));
  const differs = ({ values }: (typeof all)[number]): boolean => new Set(values).size > 1;
  return {
    target,
    reached: runs.map((run) => reachedBy(run, target)),
    curves: runs.map(curvesOf),
    differences: all.filter(differs),
    common: all
      .filter((each) => !differs(each))
      .map(({ setting, values: [value = ''] }) => ({ setting, value })),
  };
};
