/**
 * @module Test vectors of protocol SA-P, made by playing one round:
 * `npx node test/secagg/vectors.ts > test/vectors/secagg.json`. Large values are given by their
 * SHA-256. They hold the derivations fixed: any change of a tag, an order or an encoding breaks
 * compatibility between versions and must show here. Encapsulations are seeded, which only the
 * portable primitives can be; what they made is opened by both.
 */
import { sha256, toHex, utf8 } from '../../protocol/bytes.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import {
  entryHash,
  portablePrimitives,
  selfMaskSeed,
  signedEntries,
} from '../../protocol/secagg/index.ts';
import type { Lanes } from '../../protocol/secagg/index.ts';
import { play } from './play.ts';

const hashed = (bytes: Uint8Array): string => toHex(sha256(bytes));
const numbers = (lanes: Lanes): number[] => [...lanes];

export const makeVectors = async () => {
  const attempt = await play({
    n: 4,
    length: 8,
    modulusBits: 16,
    seed: 'floe vectors',
    drops: { beforeUpload: [2] },
    primitives: portablePrimitives(seededRandom(utf8('floe vectors, encapsulations'))),
  });
  const { opened } = attempt;
  const { participants, cohort, context, messages, masked, result, sum, expected } = attempt;
  if (result.type !== 'recovered' || sum === null) throw new Error('the round did not finish');
  return {
    protocol: 'SA-P, complete graph, v3',
    modulusBits: 16,
    threshold: cohort.topology.threshold,
    context: toHex(context),
    participants: participants.map(({ id, sigma, seal, selfSecret, keys, sealKeys }, index) => ({
      id: toHex(id),
      sigma: toHex(sigma),
      mask: { x25519: toHex(keys.public.x25519), mlkemSha256: hashed(keys.public.mlkem) },
      c: toHex(seal),
      seal: { x25519: toHex(sealKeys.public.x25519), mlkemSha256: hashed(sealKeys.public.mlkem) },
      selfSecret: toHex(selfSecret),
      selfMaskSeed: toHex(selfMaskSeed(context, id, selfSecret)),
      commitment: toHex(messages.get(index)!.commitment),
      /** What the Share record signs of the entries. */
      entriesRoot: toHex(
        signedEntries({ context, author: id }, messages.get(index)!.entries.map(entryHash)).root,
      ),
      /** Those of the first member whole, so that any implementation can open them. */
      entries: messages
        .get(index)!
        .entries.map((entry) => (index === 0 ? toHex(entry) : hashed(entry))),
      pairSeeds: cohort.members.map((_, other) => {
        const found = opened[index]!.get(other);
        return found === undefined ? null : toHex(found.seed);
      }),
      masked: masked.has(index) ? numbers(masked.get(index)!) : null,
    })),
    dropped: [toHex(participants[2]!.id)],
    jobs: result.jobs.map(({ seed, sign }) => ({ seed: toHex(seed), sign })),
    maskedSum: numbers(attempt.maskedSum),
    sum: numbers(sum),
    expected: numbers(expected),
  };
};

if (import.meta.main) console.log(JSON.stringify(await makeVectors(), null, 2));
