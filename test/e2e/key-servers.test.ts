/**
 * @module A coordinator is killed, and started again with a network file of other key servers and
 * another threshold: participants stay, nobody is accused, and the run ends with the model of an
 * undisturbed one. Real processes.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import type { Devnet } from 'floe-devnet';
import { networkOf, startNetwork } from '../substrate/support.ts';
import { writeTable } from '../support/table.ts';
import { FloeProcess, freePort, killAll, LOWERED } from './processes.ts';

const PARTICIPANTS = 3;
let folder: string;
let table: string;
let devnet: Devnet;

const fileOf = (name: string): string => join(folder, `${name}.json`);

/** A network file with these of the four key servers. */
const writeFileWith = async (
  name: string,
  sealing: readonly number[],
  threshold: number,
  opening: readonly number[] = [],
): Promise<void> => {
  const network = networkOf(devnet);
  const some = (indices: readonly number[]) => indices.map((i) => network.seal.servers[i]);
  const seal = { servers: some(sealing), threshold, decryptOnly: some(opening) };
  await writeFile(fileOf(name), JSON.stringify({ ...network, seal }));
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-key-servers-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 60, features: 4, classes: 2 });
  devnet = await startNetwork({ nodes: 4, shardsPerNode: 3, sealServers: 4, sealThreshold: 2 });
  await writeFileWith('participants', [0, 1, 2, 3], 1);
});
afterEach(async ({ task }) => {
  const printed = await killAll();
  if (task.result?.state === 'fail') console.log(printed);
});
afterAll(async () => {
  await devnet.stop();
  await rm(folder, { recursive: true });
});

const coordinator = (state: string, port: number): FloeProcess =>
  new FloeProcess(
    `coordinator --port ${port} --seed keys --rounds 2 --cohort 3 --minimum 3 --model linear --inputs 4 --classes 2 --network`,
    [fileOf('coordinator'), '--state', join(folder, state)],
  );

const participants = (port: number): FloeProcess[] =>
  Array.from(
    { length: PARTICIPANTS },
    (_, i) =>
      new FloeProcess(
        `join ws://127.0.0.1:${port} --shard ${i + 1}/${PARTICIPANTS} --seed p${i} --backend cpu`,
        [...LOWERED, '--network', fileOf('participants'), '--data', table],
      ),
  );

const play = async (
  state: string,
  restart: (server: FloeProcess, port: number) => Promise<FloeProcess>,
) => {
  await writeFileWith('coordinator', [0, 1, 2], 2);
  const port = await freePort();
  const first = coordinator(state, port);
  await first.line((line) => line.startsWith('listening'));
  const joined = participants(port);
  const server = await restart(first, port);
  const line = await server.line((text) => text.startsWith('finished after'));
  expect(await Promise.all(joined.map(({ exited }) => exited))).toEqual(joined.map(() => 0));
  const printed = joined.map(({ stdout, stderr }) => stdout + stderr).join('\n');
  return { line, stdout: server.stdout, printed };
};

it('other key servers after a restart: the run continues to the model of an undisturbed one', async () => {
  const undisturbed = await play('undisturbed', async (server) => server);
  const disturbed = await play('disturbed', async (server, port) => {
    await server.line((line) => line.startsWith('round 1/2 committed'));
    await server.kill();
    await writeFileWith('coordinator', [2, 3], 1);
    return coordinator('disturbed', port);
  });
  expect(disturbed.line).toBe(undisturbed.line);
  expect(disturbed.stdout).toContain(
    'sealed under 1 of 2 key servers; 2 earlier servers only decrypt',
  );
  expect(disturbed.printed).not.toMatch(/BROKE A RULE/u);
}, 400_000);
