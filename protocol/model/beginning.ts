/**
 * @module What a new run begins with: the model that its seed gives, or a model that was there before.
 */
import type { RunSpec } from '../spec/run-spec.ts';

export interface Beginning {
  readonly model: RunSpec['model'];
  /** Where the run begins with a model that was there before: that model, and its flat weights. */
  readonly parent?: NonNullable<RunSpec['parent']>;
  readonly weights?: Float32Array;
}
