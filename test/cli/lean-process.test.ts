/**
 * @module `floe sim` under settings of memory that a process has from its start.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { beginLean, type Launch } from '../../cli/lean-process.ts';

const run = promisify(execFile);
const START = join(import.meta.dirname, '../../cli/start.ts');

/** The call that replaces a process started as `node FLAGS start.ts ARGUMENTS`. */
const launched = (argv: readonly string[], other: Partial<Launch> = {}): unknown => {
  let call: unknown;
  beginLean({
    execPath: '/bin/node',
    execArgv: [],
    argv: ['/bin/node', '/a/start.ts', ...argv],
    env: { A: '1' },
    execve: ((...given: unknown[]) => void (call = given)) as unknown as typeof process.execve,
    ...other,
  });
  return call;
};

test('a simulation is started again once, with its arguments, flags and variables', () => {
  const flag = '--max-semi-space-size=8';
  expect(launched(['sim', '--rounds', '3'], { execArgv: ['--inspect'] })).toEqual([
    '/bin/node',
    ['/bin/node', flag, '--inspect', '/a/start.ts', 'sim', '--rounds', '3'],
    expect.objectContaining({ A: '1', MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '262144' }),
  ]);
  expect(launched(['sim'], { execArgv: [flag] })).toBeUndefined();
});

test("the user's own settings stay, and other commands and systems do without", () => {
  expect(launched(['sim'], { env: { NODE_OPTIONS: '--max_semi_space_size=32' } })).toBeUndefined();
  expect(launched(['sim'], { env: { MALLOC_ARENA_MAX: '9' } })).toMatchObject([
    '/bin/node',
    {},
    { MALLOC_ARENA_MAX: '9' },
  ]);
  expect(launched(['join'])).toBeUndefined();
  expect(launched([])).toBeUndefined();
  expect(launched(['sim'], { execve: undefined })).toBeUndefined();
});

test.skipIf(process.execve === undefined)(
  'output and exit code are those of the command',
  async () => {
    const help = await run('node', [START, 'sim', '--help']);
    expect(help.stdout).toContain('--participants');
    expect(help.stderr).toBe('');
    await expect(run('node', [START, 'sim', '--rounds', 'many'])).rejects.toMatchObject({
      code: 2,
    });
  },
);
