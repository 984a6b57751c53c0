/**
 * What curious members learn from an honest coordinator's bundle. The secret of a member that
 * dropped is published there, so it must open nothing but that member's masks: in particular not
 * the shares that the others sealed to it. (With one secret for both key pairs this attack
 * recovered the update of a survivor.)
 */
import { expect, it } from 'vitest';
import {
  applyMasks,
  deriveKeys,
  parseEntry,
  pairSign,
  reconstruct,
  selfMaskSeed,
  unsealShares,
} from '../../protocol/secagg/index.ts';
import type { AttemptKeyPairs } from '../../protocol/secagg/index.ts';
import { newLanes, play } from './play.ts';

/** Known updates, so that a recovered one is recognised. */
const update = (index: number) => newLanes(16, 64).fill(1000 * (index + 1));

const playDropped = () =>
  play({
    n: 10,
    length: 64,
    modulusBits: 16,
    seed: 'curious',
    drops: { beforeUpload: [7, 8, 9] },
    update,
  });

it('the published sigma of a dropped member opens no share that was sealed to it', async () => {
  const { participants, cohort, context, messages, result, opened, masked } = await playDropped();
  if (result.type !== 'recovered') throw new Error('not recovered');
  const [victim, colluders, dropped] = [4, [0, 1, 2, 3], [7, 8, 9]];
  const { id } = participants[victim]!;
  const sigmaOf = (index: number) =>
    result.secrets.find(({ author }) => author === participants[index]!.id)!.secret;
  /** The share of the victim's sigma in its entry for `index`, opened with these keys. */
  const openWith = async (index: number, seal: AttemptKeyPairs) => {
    const recipient = participants[index]!.id;
    const entry = parseEntry(id, recipient, messages.get(victim)!.entries[index]!);
    const point = seal.point.agree(cohort.members[victim]!.seal.point());
    const init = { seal, point, context, cohort, author: id, recipient, entry };
    return (await unsealShares(init))?.key;
  };
  for (const index of dropped) {
    // What the attacker holds is what is published, and every key that it can derive from it.
    const sigma = sigmaOf(index);
    expect(sigma).toEqual(participants[index]!.sigma);
    for (const use of ['mask', 'seal', 'answer'] as const)
      expect(await openWith(index, deriveKeys(sigma, use))).toBeUndefined();
    // The test sees what it looks for: with c of the dropped member the entry opens.
    expect(await openWith(index, participants[index]!.sealKeys)).toHaveLength(33);
  }
  // The four colluders stay below the threshold of seven.
  const shares = colluders.map((index) => opened[index]!.get(victim)!.key);
  await expect(reconstruct(shares, cohort.topology.threshold)).rejects.toMatchObject({
    code: 'not_enough_shares',
  });
  // Were the shares opened, this is what the attacker would do next, and it would succeed.
  const more = await Promise.all(
    dropped.map((index) => openWith(index, participants[index]!.sealKeys)),
  );
  const sigma = await reconstruct(
    [...shares, ...more.map((share) => share!)],
    cohort.topology.threshold,
  );
  expect(sigma).toEqual(participants[victim]!.sigma);
  const lanes = masked.get(victim)!.slice();
  const undo = [...opened[victim]!.values()].map(
    ({ author, seed }) => ({ seed, sign: pairSign(id, author) === 1 ? -1 : 1 }) as const,
  );
  const self = selfMaskSeed(context, id, sigmaOf(victim));
  await applyMasks(lanes, [{ seed: self, sign: -1 }, ...undo], 16);
  expect(lanes).toEqual(update(victim));
});
