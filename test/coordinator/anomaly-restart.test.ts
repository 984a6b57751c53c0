/**
 * @module The anomaly report after a restart of the coordinator: it knows what it knew before, so a
 * turned round right after the restart raises its alarm, and models that are gone only shorten it.
 */
import { expect, it } from 'vitest';
import {
  memoryJournal,
  type Coordinator,
  type CoordinatorInit,
  type Journal,
  type Progress,
} from '../../coordinator/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { connect, createStage, testSpec } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];
const BEFORE = 7;

/** Seven rounds, the coordinator's death, and one more round in which all turn their updates. */
const play = async (again: (stage: { readonly store: CoordinatorInit['store'] }) => object) => {
  const journal = memoryJournal();
  const stage = await createStage(await testSpec({ rounds: BEFORE + 1 }), { journal });
  const people = await Promise.all(
    NAMES.map((name) =>
      stage.participant(name, {
        train: (model, attempt) =>
          model.map(
            (_, i) =>
              (attempt > BEFORE ? -1 : 1) *
              0.02 *
              (Math.sin(i) + 0.1 * Math.cos(Math.min(attempt, BEFORE) + i)),
          ),
      }),
    ),
  );
  let committed = 0;
  const mortal: Journal = {
    ...journal,
    write: async (batch) => {
      if (committed === BEFORE) throw new Error('killed');
      await journal.write(batch);
    },
  };
  const onEvent = (event: Progress): void => {
    if (event.type === 'committed') committed += 1;
  };
  const start = async (coordinator: Coordinator): Promise<void> => {
    await coordinator.start();
    await coordinator.idle();
  };
  const doomed = stage.create({ journal: mortal, onEvent });
  await start(doomed);
  for (const one of people) connect(doomed, one);
  await expect(doomed.finished).rejects.toThrow();
  await doomed.stop();
  const coordinator = stage.create(again(stage));
  await start(coordinator);
  const rebuilt = coordinator.status();
  for (const one of people) connect(coordinator, one);
  await coordinator.finished;
  await coordinator.stop();
  return { before: doomed.status(), rebuilt, after: coordinator.status() };
};

it('knows the same rounds, and sees the turned one', async () => {
  const { before, rebuilt, after } = await play(() => ({}));
  expect(before.commits).toHaveLength(BEFORE);
  expect(rebuilt.commits).toEqual(before.commits);
  expect(rebuilt.anomalies).toEqual(before.anomalies);
  expect(rebuilt.commits[0]).toMatchObject({ version: 1, cohort: 4, survivors: 4 });
  expect(after.anomalies).toMatchObject({
    count: 1,
    since: 1,
    last: { version: BEFORE + 1, found: [{ kind: 'step_direction' }] },
  });
  expect(after.commits.at(-1)?.step.cosine).toBeLessThan(-0.9);
});

it('begins after the last model that is gone, and continues without any of them', async () => {
  const losing = (lost: number) => {
    let reads = 0;
    return ({ store }: { readonly store: CoordinatorInit['store'] }) => ({
      store: {
        ...store,
        put: (...of: Parameters<typeof store.put>) => store.put(...of),
        get: async (...of: Parameters<typeof store.get>) => {
          reads += 1;
          if (reads <= lost) throw new FloeError('blob_not_found', 'removed');
          return store.get(...of);
        },
      },
    });
  };
  // Version 0 twice or more: the first two steps are not seen.
  const { rebuilt } = await play(losing(2));
  expect(rebuilt.commits.map(({ version }) => version)).toEqual([3, 4, 5, 6, 7]);
  expect(rebuilt.commits[0]?.step).toEqual({ norm: expect.any(Number) });
  const { rebuilt: none, after } = await play(losing(BEFORE));
  expect(none.commits).toEqual([]);
  expect(none.anomalies).toEqual({ count: 0, since: undefined, last: undefined });
  expect(after.commits).toHaveLength(1);
});
