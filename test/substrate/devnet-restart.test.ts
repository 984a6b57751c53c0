/**
 * @module A devnet that is stopped and started again from its state, at the same ports, under a
 * running coordinator and its participants: the run ends with the model of an undisturbed one.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startFloeDevnet, type FloeDevnet } from '../../move/floe-devnet.ts';
import {
  makeScenario,
  runScenario,
  type RunOptions,
  type RunResult,
  type ScenarioEvent,
} from '../../sim/index.ts';
import { parseNetworkConfig } from '../../protocol/net/config.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-devnet-restart-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 60, features: 4, classes: 3 });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const run = (on: FloeDevnet | 'local', onEvent?: (event: ScenarioEvent) => void) =>
  runScenario(
    makeScenario({
      participants: 3,
      cohort: 3,
      rounds: 2,
      data: table,
      model: 'linear',
      backend: 'wasm',
      workers: 1,
      baseline: false,
      substrate: on === 'local' ? on : { type: 'network', network: parseNetworkConfig(on.config) },
    }),
    { outDir: join(folder, 'runs'), limits, ...(onEvent === undefined ? {} : { onEvent }) },
  );

const portOf = (url: string): number => Number(new URL(url).port);
const portsOf = (config: FloeDevnet['config'], nodeUrls: readonly string[]) => ({
  rpc: portOf(config.rpcUrl),
  faucet: portOf(config.faucetUrl),
  relay: portOf(config.walrus.relayUrl),
  publisher: portOf(config.walrus.publisherUrl),
  aggregator: portOf(config.walrus.aggregatorUrl),
  seal: config.seal.servers.map(({ url }) => portOf(url)),
  nodes: nodeUrls.map(portOf),
});

/** Seconds where operators have minutes. */
const limits = {
  store: { missingMs: 3_000, readTimeoutMs: 8_000, uploadTimeoutMs: 3_000, stragglerMs: 200 },
  gate: { timeoutMs: 6_000, serverTimeoutMs: 1_000 },
} satisfies RunOptions['limits'];

const versions = ({ summary }: RunResult): readonly string[] =>
  summary.history.map(({ modelHash }) => modelHash);

it('is survived', async () => {
  const snapshot = join(folder, 'net.devnet');
  const sizes = { nodes: 4, shardsPerNode: 1, sealServers: 1, sealThreshold: 1 };
  let devnet = await startFloeDevnet({ snapshot, ...sizes });
  let restarted: Promise<void> | undefined;
  const restart = async (): Promise<void> => {
    const { config: before, nodeUrls } = devnet;
    await devnet.stop();
    devnet = await startFloeDevnet({ snapshot, ports: portsOf(before, nodeUrls) });
    expect(devnet.config).toEqual(before);
  };
  try {
    const result = await run(devnet, (event) => {
      if (event.type === 'round' && event.round.version === 1) restarted ??= restart();
    });
    expect(restarted).toBeDefined();
    await restarted;
    expect(versions(result)).toEqual(versions(await run('local')));
  } finally {
    await restarted;
    await devnet.stop();
  }
}, 120_000);
