/**
 * @module A model that returns to an earlier state, as a small one does when it has converged: its
 * members answer for the same set again, and the run continues to its end. Found by a run of 2,000
 * rounds, which waited for new members after 706 of them.
 */
import { afterEach, expect, it } from 'vitest';
import { functionTrainer } from '../../client/index.ts';
import { fastClock, PATIENT, realRun, type RealRun } from '../attacks/real-run.ts';

let run: RealRun | undefined;
afterEach(() => run?.stop());

/** bfloat16 rounds what the encoding adds to these away. */
const LOW = 1;
const HIGH = 1.0625;
const tensors = [{ name: 'w', shape: [20], dtype: 'bfloat16' as const }];

/** Low becomes high, everything else low. */
const alternating = () =>
  functionTrainer({
    manifest: { tensors },
    train: ({ weights }) => ({
      weights: weights.map(() => (weights[0] === LOW ? HIGH : LOW)),
      examples: 10,
      lossSum: 1,
      correct: 1,
    }),
  });

const stage = async (rounds: number): Promise<RealRun> =>
  realRun(
    {
      rounds,
      cohort: { size: 4, minimum: 3 },
      deadlines: PATIENT,
      model: { architecture: 'custom', tensors },
      encoding: { ring: 'ring32', bits: 20, clipNorm: 8, weightCap: 10 },
    },
    { clock: fastClock() },
  );

it('rounds on models that come again are committed one after the other', async () => {
  run = await stage(7);
  const { join } = run;
  const people = await Promise.all(
    [0, 1, 2, 3].map((i) => join(`returning ${i}`, { trainer: alternating() })),
  );
  await run.committed(7);

  const models = run
    .records('commit')
    .map(({ body }) => Buffer.from(body.model.hash).toString('hex'));
  expect(new Set(models).size).toBe(2);
  expect(run.records('abort')).toEqual([]);
  for (const { events } of people)
    expect(events.filter(({ type }) => type === 'violation' || type === 'withdrawn')).toEqual([]);
});
