/**
 * @module Members in league with the coordinator that have been proven to lie, and come again: what
 * they add to a sum is known, so that they fill a cohort up to the minimum and hide nobody.
 */
import { afterEach, expect, it } from 'vitest';
import { EMPTY_RUN } from '../../client/keystore/keystore.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { keystoreOf } from '../support/participants.ts';
import { everyoneLeaves, liar, openFor, refusals, sentOf, stageOf } from './support.ts';

afterEach(everyoneLeaves);

it('a sum over one member and two that it has proven to lie is not opened', async () => {
  const coordinator = await liar();
  const liars = await Promise.all([1, 2].map(keystoreOf));
  const keystore = await keystoreOf(0);
  const culprits = liars.map(({ identity }) => addressOf(identity.publicKey));
  await keystore.save(coordinator.run, { ...EMPTY_RUN, culprits });
  const { victim, members } = await stageOf(coordinator, 3, undefined, (index) =>
    index === 0 ? { keystore } : {},
  );
  await openFor(coordinator, members);
  await coordinator.cohort(members);
  await coordinator.sharers(members);
  await coordinator.survivors(members);
  await coordinator.consistency(members);

  expect(await refusals([victim])).toEqual(['update_already_spent']);
  expect(sentOf(coordinator, [victim.key], 'unmask')).toBe(0);
});
