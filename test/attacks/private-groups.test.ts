/**
 * A private run in groups whose members spend their budgets. A member without budget keeps its
 * place in the draw, so that its group has a gap; nobody need do anything wrong for the run to wait
 * for ever.
 */
import { beforeAll, expect, it } from 'vitest';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { GROUPED, playUntil, whyWaiting } from '../support/grouped-machine.ts';
import { createPlayer } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';

beforeAll(() => cryptoReady);

/** Nine of twenty members in each of six rounds. @param participations 0 for the default */
const played = async (participations: number) => {
  const { people } = await createPlayer(await testSpec(), 20);
  const spec = await testSpec({
    ...GROUPED,
    rounds: 6,
    cohort: { size: 9, minimum: 6 },
    members: { type: 'closed', keys: people.map(({ publicKey }) => publicKey) },
    encoding: { ring: 'ring32', weightCap: 1 },
    metrics: [],
    privacy: {
      type: 'skellam',
      epsilon: 50,
      delta: 1e-5,
      participations,
      honest: 1,
      noiseMultiplier: 0,
    },
  });
  const player = await createPlayer(spec, 20);
  player.join(...player.people.keys());
  playUntil(player, () => player.state.committed >= 6);
  return player;
};

it('waits with as few participations as rounds over members, and does not say that they left', async () => {
  const player = await played(3);
  expect(player.state.committed).toBe(5);
  expect(whyWaiting(player)).toMatch(/whole groups: \d+ have no privacy budget left; begin a new/u);
});

it('ends with the default', async () => {
  const player = await played(0);
  expect(player.config.spec.privacy?.participations).toBe(5);
  expect(player.state.committed).toBe(6);
});
