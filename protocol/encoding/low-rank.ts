/**
 * @module Low-rank updates under masks (Konecny et al. 2016, "Federated Learning: Strategies for
 * Improving Communication Efficiency", structured updates: a random factor that is fixed for the
 * round, of which only the seed is known to everybody, and a factor that travels). Each matrix of
 * the model is multiplied from its longer side by R, r random rows of the Walsh-Hadamard transform
 * under random signs (subsampled randomised Hadamard transform; Ailon and Chazelle 2009), so r
 * numbers of each of its vectors travel. R is linear and the same for the cohort: the product of
 * the sum is the sum of the products, and works under masks. The server multiplies by the transpose
 * of R: the step has rank r.
 *
 * The rows of R are orthonormal over a power of two M, at least the length of the vectors.
 * `unbiased`: what travels is multiplied by M/r, so it is the update on average. `feedback`: the
 * product with R and its transpose is a projection, which takes energy away and never adds any, so
 * what is left over can be fed back (Stich et al. 2018).
 *
 * Vectors of r elements or fewer, and tensors of one dimension, travel whole. What travels is a row
 * of units of r numbers: of the matrices first, then of what travels whole. A unit lies in one
 * block, so one block of a sum gives whole vectors, which is what a spot check needs.
 */
import { sha256, utf8 } from '../bytes.ts';
import { expand, requireSeed } from './expand.ts';
import { walshHadamard } from './hadamard.ts';
import { chooseCoordinates } from './subsample.ts';

const SIGNS_TAG = utf8('floe/low-rank-signs/v1\0');
const ROWS_TAG = utf8('floe/low-rank-rows/v1\0');

/** Powers of two, so that units fill blocks. */
export const RANKS = { min: 4, max: 64 } as const;

/** The vectors of one matrix that are multiplied. */
export interface SketchedMatrix {
  /** First element of the first vector in the update. */
  readonly start: number;
  /** From one vector to the next, and from one of its elements to the next. */
  readonly between: number;
  readonly stride: number;
  readonly vectors: number;
  readonly length: number;
  /** M: the power of two that a vector is padded to. */
  readonly padded: number;
}

interface WholeRange {
  readonly start: number;
  readonly end: number;
}

/** How an update is cut into units. */
export interface Sketch {
  /** r. */
  readonly rank: number;
  readonly matrices: readonly SketchedMatrix[];
  /** What travels whole, in order. */
  readonly whole: readonly WholeRange[];
  /** Units of matrices, and of all. */
  readonly matrixUnits: number;
  readonly units: number;
}

const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));

const matrixOf = (
  shape: readonly number[],
  start: number,
  rank: number,
): SketchedMatrix | undefined => {
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  if (shape.length < 2 || Math.max(rows, columns) <= rank) return undefined;
  const [length, vectors] = rows >= columns ? [rows, columns] : [columns, rows];
  const [between, stride] = rows >= columns ? [1, columns] : [columns, 1];
  return { start, between, stride, vectors, length, padded: powerOfTwo(length) };
};

/**
 * @param shapes of the tensors that the update is made of, in its order
 * @param rank a power of two, 4 to 64
 */
export const planSketch = (shapes: readonly (readonly number[])[], rank: number): Sketch => {
  const matrices: SketchedMatrix[] = [];
  const whole: WholeRange[] = [];
  let start = 0;
  for (const shape of shapes) {
    const end = start + shape.reduce((product, size) => product * size, 1);
    const matrix = matrixOf(shape, start, rank);
    if (matrix === undefined) whole.push({ start, end });
    else matrices.push(matrix);
    start = end;
  }
  const matrixUnits = matrices.reduce((sum, { vectors }) => sum + vectors, 0);
  const rest = whole.reduce((sum, range) => sum + range.end - range.start, 0);
  return { rank, matrices, whole, matrixUnits, units: matrixUnits + Math.ceil(rest / rank) };
};

/** R of one matrix. */
interface Projection {
  /** Which rows of the transform, ascending. */
  readonly rows: Int32Array;
  /** 1 or -1, one for each element of a vector. */
  readonly signs: Float64Array;
}

const projectionOf = (
  { length, padded }: SketchedMatrix,
  rank: number,
  index: number,
  seed: Uint8Array,
): Projection => {
  const of = utf8(`${index}`);
  const bits = expand(SIGNS_TAG, sha256(seed, of), Math.ceil(length / 8));
  return {
    rows: chooseCoordinates(padded, rank, sha256(ROWS_TAG, seed, of)),
    signs: Float64Array.from({ length }, (_, i) => 1 - 2 * ((bits[i >> 3]! >> (i & 7)) & 1)),
  };
};

/** The two directions of a sketch under one seed. */
export interface Projector {
  /**
   * R x for every vector, times M/r where `scaled`.
   *
   * @param values of the update @returns r numbers for each unit
   */
  project(values: Float32Array, scaled: boolean): Float32Array;
  /** The transpose: the update of what travelled, 0 where units are missing. */
  expand(sent: Float32Array, dimension: number): Float32Array;
  /**
   * The same for some units: their coordinates of the update, ascending, and their values.
   *
   * @param positions of `values` in what travels; whole units; those beyond the units are padding
   */
  spread(
    positions: Int32Array,
    values: Float32Array,
  ): { readonly coordinates: Int32Array; readonly values: Float32Array };
}

/** @param seed 32 bytes of public randomness */
export const createProjector = (sketch: Sketch, seed: Uint8Array): Projector => {
  requireSeed(seed);
  const { rank, matrices, whole, matrixUnits, units } = sketch;
  const projections = matrices.map((matrix, i) => projectionOf(matrix, rank, i, seed));
  const buffers = matrices.map(({ padded }) => new Float64Array(padded));
  const firstUnits: number[] = [];
  let first = 0;
  for (const { vectors } of matrices) {
    firstUnits.push(first);
    first += vectors;
  }

  /** Element of the update that the n-th number of what travels whole is. */
  const places = ((): Int32Array => {
    const all = new Int32Array(whole.reduce((sum, { start, end }) => sum + end - start, 0));
    let at = 0;
    for (const { start, end } of whole) for (let i = start; i < end; i += 1) all[at++] = i;
    return all;
  })();

  /** The matrix of a unit, by halving. */
  const matrixAt = (unit: number): number => {
    let [low, high] = [0, matrices.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (firstUnits[middle]! <= unit) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  /** Writes R^T u of one vector. @param put its element i and the value */
  const back = (
    m: number,
    sent: Float32Array,
    from: number,
    put: (i: number, value: number) => void,
  ): void => {
    const { length, padded } = matrices[m]!;
    const { rows, signs } = projections[m]!;
    const x = buffers[m]!.fill(0);
    for (let q = 0; q < rank; q += 1) x[rows[q]!] = sent[from + q]!;
    walshHadamard(x, 0, padded);
    const root = Math.sqrt(padded);
    for (let i = 0; i < length; i += 1) put(i, (x[i]! * signs[i]!) / root);
  };

  return {
    project: (values, scaled) => {
      const out = new Float32Array(units * rank);
      let unit = 0;
      for (const [m, matrix] of matrices.entries()) {
        const { start, between, stride, vectors, length, padded } = matrix;
        const { rows, signs } = projections[m]!;
        const x = buffers[m]!;
        const factor = (scaled ? padded / rank : 1) / Math.sqrt(padded);
        for (let v = 0; v < vectors; v += 1, unit += 1) {
          const from = start + v * between;
          for (let i = 0; i < length; i += 1) x[i] = values[from + i * stride]! * signs[i]!;
          x.fill(0, length);
          walshHadamard(x, 0, padded);
          for (let q = 0; q < rank; q += 1) out[unit * rank + q] = x[rows[q]!]! * factor;
        }
      }
      const base = matrixUnits * rank;
      for (let i = 0; i < places.length; i += 1) out[base + i] = values[places[i]!]!;
      return out;
    },
    expand: (sent, dimension) => {
      const all = new Float32Array(dimension);
      let unit = 0;
      for (const [m, { start, between, stride, vectors }] of matrices.entries())
        for (let v = 0; v < vectors; v += 1, unit += 1) {
          const from = start + v * between;
          back(m, sent, unit * rank, (i, value) => {
            all[from + i * stride] = value;
          });
        }
      const base = matrixUnits * rank;
      for (let i = 0; i < places.length; i += 1) all[places[i]!] = sent[base + i]!;
      return all;
    },
    spread: (positions, values) => {
      const at: number[] = [];
      const found: number[] = [];
      for (let k = 0; k < positions.length; k += rank) {
        const unit = Math.floor(positions[k]! / rank);
        if (unit >= units) continue;
        if (unit >= matrixUnits) {
          const base = (unit - matrixUnits) * rank;
          for (let q = 0; q < rank && base + q < places.length; q += 1) {
            at.push(places[base + q]!);
            found.push(values[k + q]!);
          }
          continue;
        }
        const m = matrixAt(unit);
        const { start, between, stride } = matrices[m]!;
        const from = start + (unit - firstUnits[m]!) * between;
        back(m, values, k, (i, value) => {
          at.push(from + i * stride);
          found.push(value);
        });
      }
      const order = Uint32Array.from(at, (_, i) => i).toSorted((a, b) => at[a]! - at[b]!);
      return {
        coordinates: Int32Array.from(order, (i) => at[i]!),
        values: Float32Array.from(order, (i) => found[i]!),
      };
    },
  };
};
