/** @module Engines of optional packages: tests that need them are skipped by name without. */
import { NoGpu } from '../../client/recorded/webgpu/device.ts';
import { FloeError } from '../../protocol/errors.ts';

/** Undefined where a package, or the adapter it needs, is not on this machine; no other error. */
export const ifThere = async <Made>(made: Promise<Made>): Promise<Made | undefined> => {
  try {
    return await made;
  } catch (thrown) {
    if (thrown instanceof NoGpu) return undefined;
    if (thrown instanceof FloeError && thrown.code === 'backend_unavailable') return undefined;
    throw thrown;
  }
};
