/**
 * @module What goes wrong around a coordinator, not in it: a disk that takes no write, a clock that jumps.
 */
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJournal } from '../../coordinator/index.ts';
import { manualClock } from '../../protocol/clock.ts';
import { cryptoReady } from '../../protocol/identity.ts';
import { connect, createStage, testSpec, until } from '../support/run.ts';

let folder = '';
beforeAll(async () => {
  await cryptoReady;
  folder = await mkdtemp(join(tmpdir(), 'floe-storage-'));
});
afterAll(() => rm(folder, { recursive: true }));

const NOBODY = 65_534;

/** Runs as somebody whom the permissions of a folder bind: root is not bound by any. */
const unprivileged = async <Result>(work: () => Promise<Result>): Promise<Result> => {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
};

describe('a disk', () => {
  it('that is read-only is named, not called a corrupt journal', async () => {
    const place = await mkdtemp(join(tmpdir(), 'floe-read-only-'));
    if (process.geteuid?.() === 0) await chown(place, NOBODY, NOBODY);
    await chmod(place, 0o555);
    await unprivileged(() =>
      expect((async () => openJournal(join(place, 'journal')))()).rejects.toMatchObject({
        code: 'storage_read_only',
      }),
    );
    await chmod(place, 0o700);
    await rm(place, { recursive: true });
  });
});

describe('a clock', () => {
  it('that was a year ahead for one event leaves no deadline unmet', async () => {
    const YEAR = 365 * 86_400_000;
    const clock = manualClock(1e12);
    let ahead = 0;
    const deadlines = {
      register: 10,
      share: 10,
      upload: 10,
      consistency: 10,
      unmask: 10,
      grace: 60,
    };
    const stage = await createStage(await testSpec({ deadlines }), {
      clock: { ...clock, now: () => clock.now() + ahead },
    });
    const coordinator = stage.create();
    await coordinator.start();
    const people = await Promise.all(
      ['anna', 'berta', 'caesar', 'dorothea'].map((name, i) =>
        stage.participant(name, i === 3 ? { dropAt: (step) => step === 'register' } : {}),
      ),
    );
    for (const one of people.slice(0, 3)) connect(coordinator, one);
    await until(() => coordinator.status().loggedIn === 3, 'three are here');
    ahead = YEAR;
    connect(coordinator, people[3]!);
    await until(() => people[3]!.closed !== undefined, 'one is gone');
    await until(() => coordinator.status().loggedIn === 3, 'which the coordinator knows');
    expect(coordinator.status().phase).toBe('register');
    ahead = 0;
    clock.advance(10_000);
    await until(() => coordinator.status().phase !== 'register', 'the deadline is met');
    await coordinator.stop();
  });
});
