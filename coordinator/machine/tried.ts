/**
 * @module An attempt that may have opened a sum, as the coordinator remembers it to plan the next
 * invitations on the same model.
 */
import type { Hex } from './hex.ts';

/** An attempt on the newest model in which members may have been summed. */
export interface Tried {
  readonly attempt: number;
  /** Its cohort. */
  readonly members: readonly Hex[];
  readonly threshold: number;
  /** The members that may have uploaded. */
  readonly uploaded: readonly Hex[];
  readonly survivors: readonly Hex[];
  /** Whose answer came. */
  readonly answered: readonly Hex[];
  /** What its groups were drawn from, where the run has groups: they are kept on this model. */
  readonly grouping?: KeptGrouping;
}

/** See `Grouping` of the rules; keys in hex. */
export interface KeptGrouping {
  readonly attempt: number;
  readonly members: readonly Hex[];
  readonly beacon: Hex;
}
