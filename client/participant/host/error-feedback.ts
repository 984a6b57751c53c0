/**
 * @module Error feedback (Stich, Cordonnier and Jaggi 2018, "Sparsified SGD with Memory"): what
 * compression and rounding left out of a participant's updates stays with it and is added to its
 * next one. It moves on with the commits that the update is in: site-state.ts.
 */
import { shapedEncoding, trainableOf } from '../../../protocol/algorithm/segments.ts';
import { residualNorm } from '../../../protocol/encoding/index.ts';
import type { RunSpec } from '../../../protocol/spec/run-spec.ts';
import type { Keystore } from '../../keystore/keystore.ts';
import type { RunView } from '../machine/record-checks.ts';
import { createSiteState, type SiteState } from './site-state.ts';

/** Undefined for a run without error feedback. */
export const residualState = (
  { spec, run }: Pick<RunView, 'spec' | 'run'>,
  keystore: Pick<Keystore, 'saveLocal' | 'loadLocal'>,
): SiteState | undefined =>
  spec.encoding.compression?.mode === 'feedback'
    ? createSiteState({ keystore, run, part: 'residual', size: trainableOf(spec) })
    : undefined;

const normOf = (values: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < values.length; i += 1) sum += values[i]! * values[i]!;
  return Math.sqrt(sum);
};

export interface Corrected {
  /** The update, clipped, plus what was left out before. */
  readonly values: Float32Array;
  readonly clipped: boolean;
}

/** @param delta the update of this round @param residual of as many values; neither is changed */
export const withResidual = (
  { encoding }: RunSpec,
  delta: Float32Array,
  residual: Float32Array,
): Corrected => {
  const norm = normOf(delta);
  const factor = norm > encoding.clipNorm ? encoding.clipNorm / norm : 1;
  const values = new Float32Array(delta.length);
  for (let i = 0; i < values.length; i += 1) values[i] = delta[i]! * factor + residual[i]!;
  return { values, clipped: factor < 1 };
};

/**
 * What an update leaves for the next one. It is cut to the norm that it can reach when nothing is
 * clipped, so that clipping does not pile it up.
 *
 * @param sent what of the values is in the sum, decoded from the lanes
 */
export const residualAfter = (
  spec: RunSpec,
  values: Float32Array,
  sent: Float32Array,
): Float32Array => {
  const left = new Float32Array(values.length);
  for (let i = 0; i < left.length; i += 1) left[i] = values[i]! - sent[i]!;
  const norm = normOf(left);
  const most = residualNorm(shapedEncoding(spec), left.length) * spec.encoding.clipNorm;
  if (norm > most) for (let i = 0; i < left.length; i += 1) left[i] = (left[i]! * most) / norm;
  return left;
};
