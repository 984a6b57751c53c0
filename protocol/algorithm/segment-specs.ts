/**
 * @module The segments of an update, from the fields of a specification that they follow from: the
 * specification itself checks them, so this file does not know it.
 */
import { compressedUpdate, compressedVector } from '../encoding/compression.ts';
import type { EncodingSpec, SegmentSpec } from '../encoding/layout.ts';
import { sizeOf, type ModelParts } from '../model/parts.ts';
import type { ChosenStrategy } from './registry.ts';
import { statisticsNorm } from './statistics.ts';

/**
 * `update`, the clipped change of the trainable tensors; `statistics`, where the model has any;
 * then the vectors of the strategy, one value for each trainable parameter. Under compression the
 * same coordinates of the update and of the strategy's vectors travel; statistics, which are few,
 * travel whole.
 */
export const segmentSpecs = (
  { trainable, shapes, statistics }: ModelParts,
  { clipNorm, compression }: Pick<EncodingSpec, 'clipNorm' | 'compression'>,
  { strategy, parameters }: ChosenStrategy,
): readonly SegmentSpec[] => {
  const dimension = sizeOf(trainable);
  const counted = sizeOf(statistics);
  const compressed = { compression, shapes };
  return [
    compressedUpdate(compressed, { name: 'update', dimension, clipNorm, weighted: true }),
    ...(counted === 0
      ? []
      : [
          {
            name: 'statistics',
            dimension: counted,
            clipNorm: statisticsNorm(counted),
            weighted: true,
          },
        ]),
    ...(strategy.member?.segments ?? []).map(({ name, weighted, clipNorm: of }) =>
      compressedVector(compressed, {
        name: `strategy/${name}`,
        dimension,
        clipNorm: of(parameters),
        weighted,
      }),
    ),
  ];
};
