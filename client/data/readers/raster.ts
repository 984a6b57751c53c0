/**
 * @module Pixels of an image: without an alpha channel, in grey or in colours, resized. Resizing
 * weighs the pixels below each new one by a triangle, as wide as the scale where the image gets
 * smaller (bilinear with antialiasing).
 */

/** Pixels of an image. */
export const MAX_PIXELS = 2 ** 26;

export interface Raster {
  readonly width: number;
  readonly height: number;
  /** Grey, or red, green and blue. */
  readonly channels: 1 | 3;
  /** Row-major, `channels` for each pixel. */
  readonly data: Uint8Array;
  /** Whether there was an alpha channel that hides something. */
  readonly transparent?: boolean;
  /** Whether samples of 16 bits became 8. */
  readonly reduced?: boolean;
}

/** Leaves the alpha channel of 2 or 4 out. */
export const samplesOf = (
  data: Uint8Array,
  width: number,
  height: number,
  channels: number,
): Raster => {
  if (channels === 1 || channels === 3) return { width, height, channels, data };
  const kept = channels === 2 ? 1 : 3;
  const pixels = width * height;
  const out = new Uint8Array(pixels * kept);
  let transparent = false;
  for (let i = 0; i < pixels; i += 1) {
    for (let k = 0; k < kept; k += 1) out[i * kept + k] = data[i * channels + k] as number;
    if (data[i * channels + kept] !== 255) transparent = true;
  }
  return { width, height, channels: kept, data: out, ...(transparent ? { transparent } : {}) };
};

/** In grey by the luma of ITU-R BT.601, or with three equal colours. */
export const withChannels = (raster: Raster, channels: 1 | 3): Raster => {
  if (raster.channels === channels) return raster;
  const { data, width, height } = raster;
  const out = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i += 1) {
    if (channels === 3) out.fill(data[i] as number, 3 * i, 3 * i + 3);
    else {
      const [red, green, blue] = [data[3 * i], data[3 * i + 1], data[3 * i + 2]] as [
        number,
        number,
        number,
      ];
      out[i] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    }
  }
  return { ...raster, channels, data: out };
};

interface Weights {
  readonly from: number;
  readonly weights: readonly number[];
}

const weightsOf = (size: number, to: number): Weights[] => {
  const scale = size / to;
  const reach = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const center = (i + 0.5) * scale - 0.5;
    const from = Math.max(0, Math.ceil(center - reach));
    const last = Math.min(size - 1, Math.floor(center + reach));
    const weights: number[] = [];
    for (let at = from; at <= last; at += 1)
      weights.push(Math.max(0, 1 - Math.abs(at - center) / reach));
    const sum = weights.reduce((a, b) => a + b, 0);
    // At the edge a centre may lie between no two pixels.
    return sum === 0
      ? { from: Math.round(Math.max(0, center)), weights: [1] }
      : { from, weights: weights.map((w) => w / sum) };
  });
};

export const resized = (raster: Raster, width: number, height: number): Raster => {
  if (raster.width === width && raster.height === height) return raster;
  const { channels, data } = raster;
  const wide = new Float32Array(raster.height * width * channels);
  for (const [x, { from, weights }] of weightsOf(raster.width, width).entries())
    for (let y = 0; y < raster.height; y += 1)
      for (let k = 0; k < channels; k += 1) {
        let sum = 0;
        for (const [j, weight] of weights.entries())
          sum += weight * (data[(y * raster.width + from + j) * channels + k] as number);
        wide[(y * width + x) * channels + k] = sum;
      }
  const out = new Uint8Array(height * width * channels);
  for (const [y, { from, weights }] of weightsOf(raster.height, height).entries())
    for (let i = 0; i < width * channels; i += 1) {
      let sum = 0;
      for (const [j, weight] of weights.entries())
        sum += weight * (wide[(from + j) * width * channels + i] as number);
      out[y * width * channels + i] = Math.round(sum);
    }
  return { ...raster, width, height, data: out };
};
