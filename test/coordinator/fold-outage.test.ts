/**
 * @module A store that does not answer while uploads are read: the attempt waits where it answers
 * for nobody, and leaves out the one upload that it does not give where it answers for the rest.
 */
import { describe, expect, it } from 'vitest';
import { FloeError } from '../../protocol/errors.ts';
import { manualClock, type ManualClock } from '../../protocol/ports/clock.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { connect, createStage, testSpec, turns, type Stage } from '../support/run.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];
const away = (): never => {
  throw new FloeError('store_unavailable', 'connection refused');
};

interface Played {
  readonly clock: ManualClock;
  readonly stage: Stage;
  readonly coordinator: ReturnType<Stage['create']>;
  /** Reads of blobs that the store refused. */
  readonly refused: () => number;
}

/** A run of one round whose store refuses the coordinator the blobs that `isAway` names. */
const play = async (
  isAway: (id: string, uploads: readonly string[]) => boolean,
): Promise<Played> => {
  const clock = manualClock(0);
  const store = memoryStore();
  const spec = await testSpec({ rounds: 1, cohort: { size: 4, minimum: 3 } });
  const stage = await createStage(spec, { clock, store });
  const uploads: string[] = [];
  let refused = 0;
  const check = (id: string): void => {
    if (!isAway(id, uploads)) return;
    refused += 1;
    away();
  };
  const coordinator = stage.create({
    store: {
      ...store,
      get: async (ref, options) => {
        check(ref.id);
        return store.get(ref, options);
      },
      getRange: async (ref, start, end, options) => {
        check(ref.id);
        return store.getRange(ref, start, end, options);
      },
    },
  });
  await coordinator.start();
  const own = {
    ...store,
    put: async (...args: Parameters<typeof store.put>) => {
      const ref = await store.put(...args);
      uploads.push(ref.id);
      return ref;
    },
  };
  for (const name of NAMES) connect(coordinator, await stage.participant(name, { store: own }));
  // However slow the machine is: time passes in small steps until all have uploaded.
  while (uploads.length < NAMES.length) {
    await turns(10);
    clock.advance(10);
  }
  return { clock, stage, coordinator, refused: () => refused };
};

const pass = async ({ clock }: Played, ms: number): Promise<void> => {
  for (const end = clock.now() + ms; clock.now() < end;) {
    await turns(10);
    clock.advance(1_000);
  }
  await turns(10);
};

const told = ({ stage }: Played, type: string) =>
  stage.progress.filter((progress) => progress.type === type);

describe('uploads that the store does not give', () => {
  it('are waited for while the store answers for nothing, and all count once it does', async () => {
    let isDown = true;
    const played = await play((_, uploads) => isDown && uploads.length > 0);
    await pass(played, 120_000);
    expect(played.coordinator.status()).toMatchObject({
      attempt: 1,
      phase: 'upload',
      committed: 0,
    });
    expect(told(played, 'upload-rejected')).toEqual([]);
    // Once for the attempt, not for each upload.
    expect(told(played, 'waiting')).toEqual([
      expect.objectContaining({ reason: expect.stringMatching(/reads an upload.*store_unav/u) }),
    ]);
    // 4 uploads, each asked for 4 + 4 times in the first minute, then every 30 s, with a probe.
    expect(played.refused()).toBeLessThan(4 * 20);
    isDown = false;
    await pass(played, 60_000);
    expect(await played.coordinator.finished).toMatchObject({ rounds: 1, attempts: 1 });
    expect(told(played, 'upload-folded')).toHaveLength(4);
    await played.coordinator.stop();
  });

  it('of one author alone are left out: the others do not wait for it', async () => {
    const played = await play((id, uploads) => id === uploads[0]);
    await pass(played, 9_000);
    expect(told(played, 'upload-rejected')).toEqual([
      expect.objectContaining({ code: 'store_unavailable' }),
    ]);
    expect(await played.coordinator.finished).toMatchObject({ rounds: 1, attempts: 1 });
    await played.coordinator.stop();
  });

  it('end the attempt with its cause where the store stays away', async () => {
    const played = await play((_, uploads) => uploads.length > 0 && uploads.length <= 4);
    await pass(played, 11 * 60_000);
    expect(told(played, 'upload-rejected')).toHaveLength(4);
    expect(told(played, 'aborted')).toEqual([
      expect.objectContaining({
        attempt: 1,
        code: 'cohort_too_small',
        reason: expect.stringContaining('store_unavailable'),
      }),
    ]);
    await played.coordinator.stop();
  });
});
