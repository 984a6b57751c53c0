/**
 * @module The use of time in a run. All parts record spans of wall-clock time by activity, in every
 * thread. Overlapping spans of one activity count once: a share is the fraction of the rounds' time
 * during which the activity was in progress.
 */
import { withTrain, type Trainer } from '../client/trainer.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import type { BlobStore } from '../protocol/ports/blob-store.ts';
import type { UploadStaging } from '../protocol/ports/upload-staging.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';

const ACTIVITIES = [
  'training',
  'aggregation',
  'storage',
  'keys',
  'ledger',
  'scoring',
  'baseline',
] as const;
export type Activity = (typeof ACTIVITIES)[number];

/** Takes a span, in ms of `steadyNow`. */
export type Note = (activity: Activity, from: number, to: number) => void;

/** Milliseconds on a steady clock that all threads of the process share. */
export const steadyNow = (): number => performance.timeOrigin + performance.now();

/** Notes how long `work` takes, whether it succeeds or not. */
export const timed = async <Result>(
  note: Note,
  activity: Activity,
  work: () => Promise<Result>,
): Promise<Result> => {
  const from = steadyNow();
  try {
    return await work();
  } finally {
    note(activity, from, steadyNow());
  }
};

export const timedTrainer = (trainer: Trainer, note: Note): Trainer =>
  withTrain(trainer, (request) => timed(note, 'training', () => trainer.train(request)));

export const timedStore = (store: BlobStore, note: Note): BlobStore => ({
  kind: store.kind,
  put: (bytes, options) => timed(note, 'storage', () => store.put(bytes, options)),
  get: (ref, options) => timed(note, 'storage', () => store.get(ref, options)),
  getRange: (...request) => timed(note, 'storage', () => store.getRange(...request)),
});

/** An archive counts until all its blobs are in permanent storage. */
export const timedStaging = (staging: UploadStaging, note: Note): UploadStaging => ({
  archive: async (blobs, options) => {
    const from = steadyNow();
    const refs = await staging.archive(blobs, options);
    const noted = (): void => note('storage', from, steadyNow());
    // Callers of `settle` handle its failure.
    staging.settle().then(noted, noted);
    return refs;
  },
  settle: (options) => staging.settle(options),
  sustain: (blobs, options) => staging.sustain(blobs, options),
});

export const timedGate = (gate: AccessGate, note: Note): AccessGate => ({
  ...gate,
  wrap: (...request) => timed(note, 'keys', () => gate.wrap(...request)),
  unwrap: (...request) => timed(note, 'keys', () => gate.unwrap(...request)),
});

export const timedLedger = <Port extends Ledger>(ledger: Port, note: Note): Port => ({
  ...ledger,
  freezeCohort: (freeze) => timed(note, 'ledger', () => ledger.freezeCohort(freeze)),
  freezeSurvivors: (freeze) => timed(note, 'ledger', () => ledger.freezeSurvivors(freeze)),
  registerModel: (...version) => timed(note, 'ledger', () => ledger.registerModel(...version)),
});

type Span = readonly [from: number, to: number];

/** Sorted and without overlaps, cut to `window`. */
const unionOf = (spans: readonly Span[], [first, last]: Span): Span[] => {
  const union: [number, number][] = [];
  const cut = spans
    .map(([from, to]) => [Math.max(from, first), Math.min(to, last)] as const)
    .filter(([from, to]) => from < to)
    .toSorted(([a], [b]) => a - b);
  for (const [from, to] of cut) {
    const open = union.at(-1);
    if (open !== undefined && from <= open[1]) open[1] = Math.max(open[1], to);
    else union.push([from, to]);
  }
  return union;
};

const lengthOf = (spans: readonly Span[]): number =>
  spans.reduce((sum, [from, to]) => sum + to - from, 0);

/** The intersection of two unions: |A| + |B| - |A or B|. */
const commonOf = (a: readonly Span[], b: readonly Span[], window: Span): number =>
  lengthOf(a) + lengthOf(b) - lengthOf(unionOf([...a, ...b], window));

export interface ActivityShare {
  /** Seconds in which it was under way, over the whole run. */
  readonly seconds: number;
  /** Of the rounds' time, in 0..1; the shares of what overlaps add up to more than 1. */
  readonly share: number;
  /** How much of it ran while participants trained, in 0..1. */
  readonly besideTraining: number;
}

export interface Timeline {
  readonly note: Note;
  /** Shares of the time between two moments of `steadyNow`. */
  shares(from: number, to: number): Readonly<Record<Activity, ActivityShare>>;
}

export const createTimeline = (): Timeline => {
  const spans = Object.fromEntries(
    ACTIVITIES.map((activity): [Activity, Span[]] => [activity, []]),
  ) as Record<Activity, Span[]>;
  return {
    note: (activity, from, to) => void spans[activity].push([from, to]),
    shares: (from, to) => {
      const window: Span = [from, to];
      const training = unionOf(spans.training, window);
      const shareOf = (activity: Activity): ActivityShare => {
        const own = unionOf(spans[activity], window);
        const length = lengthOf(own);
        return {
          seconds: length / 1000,
          share: to > from ? length / (to - from) : 0,
          besideTraining: length > 0 ? commonOf(own, training, window) / length : 0,
        };
      };
      return Object.fromEntries(
        ACTIVITIES.map((activity): [Activity, ActivityShare] => [activity, shareOf(activity)]),
      ) as Record<Activity, ActivityShare>;
    },
  };
};
