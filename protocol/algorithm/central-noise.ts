/**
 * @module The noise of a round with central privacy, from the key of its draws. Coordinator and
 * auditors hold the key: they read single updates anyway, so the noise protects nothing from them,
 * and an auditor can recompute the round, draw included. All others see the noisy sum alone; even
 * the committed hash of the sum is that of the noisy one. What nobody can check is that the key was
 * drawn at random: that is part of the trust in the coordinator.
 */
import { addCentralNoise, type Lanes } from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { cipherStream } from '../ports/random.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { encodingFor, layoutOf } from './segments.ts';

export const NOISE_KEY_BYTES = 32;

export const isCentral = ({ privacy }: Pick<RunSpec, 'privacy'>): boolean =>
  privacy?.type === 'central';

export interface CentralSum {
  /** Of the attempt. */
  readonly spec: RunSpec;
  /** Size of the cohort. */
  readonly n: number;
  /** Of the Open record. */
  readonly meanExamples: number;
  readonly survivors: number;
}

/**
 * Adds the noise of a round to the sum, in place.
 *
 * @param lanes of the sum without noise
 * @param key 32 bytes. Secret
 * @throws FloeError `record_malformed` for a key of another length
 */
export const addNoiseOfRound = (
  { spec, n, meanExamples, survivors }: CentralSum,
  lanes: Lanes,
  key: Uint8Array,
): void => {
  if (key.length !== NOISE_KEY_BYTES)
    throw new FloeError('record_malformed', `expected a noise key of 32 bytes, got ${key.length}`);
  const encoding = encodingFor(spec, n, meanExamples);
  addCentralNoise(lanes, encoding, layoutOf(spec, n, meanExamples), survivors, cipherStream(key));
};

/** The encoding of a single update: where the coordinator adds the noise, that has none. */
export const encodingOfOne = (
  ...of: Parameters<typeof encodingFor>
): ReturnType<typeof encodingFor> => {
  const encoding = encodingFor(...of);
  return encoding.noise?.isCentral === true ? { ...encoding, noise: undefined } : encoding;
};
