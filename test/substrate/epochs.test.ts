/**
 * @module Whole runs during which every epoch that was paid for ends: between rounds, and in the
 * middle of each phase. The run ends with the model of an undisturbed one.
 */
import { NO_STATE } from '../../protocol/algorithm/state.ts';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createModelKeeper } from '../../coordinator/model-keeper.ts';
import { openNetworkPorts, type NetworkPorts } from '../../coordinator/network.ts';
import { walrusClientOf } from '../../protocol/net/walrus/client.ts';
import { readEpochs } from '../../protocol/net/walrus/epochs.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { DEFAULT_EPOCHS } from '../../protocol/net/config.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import type { PhaseType } from '../../coordinator/index.ts';
import type { Devnet } from 'floe-devnet';
import { makeScenario, runScenario, type RunOptions, type RunResult } from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';
import { connect, fund, keyOf, networkOf, quick, specFor, startNetwork } from './support.ts';

let folder: string;
let table: string;
let devnet: Devnet;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-epochs-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 120, features: 4, classes: 3 });
  devnet = await startNetwork();
});
const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});
afterAll(async () => {
  await devnet.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Whatever was paid for up to now is over. */
const allEpochsPass = (): void => {
  for (let i = 0; i <= DEFAULT_EPOCHS; i += 1) devnet.faults.advanceEpoch();
};

const run = (
  on: 'devnet' | 'local',
  rounds: number,
  options: RunOptions = {},
): Promise<RunResult> =>
  runScenario(
    makeScenario({
      participants: 3,
      cohort: 3,
      rounds,
      data: table,
      model: 'linear',
      backend: 'wasm',
      workers: 1,
      baseline: false,
      substrate: on === 'local' ? on : { type: 'network', network: networkOf(devnet) },
    }),
    {
      outDir: join(folder, 'runs'),
      limits: { store: { ...quick, missingMs: 300 } },
      ...options,
    },
  );

const nothing = (): void => undefined;
const silent = { debug: nothing, info: nothing, warn: nothing, error: nothing };

const versions = ({ summary }: RunResult): readonly string[] =>
  summary.history.map(({ modelHash }) => modelHash);

/** In each of these rounds the epochs pass as these phases begin. */
const PHASES: readonly (readonly PhaseType[])[] = [
  ['opening', 'freezing-survivors'],
  ['register', 'consistency'],
  ['freezing-cohort', 'unmask'],
  ['share', 'finishing'],
  ['upload', 'registering'],
];

it('all paid epochs end, in each phase and between rounds: the same models as undisturbed', async () => {
  const rounds = PHASES.length + 2;
  const undisturbed = await run('local', rounds);
  const met: string[] = [];
  let restored = 0;
  const disturbed = await run('devnet', rounds, {
    onEvent: (event) => {
      // The first round has nothing to lose but the initial model.
      if (event.type === 'phase' && PHASES[event.attempt - 2]?.includes(event.phase) === true) {
        met.push(event.phase);
        allEpochsPass();
      }
      if (event.type === 'round' && event.round.version > PHASES.length) allEpochsPass();
    },
    log: {
      ...silent,
      info: (fields, message) => {
        if (message === 'blobs kept') restored += Number(fields['restored']);
      },
    },
  });
  expect(met.toSorted()).toEqual(PHASES.flat().toSorted());
  expect(disturbed.summary.attemptsAborted).toBe(0);
  expect(versions(disturbed)).toEqual(versions(undisturbed));
  // Before the last round at the latest: the model, the one before it, and the quilt of bundle and
  // uploads.
  expect(restored).toBeGreaterThanOrEqual(3);
}, 400_000);

const portsOf = async (name: string, seed: number): Promise<NetworkPorts> => {
  const identity = await identityFromSeed(new Uint8Array(32).fill(seed));
  const own = join(folder, name);
  const ports = await openNetworkPorts({
    network: networkOf(devnet),
    spec,
    identity,
    blobs: join(own, 'blobs'),
    uploads: join(own, 'uploads'),
    limits: { store: { ...quick, missingMs: 300, cacheBytes: 0 } },
    warn: () => undefined,
  });
  opened.push(ports);
  return ports;
};
const OWNER = 61;
const spec = specFor(keyOf(OWNER));

it('a coordinator that comes back when all is over stores its model again, from its folder', async () => {
  await fund(devnet, keyOf(OWNER));
  const before = await portsOf('coordinator', OWNER);
  const keeper = createModelKeeper({
    spec,
    run: hashRunSpec(spec),
    store: before.store,
    gate: before.gate,
    sealingSecret: new Uint8Array(32).fill(3),
  });
  const readers = [spec.coordinator];
  const flat = Float32Array.of(1, 2, 3, 4);
  const model = await keeper.publish(
    keeper.prepare({ weights: flat, state: NO_STATE }, 0),
    readers,
    new AbortController().signal,
  );
  await before.close();
  allEpochsPass();
  const outside = async () => {
    const reader = await connect(devnet, keyOf(OWNER + 1), spec, {
      store: { ...quick, missingMs: 300, cacheBytes: 0 },
    });
    opened.push(reader);
    return reader.store.get(model.blob);
  };
  await expect(outside()).rejects.toMatchObject({ code: 'blob_not_found' });
  const after = await portsOf('coordinator', OWNER);
  const lease = await after.store.sustain([model.blob]);
  const { epoch } = await readEpochs(
    walrusClientOf(networkOf(devnet), (await connect(devnet, keyOf(1), spec)).client),
  );
  expect(lease).toMatchObject({ restored: 1, epoch, endEpoch: epoch + DEFAULT_EPOCHS });
  expect(await outside()).toHaveLength(model.blob.size);
});
