/**
 * Two commands that begin a run in one folder. The second is planned before the first has written
 * anything, and then waits for a passphrase, or opens a parent: it must not replace the
 * specification that the first one's journal belongs to.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { planRun, type NewRun } from '../../coordinator/state-folder.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { makeRunSpec } from '../../protocol/spec/run-spec.ts';

it('refuses the later one: the run that was begun meanwhile stays', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-second-start-'));
  try {
    const run: NewRun = {
      spec: (fixed) => makeRunSpec({ ...fixed, rounds: 2 }),
      begin: async () => ({
        model: {
          architecture: 'custom',
          tensors: [{ name: 'w', shape: [1], dtype: 'float32' as const }],
        },
      }),
    };
    const [first, second] = [await planRun(folder, run, false), await planRun(folder, run, false)];
    await first(new Uint8Array(32).fill(1));
    const written = await readFile(join(folder, RUN_FILES.spec));
    await expect(second(new Uint8Array(32).fill(1))).rejects.toMatchObject({
      code: 'spec_mismatch',
    });
    expect(await readFile(join(folder, RUN_FILES.spec))).toEqual(written);
    // As the message says.
    const third = await planRun(folder, run, false);
    expect(await third(new Uint8Array(32).fill(1))).toMatchObject({ resumed: true });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
