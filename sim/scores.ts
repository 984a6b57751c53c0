/**
 * @module Scores the committed models in the order of their versions, while the rounds continue. If
 * the scenario has a target accuracy, the first version that reaches it ends the run. The next
 * version is sealed only after this one has its score, because the speed of scoring must not decide
 * the final model.
 */
import { FloeError } from '../protocol/errors.ts';
import { toHex } from '../protocol/bytes.ts';
import type { AccessGate } from '../protocol/ports/access-gate.ts';
import type { ModelRef } from '../protocol/records/records.ts';
import type { Score } from './analysis.ts';
import type { ScenarioEvent } from './events.ts';
import type { Committed, History } from './history.ts';

export interface ScoresInit {
  /** Ends the run at the first version with at least this test accuracy. */
  readonly targetAccuracy: number | undefined;
  /** The model that a round committed. */
  readonly modelOf: (attempt: number) => Promise<ModelRef>;
  readonly evaluate: (model: ModelRef) => Promise<Score>;
  readonly history: Pick<History, 'score'>;
  readonly onEvent: (event: ScenarioEvent) => void;
  /** A version has reached the accuracy. */
  readonly onTarget: () => void;
  readonly onFailure: (thrown: unknown) => void;
}

export interface Scores {
  readonly add: (committed: Pick<Committed, 'attempt' | 'version'>) => void;
  /** Resolves when every model that was added has its score, or scoring has failed. */
  readonly all: () => Promise<void>;
  /**
   * Resolves once the run is to have a version after this one: at once without an accuracy to
   * reach, never where a version up to this one has reached it.
   */
  readonly passed: (version: number) => Promise<void>;
  /**
   * The version that reached the target accuracy, otherwise the newest.
   * @throws FloeError `attempt_aborted` without any version
   */
  readonly final: () => ModelRef;
}

export const createScores = (init: ScoresInit): Scores => {
  const { targetAccuracy, modelOf, evaluate, history, onEvent, onTarget, onFailure } = init;
  const waiting = new Map<number, PromiseWithResolvers<void>>();
  let tail = Promise.resolve();
  let scored = 0;
  let final: ModelRef | undefined;
  let reached = false;

  const score = async ({
    attempt,
    version,
  }: Pick<Committed, 'attempt' | 'version'>): Promise<void> => {
    if (reached) return;
    const model = await modelOf(attempt);
    const result = await evaluate(model);
    final = model;
    history.score(version, result);
    onEvent({ type: 'scored', version, ...result });
    if (targetAccuracy !== undefined && (result.testAccuracy ?? 0) >= targetAccuracy) {
      reached = true;
      onTarget();
      return;
    }
    scored = version;
    waiting.get(version)?.resolve();
    waiting.delete(version);
  };

  return {
    add: (committed) => {
      tail = tail.then(() => score(committed)).catch(onFailure);
    },
    all: async () => tail,
    passed: async (version) => {
      if (targetAccuracy === undefined || version <= scored) return;
      const entry = waiting.get(version) ?? Promise.withResolvers<void>();
      waiting.set(version, entry);
      await entry.promise;
    },
    final: () => {
      if (final === undefined) throw new FloeError('attempt_aborted', 'no round was completed');
      return final;
    },
  };
};

/** Envelopes whose keys are kept: a model is scored soon after it is sealed. */
const MAX_KEPT = 16;

/**
 * The coordinator's gate, watched by the scenario: a version is sealed once the run is to have it,
 * and its key is kept for scoring, which so asks no key server. The last model is opened with the
 * auditor's key in any case.
 */
export const watchedGate = (
  gate: AccessGate,
  passed: Scores['passed'],
): {
  readonly gate: AccessGate;
  readonly keyOf: (envelope: Uint8Array) => Uint8Array | undefined;
} => {
  const keys = new Map<string, Uint8Array>();
  return {
    gate: {
      ...gate,
      wrap: async (key, purpose, ...rest) => {
        if (purpose.role === 'model') await passed(purpose.attempt - 1);
        const envelope = await gate.wrap(key, purpose, ...rest);
        if (purpose.role === 'model') keys.set(toHex(envelope), key);
        const [oldest] = keys.keys();
        if (keys.size > MAX_KEPT && oldest !== undefined) keys.delete(oldest);
        return envelope;
      },
    },
    keyOf: (envelope) => keys.get(toHex(envelope)),
  };
};
