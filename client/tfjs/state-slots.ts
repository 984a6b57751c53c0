/**
 * @module The state of an optimiser between eager steps: tensors in the order in which a step asks
 * for them.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import type { Kept } from './optimizer-steps.ts';

export interface StateSlots {
  /**
   * Begins a step. Returns what gives the next tensor of the state; one that is not there begins
   * with the vector at its place, or with zeros.
   */
  readonly begin: (
    first: readonly (Float32Array | undefined)[],
  ) => (shape: readonly number[]) => Tfjs.Tensor;
  /** The state after the step. */
  readonly replace: (kept: readonly Kept[]) => void;
  readonly forget: () => void;
}

export const createSlots = (tf: typeof Tfjs): StateSlots => {
  let slots: Tfjs.Tensor[] = [];
  return {
    begin: (first) => {
      let asked = 0;
      return (shape) => {
        const values = first[asked];
        slots[asked] ??= tf.keep(
          values === undefined ? tf.zeros([...shape]) : tf.tensor(values.slice(), [...shape]),
        );
        return slots[asked++] as Tfjs.Tensor;
      };
    },
    replace: (kept) => {
      for (const { before, after } of kept) if (before !== after) before.dispose();
      slots = kept.map(({ after }) => tf.keep(after));
    },
    forget: () => {
      for (const slot of slots) slot.dispose();
      slots = [];
    },
  };
};
