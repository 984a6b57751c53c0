/**
 * What curious members learn from an honest coordinator's bundle. The secret of a member that dropped is published there, so
 * it must open nothing but that member's masks: in particular not the shares that the others sealed to it.
 */
import { expect, it } from 'vitest';
import {
  applyMasks,
  derive,
  openShare,
  pairMasks,
  reconstruct,
  selfMaskSeed,
} from '../../protocol/secagg/index.ts';
import { newLanes, play } from './play.ts';

/** Known updates, so that a recovered one is recognised. */
const update = (index: number) => newLanes(16, 64).fill(1000 * (index + 1));

it('the published sigma of three dropped members and four colluders open the update of a survivor', async () => {
  const played = await play({
    n: 10,
    length: 64,
    modulusBits: 16,
    seed: 'curious',
    drops: { beforeUpload: [7, 8, 9] },
    update,
  });
  const { participants, cohort, context, messages, result, masked } = played;
  if (result.type !== 'recovered') throw new Error('not recovered');
  const [victim, colluders] = [4, [0, 1, 2, 3]];
  const { id } = participants[victim]!;
  const message = messages.get(victim)!;
  const open = async (index: number, keys: ReturnType<typeof derive>) =>
    (
      await openShare({
        context,
        cohort,
        self: participants[index]!.id,
        keys,
        author: id,
        entry: message.entries[index]!,
      })
    ).key;
  const shares = await Promise.all([
    ...colluders.map((index) => open(index, participants[index]!.keys)),
    ...[7, 8, 9].map((index) => {
      const secret = result.secrets.find(({ author }) => author === participants[index]!.id)!;
      return open(index, derive(secret.secret));
    }),
  ]);
  const sigma = await reconstruct(shares, cohort.threshold);
  const b = result.secrets.find(({ author }) => author === id)!.secret;
  const inbox = participants.flatMap((peer, index) =>
    index === victim ? [] : [{ author: peer.id, entry: messages.get(index)!.entries[victim]! }],
  );
  const pairs = await pairMasks({ keys: derive(sigma), context, cohort, self: id, inbox });
  const lanes = masked.get(victim)!.slice();
  const undo = pairs.map(({ seed, sign }) => ({ seed, sign: sign === 1 ? -1 : 1 }) as const);
  await applyMasks(lanes, [{ seed: selfMaskSeed(context, id, b), sign: -1 }, ...undo], 16);
  expect(lanes).toEqual(update(victim));
});
