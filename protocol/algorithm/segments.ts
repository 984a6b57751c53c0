/**
 * @module What of a run's model travels: the segments of its updates, the layout that they give,
 * and the blocks of a sum that a spot check recomputes together.
 */
import {
  encodingOf,
  FIRST_MEAN_EXAMPLES,
  ringLayout,
  type EncodingSpec,
  type ExtraSpec,
  type NoiseSpec,
  type RingLayout,
  type SegmentSpec,
} from '../encoding/index.ts';
import { FloeError } from '../errors.ts';
import { partsOf, sizeOf, type ModelParts } from '../model/parts.ts';
import { mostSummed } from '../robust/groups.ts';
import { noiseSpecOf } from '../spec/private-run.ts';
import type { RunSpec } from '../spec/run-spec.ts';
import { extrasOf } from './metrics.ts';
import { strategyOf } from './registry.ts';
import { segmentSpecs } from './segment-specs.ts';

/** What travels in the extra lanes: the metrics of the run, then the scalars of its strategy. */
export const extrasFor = (spec: RunSpec): readonly ExtraSpec[] =>
  extrasOf([...spec.metrics, ...(strategyOf(spec).strategy.member?.scalars ?? [])]);

const known = new WeakMap<RunSpec, ModelParts>();

/** The parts of the run's model. */
export const partsFor = (spec: RunSpec): ModelParts => {
  const found = known.get(spec) ?? partsOf(spec.model.tensors, spec.training);
  known.set(spec, found);
  return found;
};

/** Coordinates of the update, and of each vector of the strategy: those that gradients change. */
export const trainableOf = (spec: RunSpec): number => sizeOf(partsFor(spec).trainable);

/** The segments of an update: see segment-specs.ts. */
export const segmentsFor = (spec: RunSpec): readonly SegmentSpec[] =>
  segmentSpecs(partsFor(spec), spec.encoding, strategyOf(spec));

/** The noise of the run's sums; undefined without privacy. */
export const noiseFor = (spec: RunSpec): NoiseSpec | undefined => {
  const { privacy, secagg, robust, cohort, members, buffer } = spec;
  return (
    privacy &&
    noiseSpecOf(privacy, {
      secagg,
      robust,
      cohort,
      members: members.type === 'closed' ? members.keys.length : undefined,
      isBuffered: buffer !== undefined,
    })
  );
};

/** Specifications whose clip norm is that of one attempt. */
const placed = new WeakSet<RunSpec>();

/**
 * The specification as one attempt has it: with the clip norm of its Open record, where that is
 * adaptive. The encoding of such a run is of attempts only.
 *
 * @throws FloeError `spec_mismatch` for an Open record without the clip norm
 */
export const specAt = (
  spec: RunSpec,
  { clipNorm }: { readonly clipNorm?: number | undefined },
): RunSpec => {
  if (spec.encoding.clipping === undefined) return spec;
  if (clipNorm === undefined)
    throw new FloeError('spec_mismatch', 'the attempt names no clip norm, and the run adapts it');
  const of = { ...spec, encoding: { ...spec.encoding, clipNorm } };
  placed.add(of);
  return of;
};

/** The encoding of the run, with the shapes that its compression goes by. */
export const shapedEncoding = (spec: RunSpec): EncodingSpec =>
  spec.encoding.compression === undefined
    ? spec.encoding
    : { ...spec.encoding, shapes: partsFor(spec).shapes };

/**
 * The encoding of an attempt: the scale of the share and the bits of a lane follow what the last
 * commit announced.
 *
 * @param spec from {@link specAt}
 * @param meanExamples of the attempt's Open record
 */
export const encodingFor = (spec: RunSpec, n: number, meanExamples: number): EncodingSpec => {
  // The clip norm of the specification is that of the first attempt alone.
  if (spec.encoding.clipping !== undefined && !placed.has(spec))
    throw new FloeError('internal', 'expected the specification of one attempt');
  return encodingOfSizes(spec, n, meanExamples);
};

/** The same, for what does not depend on the clip norm. */
export const encodingOfSizes = (spec: RunSpec, n: number, meanExamples: number): EncodingSpec =>
  encodingOf(
    { ...shapedEncoding(spec), noise: noiseFor(spec) },
    mostSummed(spec, n),
    meanExamples,
    trainableOf(spec),
  );

/**
 * The layout of an upload for a cohort of `n`; in groups, of the largest group that there can be.
 *
 * @param meanExamples of the attempt's Open record
 * @throws FloeError `encoding_overflow` when the ring is too small for it
 */
export const layoutOf = (spec: RunSpec, n: number, meanExamples: number): RingLayout =>
  ringLayout(
    encodingOfSizes(spec, n, meanExamples),
    mostSummed(spec, n),
    segmentsFor(spec),
    extrasFor(spec),
  );

/** Blocks that a spot check draws from: those of the update, then those of the statistics. */
export const blocksOf = (spec: RunSpec): number => {
  // Blocks do not depend on the bits of a lane.
  const { segments } = layoutOf(spec, spec.cohort.minimum, FIRST_MEAN_EXAMPLES);
  return segments
    .filter(({ name }) => name === 'update' || name === 'statistics')
    .reduce((sum, { blocks }) => sum + blocks, 0);
};

/**
 * The leaves of a sum that one check needs: the block, and for one of the update the block of each
 * vector of the strategy over the same coordinates.
 */
export const leavesOfCheck = (layout: RingLayout, block: number): readonly number[] => {
  const [update, ...others] = layout.segments;
  if (block >= update.blocks) return [block];
  return [
    block,
    ...others
      .filter(({ name }) => name !== 'statistics')
      .map(({ firstBlock }) => firstBlock + block),
  ];
};
