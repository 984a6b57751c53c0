/**
 * @module The long-running work of an attempt, performed and reported back as an event. Every piece
 * is idempotent, is retried a few times if a retry can help, and always ends in an event, because a
 * phase waits for it.
 */
import { reportMetrics } from '../protocol/algorithm/metrics.ts';
import { isDetail } from '../protocol/algorithm/test-counts.ts';
import { privacyClaim } from '../protocol/algorithm/privacy.ts';
import type { Clock } from '../protocol/ports/clock.ts';
import { sleep } from '../protocol/ports/clock.ts';
import { fromHex } from '../protocol/bytes.ts';
import { toFloeError, type FloeError } from '../protocol/errors.ts';
import type { Ledger } from '../protocol/ports/ledger.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { OUTAGES } from '../protocol/outages.ts';
import { STORAGE_ERRORS } from '../protocol/storage-errors.ts';
import type { AttemptKeys } from './attempt-keys.ts';
import type { Aggregation } from './aggregation.ts';
import type { History } from './journal/history.ts';
import { errorFields, type Logger } from './log.ts';
import { attemptOf, type EventBody, type State, type Work } from './machine/index.ts';
import { WORK_LIMIT_MS } from './machine/config.ts';
import { cohortReaders } from './machine/places.ts';
import type { ModelKeeper } from './model-keeper.ts';
import { failureFields } from './recovery.ts';
import type { Upkeep } from './upkeep.ts';

/**
 * Attempts at a piece of work that fails with a retryable error that is no outage, and the pause
 * before the first repeat.
 */
const TRIES = 4;
/**
 * Milliseconds for which a store, gate or ledger that does not answer is asked again: less than the
 * time that the machine gives the work, so that the attempt ends with the cause and not with a
 * deadline.
 */
export const OUTAGE_PATIENCE_MS = WORK_LIMIT_MS - 2 * 60_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;

/** Before the next try at something that has failed this often. */
export const pauseAfter = (failures: number): number =>
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 30));

export interface WorkContext {
  readonly spec: RunSpec;
  readonly run: Uint8Array;
  readonly coordinator: Uint8Array;
  readonly ledger: Ledger;
  readonly history: History;
  readonly clock: Clock;
  readonly keeper: ModelKeeper;
  readonly attemptKeys: AttemptKeys;
  readonly aggregation: Aggregation;
  readonly upkeep: Upkeep;
  readonly log: Logger;
  readonly state: () => State;
  /** The disk rejects writes: pauses the run clock until `release` is called. @returns release */
  readonly hold: (error: FloeError) => () => void;
  /**
   * The work waits for an external service: called once for each piece of work, see
   * outage-notes.ts.
   */
  readonly onOutage: (work: Work, error: FloeError) => void;
  readonly signal: AbortSignal;
}

/** Coordinator, auditors, and who has been in a cohort: a login alone opens nothing. */
const readersOf = ({ spec, coordinator, state }: WorkContext): Uint8Array[] => [
  coordinator,
  ...spec.auditors,
  ...cohortReaders(state()).map(fromHex),
];

/**
 * Whether a piece of work has been tried often enough. A signed commit must be completed: ledger
 * and store are retried until they answer. If the store returns the coordinator's own blobs but not
 * an upload, the upload is lost to its author, and the other members do not wait for it. While the
 * store returns nothing, the phase waits as long as it may.
 */
const isOver = async (
  { aggregation, state, signal }: WorkContext,
  work: Work,
  { code }: FloeError,
  tries: number,
  took: number,
): Promise<boolean> => {
  if (work.type === 'register-model') return false;
  if (!OUTAGES.has(code)) return tries >= TRIES;
  if (work.type !== 'fold') return took + pauseAfter(tries) > OUTAGE_PATIENCE_MS;
  if (tries < TRIES) return false;
  const { phase } = state();
  return phase.type !== 'upload' || (await aggregation.answers(phase.attempt, code, signal));
};

const withRetries = async <Result>(
  context: WorkContext,
  work: Work,
  run: () => Promise<Result>,
): Promise<Result> => {
  const { clock, log, signal, hold, onOutage } = context;
  let release: (() => void) | undefined;
  const from = clock.monotonic();
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        return await run();
      } catch (thrown) {
        const error = toFloeError(thrown);
        // The operator can free a full disk, and the attempt loses nothing meanwhile.
        const waits = STORAGE_ERRORS.has(error.code);
        const took = clock.monotonic() - from;
        if (!error.retryable || signal.aborted) throw error;
        if (!waits && (await isOver(context, work, error, tries, took))) throw error;
        if (waits) release ??= hold(error);
        else if (tries === TRIES) onOutage(work, error);
        log.warn(
          { work: work.type, attempt: work.attempt, tries, ...errorFields(error) },
          'retrying',
        );
        await sleep(clock, pauseAfter(tries), signal);
      }
    }
  } finally {
    release?.();
  }
};

/** A receipt as records hold it: 500 characters. */
const cut = (receipt: string): string => receipt.slice(0, 500);

const perform = async (context: WorkContext, work: Work): Promise<EventBody | undefined> => {
  const { run, ledger, keeper, aggregation, signal, state } = context;
  const { model } = state();
  const current = attemptOf(state());
  if (current?.attempt !== work.attempt || model === undefined) return undefined;
  const { attempt } = work;
  switch (work.type) {
    case 'wrap-model': {
      const readers = [context.coordinator, ...context.spec.auditors, ...work.readers.map(fromHex)];
      // The blobs that the members of the attempt read must exist first.
      await context.upkeep.ensure(signal);
      // Durable before the event that publishes it; the same again after a crash.
      const key = await context.attemptKeys.create(attempt);
      const [wrapped, bundle] = await Promise.all([
        keeper.rewrap(work.model, readers, attempt),
        work.commit && keeper.rewrapBundle(work.commit, readers, attempt),
      ]);
      return {
        type: 'opened',
        attempt,
        model: wrapped,
        key,
        ...(bundle === undefined ? {} : { bundle }),
      };
    }
    case 'freeze-cohort': {
      const { root, members, entropy } = work;
      const { beacon, receipt } = await ledger.freezeCohort({
        run,
        attempt,
        root,
        members,
        entropy,
      });
      return { type: 'cohort-frozen', attempt, beacon, receipt: cut(receipt) };
    }
    case 'judge-complaint': {
      const verdict = await aggregation.judge(current, work.record);
      return { type: 'complaint-judged', attempt, member: work.record.author, verdict };
    }
    case 'fold':
      await aggregation.fold(current, work.record, signal);
      return { type: 'folded', attempt, member: work.record.author };
    case 'freeze-survivors': {
      const { hash, members, dataCommitment } = work;
      const freeze = { run, attempt, hash, members, dataCommitment };
      const { receipt } = await ledger.freezeSurvivors(freeze);
      return { type: 'survivors-frozen', attempt, receipt: cut(receipt) };
    }
    case 'finish': {
      const commit = await aggregation.finish(current, model, readersOf(context), signal);
      return { type: 'aggregated', attempt, commit };
    }
    case 'register-model': {
      const { body } = work.commit;
      const version = {
        run,
        attempt,
        modelHash: body.model.hash,
        stateHash: body.model.state,
        blob: body.model.blob,
        transcriptRoot: await context.history.rootWith(attempt, work.commit),
      };
      const { receipt } = await ledger.registerModel(version, {
        parent: model.version,
        examples: body.examples,
        // The chain holds what a line shows; the record holds the sums of single classes.
        metrics: reportMetrics(context.spec.metrics, body.metrics, body.weight).filter(
          (metric) => !isDetail(metric),
        ),
        privacy: privacyClaim(context.spec, attempt),
      });
      // The run is over once all of it is where it lasts.
      if (state().committed + 1 >= context.spec.rounds) await aggregation.settle(signal);
      return { type: 'registered', attempt, receipt: cut(receipt) };
    }
  }
};

const failed = (work: Work, error: FloeError): EventBody => {
  const { code, reason, ...blamed } = failureFields(error);
  return work.type === 'fold'
    ? { type: 'upload-rejected', attempt: work.attempt, member: work.record.author, code, reason }
    : { type: 'work-failed', attempt: work.attempt, code, reason, ...blamed };
};

/**
 * Performs a piece of work and returns the event that it ends in; undefined if its attempt has
 * ended.
 *
 * @throws FloeError `aborted` when the coordinator stops; the error of the ledger when it refuses a
 * signed commit permanently
 */
export const doWork = async (context: WorkContext, work: Work): Promise<EventBody | undefined> => {
  try {
    return await withRetries(context, work, async () => perform(context, work));
  } catch (thrown) {
    const error = toFloeError(thrown);
    if (context.signal.aborted || work.type === 'register-model') throw error;
    context.log.warn(
      { work: work.type, attempt: work.attempt, ...errorFields(error) },
      'work failed',
    );
    return failed(work, error);
  }
};

const DOES: Readonly<Record<Work['type'], string>> = {
  'wrap-model': 'seals the key of the model',
  'freeze-cohort': 'freezes the cohort',
  fold: 'reads an upload',
  'judge-complaint': 'judges a complaint',
  'freeze-survivors': 'freezes the survivors',
  finish: 'stores the new model',
  'register-model': 'registers the new model',
};

/** The text for the operator about work that waits. */
export const outageText = (work: Work, { code, message, remedy }: FloeError): string =>
  `attempt ${work.attempt} waits while the coordinator ${DOES[work.type]}: ${code}: ${message}. ${remedy}`;
