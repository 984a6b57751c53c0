/**
 * @module The model that a participant leaves a run with: the newest committed one, opened with its
 * own key.
 */
import { toFloeError } from '../protocol/errors.ts';
import { openVersion, type ModelContent } from '../protocol/model/open-model.ts';
import { sleep, type Clock } from '../protocol/ports/clock.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import type { Participant } from './participant/index.ts';

/** The model of the last round, in clear. */
export interface FinalModel extends ModelContent {
  readonly spec: RunSpec;
  /** As the coordinator signed it. */
  readonly model: ModelRef;
}

/** The newest committed model; `undefined` before the first commit. @throws FloeError */
export const openNewest = async (participant: Participant): Promise<FinalModel | undefined> => {
  const { commit, spec, ports } = participant;
  if (commit === undefined || spec === undefined || ports === undefined) return undefined;
  const { run, body } = commit;
  const { model } = body;
  const cipher = await ports.store.get(model.blob);
  return { spec, model, ...(await openVersion({ run, model, cipher }, spec.model, ports.gate)) };
};

/** Tries to open the final model, and the pause between two of them. */
const FINAL_TRIES = 5;
const FINAL_PAUSE_MS = 1000;

/** As {@link openNewest}; a service that fails for a moment is asked again. */
export const openFinal = async (
  participant: Participant,
  clock: Clock,
  signal: AbortSignal | undefined,
): Promise<FinalModel | undefined> => {
  for (let tries = 1; ; tries += 1) {
    try {
      return await openNewest(participant);
    } catch (thrown) {
      const error = toFloeError(thrown);
      if (!error.retryable || tries === FINAL_TRIES || signal?.aborted === true) throw error;
      await sleep(clock, FINAL_PAUSE_MS, signal);
    }
  }
};
