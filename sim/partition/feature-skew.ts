/**
 * @module Features that differ between participants: each turns its images by an angle of its own
 * (uniform in [-degrees, degrees]), or has noise of its own level, sigma (i + 1) / n for
 * participant i of n (NIID-Bench, Li et al. 2022, section 4.2: noise-based feature imbalance). The
 * test set stays as it is. A function of seed and participant alone.
 */
import { type Dataset, featureLength, labelLength, rowOf } from '../../client/data/dataset.ts';
import { normal, uniform } from '../../client/data/sampling.ts';
import { FloeError } from '../../protocol/errors.ts';
import { cipherStream, deriveSeed } from '../../protocol/ports/random.ts';
import type { RunSettings } from '../../protocol/spec/settings.ts';

export type FeatureSkew = NonNullable<RunSettings['featureSkew']>;

export interface SkewPlace {
  readonly skew: FeatureSkew;
  /** Number of the participant, from 0. */
  readonly index: number;
  readonly participants: number;
  /** 32 bytes, of the scenario. */
  readonly seed: Uint8Array;
}

/** Degrees by which a participant turns its images. */
export const angleOf = (degrees: number, { index, seed }: Omit<SkewPlace, 'skew'>): number =>
  degrees * (2 * uniform(cipherStream(deriveSeed(seed, 'angle', index))) - 1);

/** Standard deviation of a participant's noise. */
export const noiseOf = (sigma: number, { index, participants }: Omit<SkewPlace, 'skew'>): number =>
  (sigma * (index + 1)) / participants;

/**
 * Turns one image [height, width, channels] about its centre, by bilinear interpolation; what comes
 * from outside is 0. Positive angles turn counter-clockwise, with row 0 at the top.
 */
export const rotateImage = (
  image: ArrayLike<number>,
  [height, width, channels]: readonly [number, number, number],
  degrees: number,
): Float32Array => {
  const [sin, cos] = [Math.sin((degrees * Math.PI) / 180), Math.cos((degrees * Math.PI) / 180)];
  const [middleY, middleX] = [(height - 1) / 2, (width - 1) / 2];
  const out = new Float32Array(height * width * channels);
  const at = (y: number, x: number, c: number): number =>
    y < 0 || x < 0 || y >= height || x >= width
      ? 0
      : (image[(y * width + x) * channels + c] as number);
  for (let y = 0; y < height; y += 1)
    for (let x = 0; x < width; x += 1) {
      const [dy, dx] = [y - middleY, x - middleX];
      // Where the pixel comes from: the inverse rotation, with y downwards. Rounded far below a
      // pixel, so that a quarter turn is exact.
      const fromY = Math.round((middleY + cos * dy + sin * dx) * 1e6) / 1e6;
      const fromX = Math.round((middleX + cos * dx - sin * dy) * 1e6) / 1e6;
      const [top, left] = [Math.floor(fromY), Math.floor(fromX)];
      const [down, right] = [fromY - top, fromX - left];
      for (let c = 0; c < channels; c += 1)
        out[(y * width + x) * channels + c] =
          (1 - down) * ((1 - right) * at(top, left, c) + right * at(top, left + 1, c)) +
          down * ((1 - right) * at(top + 1, left, c) + right * at(top + 1, left + 1, c));
    }
  return out;
};

/** @throws FloeError `usage` where the examples are no images */
export const checkSkew = (skew: FeatureSkew, { featureShape }: Dataset): void => {
  if (skew.type === 'rotation' && featureShape.length !== 3)
    throw new FloeError(
      'usage',
      `--feature-skew: rotation needs images of height, width and channels, got examples of shape [${featureShape.join(', ')}]`,
    );
};

/** Own memory for the rows of a view, in its order. */
const copyOf = (data: Dataset): Dataset & { readonly features: Float32Array } => {
  const { indices: _, ...rest } = data;
  const [width, labelWidth] = [featureLength(data), labelLength(data)];
  const scale = data.features instanceof Uint8Array ? 1 / 255 : 1;
  const features = new Float32Array(data.size * width);
  const Labels = data.labels.constructor as new (length: number) => Dataset['labels'];
  const labels = new Labels(data.size * labelWidth);
  for (let i = 0; i < data.size; i += 1) {
    const row = rowOf(data, i);
    for (let j = 0; j < width; j += 1)
      features[i * width + j] = scale * (data.features[row * width + j] as number);
    for (let j = 0; j < labelWidth; j += 1)
      labels[i * labelWidth + j] = data.labels[row * labelWidth + j] as number;
  }
  return { ...rest, features, labels };
};

/** The examples as this participant has them; without skew the very same. */
export const skewed = (data: Dataset, place: SkewPlace): Dataset => {
  const { skew, index, seed } = place;
  if (skew.type === 'none') return data;
  const own = copyOf(data);
  const width = featureLength(data);
  if (skew.type === 'rotation') {
    const degrees = angleOf(skew.degrees, place);
    const shape = data.featureShape as readonly [number, number, number];
    for (let i = 0; i < own.size; i += 1) {
      const image = own.features.subarray(i * width, (i + 1) * width);
      image.set(rotateImage(image, shape, degrees));
    }
    return own;
  }
  const sigma = noiseOf(skew.sigma, place);
  const random = cipherStream(deriveSeed(seed, 'noise', index));
  for (let i = 0; i < own.features.length; i += 1)
    own.features[i] = (own.features[i] as number) + sigma * normal(random);
  return own;
};

/** In words, for the first lines of a run. */
export const describeSkew = (skew: FeatureSkew): string | undefined => {
  switch (skew.type) {
    case 'none':
      return undefined;
    case 'rotation':
      return `images turned by up to ${skew.degrees} degrees, one angle for each participant`;
    case 'noise':
      return `noise of standard deviation up to ${skew.sigma}, more for participants of a higher number`;
  }
};
