/**
 * @module The parts of a flat model by the roles of its tensors: what travels as an update, what
 * travels as statistics, and what stays as it is. Under local statistics (FedBN, Li et al. 2021,
 * "Federated Learning on Non-IID Features via Local Batch Normalization") a layer that keeps
 * statistics stays at each site whole, with its scale and offset: nothing of it travels.
 */
import { elementCount, type TensorSpec } from './manifest.ts';

/** Elements [start, end) of the flat vector. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** A tensor of statistics. */
export interface StatisticRange extends Range {
  readonly isVariance: boolean;
  /**
   * Where the variances of the same layer begin, of a mean: the tensor of role `variance` and of
   * its size that follows it.
   */
  readonly variances?: number;
}

/** Each list in the order of the flat vector, neighbours joined where they are plain ranges. */
export interface ModelParts {
  readonly trainable: readonly Range[];
  readonly statistics: readonly StatisticRange[];
  /** What no round changes: frozen tensors, and all of `local`. */
  readonly frozen: readonly Range[];
  /** What each site trains for itself; empty unless statistics are local. */
  readonly local: readonly Range[];
}

/** Where statistics are kept: `average` in the model, `local` at each site. */
export const STATISTICS_PLACES = ['average', 'local'] as const;
export type StatisticsPlace = (typeof STATISTICS_PLACES)[number];

/** The layer of a tensor: its name up to the last slash. */
const layerOf = (name: string): string | undefined =>
  name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : undefined;

const isStatistic = ({ role }: TensorSpec): boolean => role === 'statistic' || role === 'variance';

/**
 * The tensors that stay at each site under local statistics: those of role `statistic` and
 * `variance`, and the trainable ones of the same layer, such as `norm/gamma` beside
 * `norm/moving_mean`.
 */
export const localTensors = (
  tensors: readonly TensorSpec[],
  place: StatisticsPlace = 'average',
): readonly TensorSpec[] => {
  if (place === 'average') return [];
  const layers = new Set(tensors.filter(isStatistic).map(({ name }) => layerOf(name)));
  layers.delete(undefined);
  return tensors.filter(
    (tensor) =>
      isStatistic(tensor) || (tensor.role !== 'frozen' && layers.has(layerOf(tensor.name))),
  );
};

const append = (list: Range[], range: Range): void => {
  const last = list.at(-1);
  if (last?.end === range.start) list[list.length - 1] = { start: last.start, end: range.end };
  else list.push(range);
};

export const partsOf = (
  tensors: readonly TensorSpec[],
  place: StatisticsPlace = 'average',
): ModelParts => {
  const staying = new Set(localTensors(tensors, place));
  const trainable: Range[] = [];
  const frozen: Range[] = [];
  const local: Range[] = [];
  const statistics: StatisticRange[] = [];
  let start = 0;
  for (const [i, tensor] of tensors.entries()) {
    const { role = 'trainable', shape } = tensor;
    const end = start + elementCount(shape);
    const next = tensors[i + 1];
    if (staying.has(tensor)) {
      append(local, { start, end });
      append(frozen, { start, end });
    } else if (role === 'trainable') append(trainable, { start, end });
    else if (role === 'frozen') append(frozen, { start, end });
    else {
      const isPaired =
        role === 'statistic' &&
        next?.role === 'variance' &&
        elementCount(next.shape) === end - start;
      const isVariance = role === 'variance';
      statistics.push({ start, end, isVariance, ...(isPaired ? { variances: end } : {}) });
    }
    start = end;
  }
  return { trainable, statistics, frozen, local };
};

export const sizeOf = (ranges: readonly Range[]): number =>
  ranges.reduce((sum, { start, end }) => sum + end - start, 0);

/** The elements of the ranges, one after the other: `flat` itself where they are all of it. */
export const take = (flat: Float32Array, ranges: readonly Range[]): Float32Array => {
  const [first] = ranges;
  if (ranges.length === 1 && first!.start === 0 && first!.end === flat.length) return flat;
  const taken = new Float32Array(sizeOf(ranges));
  let at = 0;
  for (const { start, end } of ranges) {
    taken.set(flat.subarray(start, end), at);
    at += end - start;
  }
  return taken;
};

/** The inverse of {@link take}: writes into `flat`. */
export const put = (flat: Float32Array, ranges: readonly Range[], values: Float32Array): void => {
  let at = 0;
  for (const { start, end } of ranges) {
    flat.set(values.subarray(at, at + end - start), start);
    at += end - start;
  }
};

/**
 * The elements of the flat vector that positions among the ranges stand for.
 *
 * @param positions ascending; those beyond the ranges stand for `beyond`
 */
export const placeOf = (
  ranges: readonly Range[],
  positions: Int32Array,
  beyond: number,
): Int32Array => {
  const places = new Int32Array(positions.length).fill(beyond);
  let [from, g] = [0, 0];
  for (const { start, end } of ranges) {
    const until = from + end - start;
    for (; g < positions.length && positions[g]! < until; g += 1)
      places[g] = positions[g]! - from + start;
    from = until;
  }
  return places;
};
