/**
 * A model that a commit has not moved: its members are spent on it, repeat the same set, and the
 * run continues to its end.
 */
import { afterEach, expect, it } from 'vitest';
import { fastClock, PATIENT, realRun, type RealRun } from '../attacks/real-run.ts';

let run: RealRun;
afterEach(() => run.stop());

it('rounds whose updates are zero are committed one after the other', async () => {
  run = await realRun(
    { rounds: 3, cohort: { size: 4, minimum: 3 }, deadlines: PATIENT },
    { clock: fastClock() },
  );
  const update = new Float32Array(20);
  const people = await Promise.all([0, 1, 2, 3].map((i) => run.join(`still ${i}`, { update })));
  await run.committed(3);

  const commits = run.records('commit').map(({ body }) => body);
  for (const { model, step } of commits) expect(model.hash).toEqual(step.before);
  expect(run.records('abort')).toEqual([]);
  for (const { events } of people)
    expect(events.filter(({ type }) => type === 'violation')).toEqual([]);
});
