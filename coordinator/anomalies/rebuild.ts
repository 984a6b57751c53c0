/**
 * @module The anomaly report after a restart: the newest commits are measured again, from the
 * journal's records and the models that they name. Nothing of it is kept on disk, because a mean of
 * steps is the model in clear.
 */
import type { ModelRef } from '../../protocol/records/records.ts';
import { reportMetrics } from '../../protocol/algorithm/metrics.ts';
import { toFloeError } from '../../protocol/errors.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Journal } from '../journal/port.ts';
import { errorFields, type Logger } from '../log.ts';
import type { State } from '../machine/index.ts';
import { newestCommits, type PastCommit } from '../past-commits.ts';
import { WINDOW } from './rules.ts';
import { createAnomalyWatch, type AnomalyWatch } from './watch.ts';

/** Of commits: the window, and as many before it for the mean of the steps. */
const MOST_COMMITS = 2 * WINDOW;
/** Of model blobs that are read, bytes: a large model is compared with fewer rounds. */
const MOST_BYTES = 2 ** 28;
/** A rebuild starts again where a round is committed meanwhile, so many times. */
const TRIES = 3;

export interface RebuildInit {
  readonly spec: RunSpec;
  readonly journal: Journal;
  /** Parameters behind a reference, flat. */
  readonly read: (model: ModelRef) => Promise<Float32Array>;
  readonly state: () => State;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How many commits are measured: each needs the model after it, and the first that before it. */
const commitsFor = (bytes: number): number =>
  Math.min(MOST_COMMITS, Math.floor(MOST_BYTES / bytes) - 1);

/** A watch that has seen these commits, as far back as their models can be read. */
const watchOf = async (
  { spec, read, log, signal }: RebuildInit,
  commits: readonly PastCommit[],
  committed: number,
): Promise<AnomalyWatch> => {
  let watch = createAnomalyWatch();
  let before: Float32Array | undefined;
  for (const [i, { open, commit, cohort, survivors }] of commits.entries()) {
    signal.throwIfAborted();
    const { attempt, body } = commit;
    try {
      before ??= await read(open.body.model);
      const after = await read(body.model);
      watch.measure(attempt, before, after);
      watch.judge({
        attempt,
        version: committed - commits.length + 1 + i,
        cohort,
        survivors,
        metrics: reportMetrics(spec.metrics, body.metrics, body.weight),
      });
      before = after;
    } catch (thrown) {
      signal.throwIfAborted();
      // Old blobs may be gone: what came before them is of no use.
      log.info({ attempt, ...errorFields(toFloeError(thrown)) }, 'an old model cannot be read');
      watch = createAnomalyWatch();
      before = undefined;
    }
  }
  return watch;
};

/**
 * Measures the newest commits of a run that was started again, and puts them into its watch. Never
 * fails: without it the comparison begins anew.
 */
export const rebuildWatch = async (init: RebuildInit, watch: AnomalyWatch): Promise<void> => {
  const { journal, state, log, signal } = init;
  try {
    for (let i = 0; i < TRIES; i += 1) {
      const { model, committed } = state();
      if (model === undefined || model.version === 0) return;
      const most = commitsFor(model.blob.size);
      const commits = most < 1 ? [] : await newestCommits(journal, model.version, most);
      const past = await watchOf(init, commits, committed);
      if (signal.aborted) return;
      // Otherwise a round was committed meanwhile.
      if (state().committed !== committed) continue;
      const { length } = past.status().recent;
      // Where old models are gone, the watch itself may have seen more meanwhile.
      if (length < watch.status().recent.length) return;
      watch.continueFrom(past);
      log.info({ commits: length }, 'the anomaly report continues');
      return;
    }
    log.info({}, 'the anomaly report begins anew: rounds were committed meanwhile');
  } catch (thrown) {
    if (signal.aborted) return;
    log.warn(errorFields(toFloeError(thrown)), 'the anomaly report begins anew');
  }
};
