/**
 * @module What goes wrong around a coordinator, not in it: a disk that takes no write, a clock that
 * jumps. Each is named, nothing is lost, nobody is late for it, and the run ends with the model of
 * an undisturbed one.
 */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeDisk } from '../../protocol/ports/disk.ts';
import {
  directoryStore,
  memoryJournal,
  openJournal,
  type Journal,
} from '../../coordinator/index.ts';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { folderUploadJournal } from '../../protocol/ports/upload-journal-folder.ts';
import { toHex } from '../../protocol/bytes.ts';
import { manualClock } from '../../protocol/ports/clock.ts';
import { FloeError, type ErrorCode } from '../../protocol/errors.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { writeWhole } from '../../protocol/ports/files.ts';
import { connect, createStage, testSpec, turns, until, type Stage } from '../support/run.ts';

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

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];

const everyone = (stage: Stage) => Promise.all(NAMES.map((name) => stage.participant(name)));

/** The hash of the model that an undisturbed run of this specification ends with. */
const undisturbed = async (spec: RunSpec): Promise<string> => {
  const stage = await createStage(spec);
  const coordinator = stage.create();
  await coordinator.start();
  for (const one of await everyone(stage)) connect(coordinator, one);
  const { model } = await coordinator.finished;
  await coordinator.stop();
  return toHex(model.hash);
};

/** Everything that writes to the journal. */
const OPERATIONS = ['write', 'secrets.write', 'secrets.keepOnly', 'frozen.freeze'] as const;

/** A disk that fails in one way, from the given call of one operation on, until it is mended. */
const failing = (operation: (typeof OPERATIONS)[number], code: ErrorCode, from: number) => {
  const journal = memoryJournal();
  let calls = 0;
  let mended = false;
  const check = (own: (typeof OPERATIONS)[number]): void => {
    if (own !== operation || mended) return;
    calls += 1;
    if (calls >= from) throw new FloeError(code, 'the disk says no');
  };
  const before =
    <Given extends unknown[], Result>(
      own: (typeof OPERATIONS)[number],
      call: (...given: Given) => Promise<Result>,
    ) =>
    async (...given: Given): Promise<Result> => {
      check(own);
      return call(...given);
    };
  return {
    mend: () => {
      mended = true;
    },
    journal: {
      ...journal,
      write: before('write', journal.write),
      secrets: {
        ...journal.secrets,
        write: before('secrets.write', journal.secrets.write),
        keepOnly: before('secrets.keepOnly', journal.secrets.keepOnly),
      },
      frozen: { ...journal.frozen, freeze: before('frozen.freeze', journal.frozen.freeze) },
    } satisfies Journal,
  };
};

const DAY = 86_400_000;

describe('a disk', () => {
  it('that is read-only is named, not called a corrupt journal', async () => {
    const place = await mkdtemp(join(tmpdir(), 'floe-read-only-'));
    if (process.geteuid?.() === 0) await chown(place, NOBODY, NOBODY);
    await chmod(place, 0o555);
    await unprivileged(async () => {
      const readOnly = { code: 'storage_read_only', message: expect.stringContaining(place) };
      await expect(openJournal(join(place, 'journal'))).rejects.toMatchObject(readOnly);
      await expect(directoryStore(place).put(new Uint8Array(3))).rejects.toMatchObject(readOnly);
      const uploads = folderUploadJournal(place);
      await expect(uploads.keepBytes('a'.repeat(64), new Uint8Array(3))).rejects.toMatchObject(
        readOnly,
      );
      const disk = await nodeDisk();
      await expect(disk.write(join(place, 'x'), new Uint8Array(3))).rejects.toMatchObject(readOnly);
      await expect(writeWhole(join(place, 'y'), 'z')).rejects.toMatchObject(readOnly);
    });
    await chmod(place, 0o700);
    await rm(place, { recursive: true });
  });

  it('with a journal that may not be written to is named', async () => {
    const place = await mkdtemp(join(tmpdir(), 'floe-read-only-'));
    const path = join(place, 'journal');
    await (await openJournal(path)).close();
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) for (const own of [place, path]) await chown(own, NOBODY, NOBODY);
    await chmod(path, 0o444);
    // What a file permits is asked for the user of the process, not for the one it acts as: another
    // process it must be.
    const module = new URL('../../coordinator/journal/sqlite.ts', import.meta.url).href;
    const script =
      `const { openJournal } = await import(${JSON.stringify(module)});` +
      `openJournal(${JSON.stringify(path)}).catch(({ code }) => console.log(code));`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', script],
      isRoot ? { uid: NOBODY, gid: NOBODY } : {},
    );
    expect(stdout.trim()).toBe('storage_read_only');
    await rm(place, { recursive: true });
  });

  it('where the folder is missing says so', async () => {
    await expect(openJournal(join(folder, 'nowhere', 'journal'))).rejects.toMatchObject({
      code: 'file_not_found',
    });
  });

  const cases = OPERATIONS.flatMap((operation) =>
    ([1, 2, 5, 9] as const).flatMap((from) =>
      (['storage_full', 'storage_read_only', 'storage_failed', 'journal_locked'] as const)
        // Every code at the first call, one of them at the others.
        .filter((code) => from === 1 || code === 'storage_full')
        .map((code) => ({ operation, code, from })),
    ),
  );
  let expected: string | undefined;
  it.each(cases)(
    'that fails $operation with $code from call $from on is waited for, and nobody is late',
    async ({ operation, code, from }) => {
      const spec = await testSpec({ rounds: 2 });
      expected ??= await undisturbed(spec);
      const { journal, mend } = failing(operation, code, from);
      const clock = manualClock(1e12);
      const stage = await createStage(spec, { clock, journal });
      const coordinator = stage.create();
      const started = coordinator.start();
      const waits = (): boolean => coordinator.status().waitingFor?.startsWith(code) === true;
      const ended = { done: false };
      coordinator.finished.finally(() => (ended.done = true)).catch(() => undefined);
      // The first write of all is part of the start.
      const begun = await Promise.race([
        started.then(() => true),
        until(waits, 'the disk is waited for').then(() => false),
      ]);
      const people = await everyone(stage);
      if (begun) for (const one of people) connect(coordinator, one);
      await until(() => waits() || ended.done, 'the disk is waited for');
      if (!ended.done) {
        const { phase, attempt } = coordinator.status();
        // Every deadline would have passed, and a doubled pause is over a few times.
        for (let i = 0; i < 5; i += 1) {
          clock.advance(DAY);
          await turns();
        }
        expect(coordinator.status()).toMatchObject({ phase, attempt, failures: 0, running: true });
        mend();
        clock.advance(60_000);
        await started;
        if (!begun) for (const one of people) connect(coordinator, one);
      }
      const outcome = await coordinator.finished;
      await coordinator.stop();
      expect({ attempts: outcome.attempts, hash: toHex(outcome.model.hash) }).toEqual({
        attempts: 2,
        hash: expected,
      });
      expect(coordinator.status().waitingFor).toBeUndefined();
      for (const { errors } of people) expect(errors).toEqual([]);
    },
  );

  it('that is full permanently lets the coordinator stop, and the next one continues', async () => {
    const spec = await testSpec();
    const own = await undisturbed(spec);
    const path = join(folder, 'full.db');
    const sizes: number[] = [];
    const store = memoryStore();
    // Room for a little more each time: it stands still at another point of the run.
    for (let room = 64 << 10; ; room += 16 << 10) {
      const clock = manualClock(1e12);
      const opened = openJournal(path, { maxBytes: room });
      const full = await opened.then(
        () => undefined,
        ({ code }: FloeError) => code,
      );
      // Its tables alone take some room.
      if (full !== undefined) {
        expect(full).toBe('storage_full');
        continue;
      }
      const journal = await opened;
      const stage = await createStage(spec, { clock, journal, store });
      const coordinator = stage.create();
      const ended = coordinator.finished.then(
        ({ attempts, model }) => ({ attempts, hash: toHex(model.hash) }),
        ({ code }: FloeError) => code,
      );
      const waits = (): boolean =>
        coordinator.status().waitingFor?.startsWith('storage_full') === true;
      const started = coordinator.start().catch(() => undefined);
      await Promise.race([started, until(waits, 'the disk is full')]);
      let over = false;
      void ended.finally(() => (over = true));
      for (const one of await everyone(stage)) connect(coordinator, one);
      await until(() => waits() || over, 'the disk is full or the run is over');
      const done = over;
      await coordinator.stop();
      await journal.close();
      sizes.push((await stat(path)).size);
      if (done) {
        expect(await ended).toEqual({ attempts: 1, hash: own });
        break;
      }
      expect(await ended).toBe('aborted');
    }
    expect(sizes.length).toBeGreaterThan(2);
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
