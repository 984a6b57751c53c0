/**
 * @module The folder of a run that is not over says what it is, where a path that names nothing is
 * not found.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRun } from '../../client/reader/index.ts';
import { encodeRunSpec } from '../../protocol/spec/run-spec.ts';
import { testSpec } from '../support/run.ts';

let runs: string;
beforeEach(async () => {
  runs = await mkdtemp(join(tmpdir(), 'floe-unfinished-'));
});
afterEach(() => rm(runs, { recursive: true, force: true }));

/** A folder with a specification, a journal and no transcript. */
const begin = async (name: string): Promise<string> => {
  const folder = join(runs, name);
  await mkdir(folder);
  await writeFile(join(folder, 'spec.cbor'), encodeRunSpec(await testSpec()));
  await writeFile(join(folder, 'journal.sqlite'), '');
  return folder;
};

describe('a run that is not over', () => {
  it('of a simulation, by the name of its folder, by its final name and as the latest', async () => {
    const folder = await begin('one.partial');
    for (const path of [folder, join(runs, 'one'), join(runs, 'latest')])
      await expect(openRun(path), path).rejects.toMatchObject({
        code: 'run_unfinished',
        message: expect.stringMatching(/one\.partial .*(?:has begun|still runs|not finished)/u),
      });
  });

  it('of a coordinator', async () => {
    const folder = await begin('state');
    await expect(openRun(folder)).rejects.toMatchObject({
      code: 'run_unfinished',
      message: expect.stringMatching(/state of a coordinator whose run is not over/u),
      remedy: expect.stringMatching(/address in place of its folder/u),
    });
  });

  it('is not what a wrong path names', async () => {
    for (const name of ['none', 'latest'])
      await expect(openRun(join(runs, name))).rejects.toMatchObject({ code: 'file_not_found' });
  });
});
