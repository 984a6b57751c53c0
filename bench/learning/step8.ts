/**
 * @module FedAvg whose model moves by steps of one byte a parameter: sign, four bits of exponent,
 * three of mantissa (E4M3 of Micikevicius et al. 2022, "FP8 Formats for Deep Learning", with
 * another exponent range). A strategy module of bench/compression.ts: the model after the round is
 * *defined* as the model before plus the rounded step, so a participant that has the model before
 * could download the step alone. Rounding is relative to each coordinate, so small steps are not
 * lost, and no chance is needed.
 */
import type { Strategy } from '../../protocol/index.ts';

/** Coordinates of a step lie below twice this; larger ones are cut. */
const TOP = 2 ** -3;
const LARGEST = TOP * (1 + 7 / 8);
/** Below it the grid is even: 2^-14 of the top, in eighths. */
const LEAST_NORMAL = TOP * 2 ** -14;
const EVEN = LEAST_NORMAL / 8;
/** Splits a float32 after four bits (Veltkamp 1968; Dekker 1971): 2^20 + 1. */
const SPLIT = 2 ** 20 + 1;

/** The nearest value that one byte can name. */
export const toStep8 = (value: number): number => {
  const size = Math.min(LARGEST, Math.abs(value));
  if (size < LEAST_NORMAL) return Math.sign(value) * Math.floor(size / EVEN + 0.5) * EVEN;
  const spread = Math.fround(size * SPLIT);
  const rounded = Math.fround(spread - Math.fround(spread - size));
  return Math.sign(value) * Math.min(LARGEST, rounded);
};

const fedAvgStep8: Strategy = {
  name: 'fedavg-step8',
  summary: 'FedAvg whose steps are rounded to one byte a parameter',
  source: 'bench/compression.ts',
  parameters: [],
  state: [],
  step: ({ mean, before, after }) => {
    for (let i = 0; i < after.length; i += 1) after[i] = before[i]! + toStep8(mean[i]!);
  },
};

export const strategies = [fedAvgStep8];
