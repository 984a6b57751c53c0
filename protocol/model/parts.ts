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
  /** The shapes of the tensors in `trainable`, in its order. */
  readonly shapes: readonly (readonly number[])[];
  readonly statistics: readonly StatisticRange[];
  /** What no round changes: frozen tensors, and all of `local`. */
  readonly frozen: readonly Range[];
  /** What each site trains for itself; empty unless statistics or layers are local. */
  readonly local: readonly Range[];
}

/** Where statistics are kept: `average` in the model, `local` at each site. */
export const STATISTICS_PLACES = ['average', 'local'] as const;
export type StatisticsPlace = (typeof STATISTICS_PLACES)[number];

/** The layer of a tensor: its name up to the last slash. */
const layerOf = (name: string): string | undefined =>
  name.includes('/') ? name.slice(0, name.lastIndexOf('/')) : undefined;

const isStatistic = ({ role }: TensorSpec): boolean => role === 'statistic' || role === 'variance';

/** The settings that keep tensors at the sites. */
export interface LocalSettings {
  readonly statistics?: StatisticsPlace | undefined;
  /** Names of layers or tensors: `output` stands for `output/kernel` and `output/bias`. */
  readonly localLayers?: readonly string[] | undefined;
}

/** Whether a name of `localLayers` stands for this tensor. */
export const isOfLayer = (tensor: TensorSpec, layer: string): boolean =>
  tensor.role !== 'frozen' && (tensor.name === layer || tensor.name.startsWith(`${layer}/`));

/**
 * The tensors that stay at each site. Under local statistics: those of role `statistic` and
 * `variance`, and the trainable ones of the same layer, such as `norm/gamma` beside
 * `norm/moving_mean`. And those of local layers (FedPer, Arivazhagan et al. 2019, "Federated
 * Learning with Personalization Layers").
 */
export const localTensors = (
  tensors: readonly TensorSpec[],
  { statistics = 'average', localLayers = [] }: LocalSettings = {},
): readonly TensorSpec[] => {
  const keeping = statistics === 'local' ? tensors.filter(isStatistic) : [];
  const layers = new Set(keeping.map(({ name }) => layerOf(name)));
  layers.delete(undefined);
  return tensors.filter(
    (tensor) =>
      keeping.includes(tensor) ||
      (tensor.role !== 'frozen' && layers.has(layerOf(tensor.name))) ||
      localLayers.some((layer) => isOfLayer(tensor, layer)),
  );
};

const append = (list: Range[], range: Range): void => {
  const last = list.at(-1);
  if (last?.end === range.start) list[list.length - 1] = { start: last.start, end: range.end };
  else list.push(range);
};

export const partsOf = (
  tensors: readonly TensorSpec[],
  settings: LocalSettings = {},
): ModelParts => {
  const staying = new Set(localTensors(tensors, settings));
  const trainable: Range[] = [];
  const shapes: (readonly number[])[] = [];
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
    } else if (role === 'trainable') {
      append(trainable, { start, end });
      shapes.push(shape);
    } else if (role === 'frozen') append(frozen, { start, end });
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
  return { trainable, shapes, statistics, frozen, local };
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
