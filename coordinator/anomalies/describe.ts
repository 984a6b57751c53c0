/**
 * @module The anomaly report in words.
 */
import type { Anomaly, StepReport } from './rules.ts';

const short = (value: number): string => String(Number(value.toPrecision(3)));

const WORDS: Readonly<Record<string, string>> & Record<Anomaly['kind'], string> = {
  step_norm: 'the length of the step is far from usual: L2 norm',
  step_direction: 'the step points against the mean of the last steps: cosine',
  train_loss: 'the training loss has jumped: change',
};

/** One line, without the round. A newer coordinator may name kinds that are not known here. */
export const describeAnomaly = ({
  kind,
  subject,
  value,
  usual,
  score,
}: Omit<Anomaly, 'kind'> & { readonly kind: string }): string =>
  `${kind} of the ${subject}: ${Object.hasOwn(WORDS, kind) ? WORDS[kind] : 'value'} ${short(value)}, median of the last rounds ` +
  `${short(usual)}, modified z-score ${short(score)}`;

/** `step norm 0.12 (1.05 of the median), cosine 0.9`; empty where nothing was measured. */
export const describeStep = ({
  norm,
  normRatio,
  cosine,
}: { readonly [Name in keyof StepReport]?: number | undefined }): string => {
  if (norm === undefined) return '';
  const ratio = normRatio === undefined ? '' : ` (${short(normRatio)} of the median)`;
  return `step norm ${short(norm)}${ratio}${cosine === undefined ? '' : `, cosine ${cosine.toFixed(2)}`}`;
};
