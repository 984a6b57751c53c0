/**
 * A devnet that is kept beside its configuration file: started again it has the same state and
 * answers at the same ports, `--fresh` begins another one, and taken ports are named.
 */
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runDevnet, withDevnetOptions } from '../../devnet/command.ts';
import type { DevnetConfig } from '../../devnet/index.ts';
import { allowlist } from './support.ts';

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-kept-'));
  file = join(folder, 'net.json');
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const SMALL = ['--nodes', '4', '--shards-per-node', '1', '--key-servers', '1', '--threshold', '1'];
const ADDRESS = `0x${'7'.repeat(64)}`;

/** Runs a devnet for as long as `use` takes; gives what it said. */
const during = async (
  flags: readonly string[],
  use: (config: DevnetConfig) => Promise<void> = async () => undefined,
): Promise<readonly string[]> => {
  const command = withDevnetOptions(new Command('devnet')).exitOverride();
  command.parse([...flags, '--config-out', file], { from: 'user' });
  const abort = new AbortController();
  const said: string[] = [];
  let used: Promise<void> | undefined;
  await runDevnet(command, {
    signal: abort.signal,
    say: (text) => said.push(text),
    document: (config) => {
      used = use(config as DevnetConfig).finally(() => abort.abort());
    },
    packages: { list: allowlist },
  });
  await used;
  return said;
};

/** SUI that the faucet's address has, by the RPC that Sui's SDK uses. */
const coins = async ({ faucetUrl }: DevnetConfig): Promise<number> => {
  const reply = await fetch(`${faucetUrl}/v2/gas`, {
    method: 'POST',
    body: JSON.stringify({ FixedAmountRequest: { recipient: ADDRESS } }),
  });
  return reply.status;
};

test('it is found again with its state, at its ports, by the same file', async () => {
  const said = await during(SMALL, async (config) => {
    expect(await coins(config)).toBe(201);
  });
  expect(said.at(-1)).toBe(`state      ${join(folder, 'net.devnet')}; --fresh begins anew`);
  const before = await readFile(file, 'utf8');
  const transactions = async (): Promise<number> => {
    const text = await readFile(join(folder, 'net.devnet/manifest.json'), 'utf8');
    return (JSON.parse(text) as { transactions: { count: number } }).transactions.count;
  };
  const count = await transactions();
  // The sizes are those of the state.
  const again = await during([]);
  expect(again.at(-1)).toMatch(/net\.devnet, continued; --fresh begins anew$/u);
  expect(await readFile(file, 'utf8')).toBe(before);
  expect(await transactions()).toBe(count);

  // Other sizes are another network.
  await expect(during(['--nodes', '5'])).rejects.toMatchObject({
    code: 'option_invalid',
    message: expect.stringMatching(
      /expected 4, got 5; begin another network with --fresh/u,
    ) as unknown,
  });
  // While one is running, its ports are taken.
  await during([], async () => {
    await expect(during([])).rejects.toMatchObject({
      code: 'port_taken',
      message: expect.stringMatching(/^port \d+ is taken$/u) as unknown,
    });
  });
  await during(['--fresh', ...SMALL]);
  expect(await transactions()).toBeLessThan(count);
});

test('a folder with other files is not removed, and damaged ports are refused', async () => {
  const kept = join(folder, 'net.devnet');
  await writeFile(join(kept, 'ports.json'), '{"rpc":0}');
  await expect(during([])).rejects.toMatchObject({ code: 'snapshot_invalid' });
  await writeFile(join(kept, 'thesis.tex'), '');
  await expect(during(['--fresh'])).rejects.toMatchObject({
    code: 'snapshot_invalid',
    message: expect.stringMatching(/thesis\.tex/u) as unknown,
  });
  await access(join(kept, 'manifest.json'));
});
