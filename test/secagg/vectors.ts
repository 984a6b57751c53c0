/**
 * @module Test vectors of protocol SA-P, made by playing one round: `npx node
 * test/secagg/vectors.ts > test/vectors/secagg.json`. Large values are given by their SHA-256. They
 * hold the derivations fixed: any change of a tag, an order or an encoding breaks compatibility
 * between versions and must show here.
 */
import { sha256, toHex } from '../../protocol/bytes.ts';
import { pairMask, selfMaskSeed } from '../../protocol/secagg/index.ts';
import type { Lanes } from '../../protocol/secagg/index.ts';
import { play } from './play.ts';

const hashed = (bytes: Uint8Array): string => toHex(sha256(bytes));
const numbers = (lanes: Lanes): number[] => [...lanes];

export const makeVectors = async () => {
  const round = await play({
    n: 4,
    length: 8,
    modulusBits: 16,
    seed: 'floe vectors',
    drops: { beforeUpload: [2] },
  });
  const { participants, cohort, context, messages, masked, result, sum, expected } = round;
  if (result.type !== 'recovered' || sum === null) throw new Error('the round did not finish');
  return {
    protocol: 'SA-P, complete graph, v1',
    modulusBits: 16,
    threshold: cohort.threshold,
    context: toHex(context),
    participants: participants.map(({ id, sigma, selfSecret, keys }, index) => ({
      id: toHex(id),
      sigma: toHex(sigma),
      x25519: toHex(keys.public.x25519),
      mlkemSha256: hashed(keys.public.mlkem),
      selfSecret: toHex(selfSecret),
      selfMaskSeed: toHex(selfMaskSeed(context, id, selfSecret)),
      commitment: toHex(messages.get(index)!.commitment),
      entriesSha256: messages.get(index)!.entries.map(hashed),
      pairSeeds: cohort.members.map((peer, other) =>
        other === index
          ? null
          : toHex(
              pairMask({
                keys,
                context,
                self: id,
                peer,
                fromPeer: messages.get(other)!.entries[index]!.subarray(0, 1088),
              }).seed,
            ),
      ),
      masked: masked.has(index) ? numbers(masked.get(index)!) : null,
    })),
    dropped: [toHex(participants[2]!.id)],
    jobs: result.jobs.map(({ seed, sign }) => ({ seed: toHex(seed), sign })),
    maskedSum: numbers(round.maskedSum),
    sum: numbers(sum),
    expected: numbers(expected),
  };
};

if (import.meta.main) console.log(JSON.stringify(await makeVectors(), null, 2));
