import { readBase, withAdapters, type ModelFunction } from '../../client/index.ts';
import { model as whole } from './model.ts';

/** `hidden` stays as it is and gets an adapter of rank 2; `output` is trained whole. */
export const model: ModelFunction = async (tf) =>
  withAdapters(tf, await whole(tf), {
    rank: 2,
    alpha: 4,
    targets: ['hidden'],
    heads: ['output'],
  });

export const base = () => readBase('base', 'general/model.safetensors');
