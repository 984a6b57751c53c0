/**
 * @module The stages of an encoding in the order of the participant: clip, rotate, round; masks and
 * packing follow. After Kairouz et al. 2021 (DDGauss), section 4. A further stage is a file in
 * stages/ and a line here.
 */
import type { RandomSource } from '../ports/random.ts';
import type { EncodingSpec, RingLayout } from './layout.ts';
import { planRotation } from './rotation.ts';
import { clipStage } from './stages/clip.ts';
import { quantiser } from './stages/quantise.ts';
import { plainDeal, rotatedDeal, rotateStage } from './stages/rotate.ts';
import type { Deal, Quantiser, RingSum, Stage } from './stages/stage.ts';

export interface Pipeline {
  readonly layout: RingLayout;
  /** In the order of the participant. */
  readonly stages: readonly Stage[];
  readonly deal: Deal;
  readonly quantiser: Quantiser;
}

/**
 * @param rotationSeed 32 bytes of public randomness; used only with rotation
 * @param random for the rounding, at the participant
 * @throws FloeError `spec_invalid` for a seed of another length
 */
export const pipelineOf = (
  spec: EncodingSpec,
  layout: RingLayout,
  rotationSeed: Uint8Array,
  random?: RandomSource,
): Pipeline => {
  const rotation = spec.rotation ? planRotation(layout, rotationSeed) : undefined;
  const stages = [
    clipStage(spec, layout, rotation),
    ...(rotation === undefined ? [] : [rotateStage(layout, rotation)]),
  ];
  const gain = stages.reduce((product, stage) => product * (stage.gain ?? 1), 1);
  return {
    layout,
    stages,
    deal: rotation === undefined ? plainDeal(layout) : rotatedDeal(rotation),
    quantiser: quantiser(spec, layout, gain, random),
  };
};

/** The server's checks of a sum, whole or one block. @throws FloeError `mean_out_of_range` */
export const checkSum = ({ stages }: Pipeline, sum: RingSum): void => {
  for (const { server } of stages.toReversed()) server.check?.(sum);
};
