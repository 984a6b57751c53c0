/**
 * @module A coordinator that wants to choose the next cohort once it knows R: with keys that it makes then, by leaving out
 * whom R draws, or with another set than the one that was signed before. Specification of secure aggregation, section 2.0.1.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { equalBytes } from '../../protocol/bytes.ts';
import { identityFromSeed, type Identity } from '../../protocol/identity.ts';
import { sortKeys } from '../../protocol/records.ts';
import { deriveKeys } from '../../protocol/secagg/index.ts';
import { everyoneLeaves, liar, sentOf, stageOf, violations, type Stage } from './support.ts';

afterEach(everyoneLeaves);

const SIZE = 6;
const open = () => liar({ cohort: { size: SIZE, minimum: 3 } });

/** Keys that the coordinator makes of its own. */
const ownKeys = (count: number): Promise<Identity[]> =>
  Promise.all(
    Array.from({ length: count }, (_, i) => identityFromSeed(new Uint8Array(32).fill(100 + i))),
  );

/** Opens an attempt for these, some of which are the coordinator's, and freezes a cohort of all. */
const cohortOf = async (
  { coordinator, members }: Stage,
  honest: readonly Uint8Array[],
  own: readonly Identity[],
): Promise<void> => {
  const invited = sortKeys([...honest, ...own.map(({ publicKey }) => publicKey)]);
  await coordinator.open(undefined, undefined, invited);
  for (const identity of own)
    coordinator.forge(identity, 'register', {
      open: coordinator.round!.open.hash,
      counter: 1,
      mask: deriveKeys(new Uint8Array(32).fill(9), 'mask').public,
      seal: deriveKeys(new Uint8Array(32).fill(10), 'seal').public,
    });
  await coordinator.cohort(invited);
  await coordinator.collect(
    members.filter((key) => honest.some((one) => equalBytes(one, key))),
    'share',
  );
};

describe('once R is known', () => {
  it('remains: makes keys then, and surrounds one participant with them', async () => {
    const stage = await stageOf(await open(), SIZE);
    const { coordinator, victim } = stage;
    await coordinator.playRound();
    await cohortOf(stage, [victim.key], await ownKeys(SIZE - 1));

    expect(sentOf(coordinator, [victim.key], 'share')).toBe(1);
    expect(violations(stage.people)).toEqual([]);
  });

  it('remains: leaves out whom it does not want', async () => {
    const stage = await stageOf(await open(), SIZE);
    const { coordinator, members } = stage;
    await coordinator.playRound();
    const wanted = members.slice(0, 3);
    await cohortOf(stage, wanted, []);

    expect(sentOf(coordinator, wanted, 'share')).toBe(3);
    expect(violations(stage.people)).toEqual([]);
  });
});
