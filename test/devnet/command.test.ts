/**
 * The command's body, in this process: flags become a devnet, its configuration is printed and
 * written, and wrong flags are refused by name before anything runs.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runDevnet, withDevnetOptions, type DevnetCommandInit } from '../../devnet/command.ts';
import type { DevnetConfig } from '../../devnet/index.ts';
import { allowlist } from './support.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-command-'));
  await writeFile(join(folder, 'list.json'), JSON.stringify(allowlist));
  await writeFile(join(folder, 'wrong.json'), '{"modules":["?"],"dependencies":[]}');
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const SMALL = ['--nodes', '4', '--shards-per-node', '1', '--key-servers', '1', '--threshold', '1'];

const run = (flags: readonly string[], init: Partial<DevnetCommandInit> = {}): Promise<void> => {
  const command = withDevnetOptions(new Command('devnet')).exitOverride();
  command.configureOutput({ writeErr: () => undefined });
  command.parse([...SMALL, ...flags], { from: 'user' });
  const { signal } = new AbortController();
  const nothing = (): void => undefined;
  return runDevnet(command, { signal, say: nothing, document: nothing, ...init });
};

test('flags become a devnet; its configuration is written in the form that the program describes', async () => {
  const abort = new AbortController();
  const file = join(folder, 'net.json');
  const said: string[] = [];
  let down: unknown;
  const flags = ['--config-out', file, '--package', `list=${join(folder, 'list.json')}`];
  await run([...flags, '--fault', '{"type":"rpcDown"}'], {
    signal: abort.signal,
    say: (text) => {
      said.push(text);
      // It runs now: the fault is on, and the file is there.
      const { rpcUrl } = (down as { readonly config: DevnetConfig }).config;
      void fetch(rpcUrl)
        .then(
          () => said.push('answered'),
          () => said.push('dropped'),
        )
        .finally(() => abort.abort());
    },
    document: (value) => {
      down = value;
    },
    describe: (config) => ({ config }),
    packages: { again: allowlist },
  });
  const written = JSON.parse(await readFile(file, 'utf8')) as { readonly config: DevnetConfig };
  expect(written).toEqual(down);
  expect(Object.keys(written.config.packages)).toEqual(['again', 'list']);
  expect(written.config.seal).toMatchObject({ threshold: 1 });
  expect(said[0]).toMatch(/^devnet ready: 4 storage nodes x 1 shards, 1 key servers/u);
  expect(said[1]).toMatch(/^state .*net\.devnet; --fresh begins anew$/u);
  expect(said[2]).toBe('dropped');
});

test('wrong flags are refused by name', async () => {
  const refused: readonly (readonly [readonly string[], string, RegExp])[] = [
    [['--fault', '{"type":"nothing"}'], 'fault_invalid', /type/u],
    [['--fault', '{'], 'fault_invalid', /JSON/u],
    [['--fault', '{"type":"nodeDown","node":9}'], 'fault_invalid', /a node below 4, got 9/u],
    [['--threshold', '2'], 'option_invalid', /threshold in 1\.\.1, got 2/u],
    [['--package', 'list'], 'option_invalid', /name=file, got list/u],
    [['--package', 'list=/nowhere/at.json'], 'package_missing', /nowhere/u],
    [['--package', `list=${join(folder, 'wrong.json')}`], 'module_malformed', /wrong\.json/u],
  ];
  for (const [flags, code, message] of refused)
    await expect(run(flags), flags.join(' ')).rejects.toMatchObject({
      name: 'DevnetError',
      code,
      message: expect.stringMatching(message) as unknown,
    });
  expect(() => run(['--nodes', '3'])).toThrow(/whole number from 4 to 1000, got 3/u);
});
