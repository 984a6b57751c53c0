/**
 * @module One of n equal parts of a data set, for trying out a run. The split is deterministic: all
 * participants split in the same way, so their parts do not overlap.
 */
import { sha256, utf8 } from '../../protocol/bytes.ts';
import { subset, type Dataset } from './dataset.ts';
import { dealRows } from './partition.ts';

/** Everyone who takes a shard must cut alike, so this seed is the same for all. */
const SHARD_SEED = sha256(utf8('floe/join-shard/v1'));

export interface Shard {
  /** From 0, below `count`. */
  readonly index: number;
  readonly count: number;
}

export const shardOf = (data: Dataset, { index, count }: Shard): Dataset => {
  const rows = dealRows({
    partition: { type: 'iid' },
    labels: data.labels,
    size: data.size,
    participants: count,
    seed: SHARD_SEED,
  });
  return subset(data, rows[index] as Uint32Array);
};
