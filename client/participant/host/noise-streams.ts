/**
 * @module The streams of correlated noise at this participant: for each attempt one seed, from
 * which every draw of that attempt follows. A later attempt adds the same draws again, with other
 * factors. The seeds that later attempts need are in the keystore, encrypted, and on disk before
 * anything is drawn from them; older ones are erased. So a restart continues the streams, no vector
 * of noise is stored, and a keystore that is opened later gives the noise of the latest attempts
 * only. A keystore without the seeds draws new ones: the memory that is lost with them is what the
 * registration states, so the others do not count this participant any more.
 */
import * as v from 'valibot';
import { MAX_BANDS } from '../../../protocol/privacy/banded-inverse.ts';
import { MAX_ATTEMPT } from '../../../protocol/spec/run-spec.ts';
import { decodeCbor, encodeCbor, fixedBytes, integer } from '../../../protocol/wire/cbor.ts';
import type { Keystore } from '../../keystore/keystore.ts';
import type { RunView } from '../machine/record-checks.ts';
import { STREAM_SEED_BYTES, type Own } from './crypto-steps.ts';

const seedsSchema = v.strictObject({
  v: v.literal(1),
  seeds: v.pipe(
    v.array(
      v.strictObject({ attempt: integer(1, MAX_ATTEMPT), seed: fixedBytes(STREAM_SEED_BYTES) }),
    ),
    v.maxLength(MAX_BANDS),
  ),
});
type Seed = v.InferOutput<typeof seedsSchema>['seeds'][number];

const MAX_SEEDS_BYTES = 4096;

const kept = (bytes: Uint8Array | undefined): readonly Seed[] =>
  bytes === undefined
    ? []
    : decodeCbor(seedsSchema, bytes, 'data_malformed', MAX_SEEDS_BYTES).seeds;

/**
 * Seeds of the streams of this attempt and of those before it that its noise depends on, newest
 * first; undefined where the noise is not correlated. An attempt that this participant was not in
 * has a seed too: its draws are in the sums after it.
 *
 * @throws FloeError `data_malformed`; those of the keystore
 */
export const seedsOfStreams = async (
  keystore: Pick<Keystore, 'loadLocal' | 'saveLocal'>,
  { spec: { privacy }, run }: Pick<RunView, 'spec' | 'run'>,
  { random, noise }: Pick<Own, 'random' | 'noise'>,
  attempt: number,
): Promise<readonly Uint8Array[] | undefined> => {
  if (privacy?.type !== 'ftrl') return undefined;
  const before = kept(await keystore.loadLocal(run, 'streams'));
  const count = Math.min(privacy.bands, attempt);
  const seeds = Array.from({ length: count }, (_, k): Seed => {
    const of = attempt - k;
    return (
      before.find((one) => one.attempt === of) ?? {
        attempt: of,
        seed: (noise?.(of) ?? random)(STREAM_SEED_BYTES),
      }
    );
  });
  await keystore.saveLocal(run, 'streams', encodeCbor({ v: 1, seeds }));
  return seeds.map(({ seed }) => seed);
};
