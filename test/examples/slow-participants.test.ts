/**
 * @module The example of slow participants: buffered rounds reach the accuracy first, with updates
 * that are older than their rounds.
 */
import { expect, it } from 'vitest';
import { compareWays } from '../../examples/simulation/slow-participants.ts';

it('buffered rounds reach the accuracy in less virtual time than rounds that wait', async () => {
  const [waiting, buffered] = await compareWays(['cohorts of five', 'buffers of five']);
  expect(waiting?.staleness).toBe(0);
  expect(buffered?.staleness).toBeGreaterThan(1);
  expect(buffered?.seconds).toBeLessThan(0.75 * waiting!.seconds!);
}, 120_000);
