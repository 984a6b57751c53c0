/**
 * @module A stage between a segment of an update and its lanes, with a participant's side and a
 * server's side.
 * The participant goes through the stages in order: the whole update, then block by block its
 * values, then, rounded, its integers in the ring, which are masked after. The server goes through
 * them backwards over the sum. A stage works in place or passes a view on: the vector is never
 * copied as a whole.
 *
 *   update -> [update] -> deal to blocks -> [values] -> round -> [lanes] -> mask, pack
 *   mean   <- [mean]   <- gather         <- [values] <- centre           <- unmask, unpack
 *
 * So there is a place for what keeps some coordinates or maps them (update and mean), for what
 * turns a block (values), and for noise that must be inside the masks (lanes).
 */
import type { Lanes } from '../lanes.ts';

/**
 * An update on its way: its values times a factor, which is applied when they are dealt to blocks.
 */
export interface ScaledVector {
  readonly values: Float32Array;
  readonly factor: number;
  /** L2 norm of `values`, without the factor. */
  readonly norm: number;
  /** Whether a stage has shortened it. */
  readonly clipped: boolean;
}

/** Which values make a block. */
export interface Deal {
  /** Fills `out` with the values of a block times the factor; 0 in the padding. */
  take(vector: ScaledVector, block: number, out: Float64Array): void;
  /** The coordinate at each position of a block; those of the padding are the dimension or more. */
  coordinates(block: number): Int32Array;
}

/** The values of one block of the mean, and the coordinates that they belong to. */
export interface MeanBlock {
  /** Within the segment; of its dimension and above: padding. */
  readonly coordinates: Int32Array;
  readonly values: Float32Array;
}

/** Facts about a sum in addition to its lanes. */
export interface SumTotals {
  /** How many encodings are in it. */
  readonly survivors: number;
  /** Sum of the examples that they count for. */
  readonly weight: number;
}

export interface Stage {
  readonly name: string;
  /** What its `values` leave in the norm; 1 unless told. The rounding divides by it. */
  readonly gain?: number;
  readonly participant: {
    readonly update?: (vector: ScaledVector) => ScaledVector;
    /** The values of one block, in place. */
    readonly values?: (x: Float64Array, block: number) => void;
    /**
     * Whether the rounded integers of the whole segment may be used; otherwise they are rounded
     * again, before any `lanes`.
     */
    readonly accepts?: (lanes: Lanes) => boolean;
    /** The integers of one block mod 2^b, in place: what is added here is inside the masks. */
    readonly lanes?: (lanes: Lanes, block: number) => void;
  };
  readonly server: {
    /** The inverse of the participant's `values`, in place. */
    readonly values?: (x: Float64Array, block: number) => void;
    /** From the decoded mean to the mean over the model's coordinates: the inverse of `update`. */
    readonly mean?: (mean: Float32Array) => Float32Array;
    /**
     * The same for the mean at the positions of a block: the coordinates of the model that follow
     * from them alone, ascending, and their values. Those of the padding are the dimension or more.
     */
    readonly spread?: (block: MeanBlock) => MeanBlock;
    /** Of a stage with `mean`: the coordinates where the mean is 0 whatever was sent, ascending. */
    readonly unreached?: () => Int32Array;
  };
}

/** The step between values and integers: the one place where the two meet. */
export interface Quantiser {
  /** lanes[i] = x[i] rounded, mod 2^b. */
  round(x: Float64Array, lanes: Lanes): void;
  /** x[i] = the integer that lane i stands for. */
  centre(lanes: Lanes, x: Float64Array): void;
  /**
   * What an integer of a sum is multiplied by to be a mean of updates.
   */
  toMean(totals: SumTotals): number;
}
