/**
 * @module Counts the bytes of a simulation: those of frames in this thread, those of blobs in the
 * memory that all threads share.
 */
import type { Bytes } from './history.ts';

/** Bytes of frames, and of blobs in all threads. @param before those of an earlier part */
export const countBytes = (frames: () => Bytes, before: Bytes = { up: 0, down: 0 }) => {
  const blobTraffic = new SharedArrayBuffer(16);
  const bytes = (): Bytes => {
    const [up = 0n, down = 0n] = new BigUint64Array(blobTraffic);
    return {
      up: before.up + frames().up + Number(up),
      down: before.down + frames().down + Number(down),
    };
  };
  return { blobTraffic, bytes };
};
