/**
 * @module JPEG images by jpeg-js, which also reads progressive ones; the size is checked in the
 * header before anything is decoded (ITU-T T.81, annex B).
 */
import { malformed } from './limits.ts';
import { MAX_PIXELS, type Raster } from './raster.ts';

/** Markers of a frame: all of 0xc0 to 0xcf but tables (c4), extensions (c8) and conditions (cc). */
const isFrame = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

export const isJpeg = (bytes: Uint8Array): boolean =>
  bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly components: number;
}

const frameOf = (bytes: Uint8Array): Frame => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  while (at + 10 <= bytes.length && bytes[at] === 0xff) {
    const marker = view.getUint8(at + 1);
    if (isFrame(marker))
      return {
        height: view.getUint16(at + 5),
        width: view.getUint16(at + 7),
        components: view.getUint8(at + 9),
      };
    // Fill bytes may come before a marker.
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  throw malformed('a JPEG without a frame (cut off?)');
};

/** @throws FloeError `data_malformed` */
export const readJpeg = async (bytes: Uint8Array): Promise<Raster> => {
  const { width, height, components } = frameOf(bytes);
  if (width === 0 || height === 0 || width * height > MAX_PIXELS)
    throw malformed(
      `${width} x ${height} pixels, the limit is ${MAX_PIXELS} in all: make it smaller`,
    );
  if (components !== 1 && components !== 3)
    throw malformed(`a JPEG of ${components} colours, such as CMYK: save it in RGB`);
  const { decode } = (await import('jpeg-js')).default;
  const decoded = decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: Math.ceil(MAX_PIXELS / 1e6),
    maxMemoryUsageInMB: 2048,
  });
  if (decoded.width !== width || decoded.height !== height) throw malformed('a JPEG of two sizes');
  if (components === 3) return { width, height, channels: 3, data: decoded.data };
  // Grey comes as three equal colours.
  const data = Uint8Array.from({ length: width * height }, (_, i) => decoded.data[3 * i] as number);
  return { width, height, channels: 1, data };
};
