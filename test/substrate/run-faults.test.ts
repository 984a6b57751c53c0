/**
 * @module Whole runs on a network that misbehaves. What Walrus, Seal and Sui tolerate by design
 * changes nothing: the same model, bit for bit. What they cannot tolerate is named within its time,
 * and the run continues when it is over.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { committedRounds, modelsOf } from '../../client/reader/signed-models.ts';
import { connectNetwork } from '../../protocol/net/network-ports.ts';
import { keyFromSeed } from '../../protocol/net/sui/keys.ts';
import { verifyRun, type Verification } from '../../protocol/verify/index.ts';
import type { Devnet } from 'floe-devnet';
import {
  makeScenario,
  readRun,
  runScenario,
  type RunOptions,
  type RunResult,
  type ScenarioEvent,
} from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';
import { bareNetworkOf, fund, keyOf, startNetwork } from './support.ts';

/** Seconds where operators have minutes, for what is not to be waited out. */
const limits = {
  store: { missingMs: 3_000, readTimeoutMs: 8_000, uploadTimeoutMs: 3_000, stragglerMs: 200 },
  gate: { timeoutMs: 6_000, serverTimeoutMs: 1_000 },
} satisfies RunOptions['limits'];

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-run-faults-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 120, features: 4, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

let devnet: Devnet | undefined;
const network = async (): Promise<Devnet> => (devnet = await startNetwork());
afterEach(async () => {
  devnet?.faults.clear();
  await devnet?.stop();
  devnet = undefined;
});

/** Without relay and aggregator, so that clients meet the nodes. */
const run = (on: Devnet | 'local', rounds: number, options: RunOptions = {}): Promise<RunResult> =>
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
      substrate: on === 'local' ? on : { type: 'network', network: bareNetworkOf(on) },
    }),
    { outDir: join(folder, 'runs'), ...options },
  );

/** By an auditor from outside, from the network alone. */
const verify = async (on: Devnet, { folder: own }: RunResult): Promise<Verification> => {
  const { spec, transcript, auditorSeed } = await readRun(own);
  const signer = keyFromSeed(auditorSeed as Uint8Array);
  const connected = await connectNetwork(bareNetworkOf(on), signer, { spec, store: limits.store });
  const { store, gate, ledger } = connected;
  const result = await verifyRun({ spec, transcript, store, gate, ledger });
  await connected.close();
  return result;
};

const versions = ({ summary }: RunResult): readonly string[] =>
  summary.history.map(({ modelHash }) => modelHash);

/** On local ports: faults or not, and a network or not, must make no difference to a model. */
const undisturbedRun = (rounds: number): Promise<RunResult> => run('local', rounds);

it('4 of 13 nodes and a key server down, a slow node, corrupt slivers, a lagging RPC, 404 after certification', async () => {
  const own = await network();
  const { faults } = own;
  for (let node = 0; node < 4; node += 1) faults.nodeDown(node);
  faults.nodeDelay(4, 300);
  faults.corruptSlivers(5, 'all');
  faults.notFoundAfterCertify(500);
  faults.keyServerDown(0);
  faults.staleRpc(3);
  // On a chain of many, whoever lags three transactions behind is not behind for long.
  const quiet = new AbortController();
  const others = (async () => {
    while (!quiet.signal.aborted) {
      await fund(own, keyOf(50));
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  })();
  try {
    const undisturbed = await undisturbedRun(1);
    // Nothing here is to be given up, on a slow machine neither: keys may take as long as for
    // operators.
    const patient = { store: limits.store, gate: { serverTimeoutMs: 1_000 } };
    const result = await run(own, 1, { limits: patient });
    expect(result.summary.attemptsAborted).toBe(0);
    expect(versions(result)).toEqual(versions(undisturbed));
    const { culprit, ...verified } = await verify(own, result);
    expect(culprit).toBeUndefined();
    const { modelHash } = undisturbed.summary;
    expect(verified).toMatchObject({ ok: true, level: 'L1', modelHash });
  } finally {
    quiet.abort();
    await others;
  }
});

it('5 of 13 nodes and 2 of 3 key servers down in mid-run: named, nothing lost, finished when they return', async () => {
  const own = await network();
  const { faults } = own;
  const isDown = (down: boolean): void => {
    for (let node = 0; node < 5; node += 1) faults.nodeDown(node, down);
    for (let server = 0; server < 2; server += 1) faults.keyServerDown(server, down);
  };
  const participants = new Set<string>();
  const work = new Set<string>();
  const given = new Set<string>();
  const warnings: string[] = [];
  let over = false;
  /** They return once each side has named its trouble. */
  const look = (): void => {
    if (over || !participants.has('gate_unavailable')) return;
    // Without keys nobody trains and nothing is to be stored: the keys return first.
    for (let server = 0; server < 2; server += 1) faults.keyServerDown(server, false);
    if (!work.has('store_unavailable')) return;
    over = true;
    isDown(false);
  };
  const onEvent = (event: ScenarioEvent): void => {
    if (event.type === 'round' && event.round.version === 1) isDown(true);
    if (event.type === 'participant') participants.add(event.event.code).add(event.event.type);
    if (event.type === 'aborted') given.add(event.code);
    if (event.type === 'warning') warnings.push(event.message);
    look();
  };
  const warn = (fields: Readonly<Record<string, unknown>>): void => {
    work.add(String(fields['code']));
    look();
  };
  const log = { debug: () => undefined, info: () => undefined, warn, error: warn };
  const undisturbed = await undisturbedRun(2);
  const result = await run(own, 2, { limits, onEvent, log });
  expect(over).toBe(true);
  // Participants wait within the attempt, which then gives the very model of an undisturbed run.
  // Where the coordinator gives one up, its number is used up, and the rotation of a round is drawn
  // for its number: another model, as good and as well proven.
  const { attemptsAborted } = result.summary;
  const same = attemptsAborted === 0 ? 2 : 1;
  expect(versions(result).slice(0, same)).toEqual(versions(undisturbed).slice(0, same));
  expect(result.summary).toMatchObject({ rounds: 2, status: 'complete' });
  expect([...participants]).not.toContain('violation');
  // Who pays for what is left must not count attempts.
  const kept = await readRun(result.folder);
  expect(modelsOf(kept).at(-1)?.version).toBe(2 + attemptsAborted);
  expect(committedRounds(kept)).toBe(2);
  expect([...given]).not.toContain('internal');
  // Whoever watches is told what the adapters met.
  expect(warnings.join('\n')).toMatch(/relay|aggregator|is not stored yet/);
  const { culprit, ...verified } = await verify(own, result);
  expect(culprit).toBeUndefined();
  expect(verified).toMatchObject({ ok: true, level: 'L1', modelHash: result.summary.modelHash });
});
