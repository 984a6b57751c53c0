/**
 * A coordinator's process on a network, participants through the library: found, refused, taken
 * part in, pulled, forked. What is said is compared with the chain.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as pathOf } from 'node:path';
import * as v from 'valibot';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { join, type JoinOptions } from '../../client/index.ts';
import { loadDataset } from '../../client/data/load-node.ts';
import type { Dataset } from '../../client/data/dataset.ts';
import { toHex } from '../../protocol/bytes.ts';
import { describeModels } from '../../protocol/net/sui/lineage.ts';
import { suiClientOf } from '../../protocol/net/walrus/client.ts';
import type { NetworkConfig } from '../../protocol/net/config.ts';
import { parseNetworkConfig } from '../../protocol/net/config.ts';
import { decodeRunSpec } from '../../protocol/spec/run-spec.ts';
import { decodeSafetensors, hashModel } from '../../protocol/model/index.ts';
import type { Devnet } from 'floe-devnet';
import { keyOf, networkOf, packageOf, startNetwork } from '../substrate/support.ts';
import { floeIn } from '../support/floe.ts';
import { writeTable } from '../support/table.ts';
import { FloeProcess, freePort, killAll, PASSPHRASE } from './processes.ts';
import { resultOf } from '../support/json-lines.ts';

/** Who was refused is not waited for. */
const SETTINGS = '--rounds 1 --cohort 3 --minimum 3 --grace 0';
const MODEL = '--model linear --inputs 4 --classes 2';

let folder: string;
let devnet: Devnet;
let network: NetworkConfig;
let data: Dataset;
/** Of the first run. */
let version: string;

const at = (name: string): string => pathOf(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(pathOf(tmpdir(), 'floe-network-'));
  devnet = await startNetwork({ nodes: 4, shardsPerNode: 3, sealServers: 2, sealThreshold: 1 });
  network = networkOf(devnet);
  await writeFile(at('net.json'), JSON.stringify(network));
  await writeFile(at('other.json'), JSON.stringify({ ...network, floe: other }));
  const table = await writeTable(at('table.csv'), { rows: 30, features: 4, classes: 2 });
  data = await loadDataset(table);
});
afterEach(async ({ task }) => {
  const printed = await killAll();
  if (task.result?.state === 'fail') console.log(printed);
});
afterAll(async () => {
  await devnet.stop();
  await rm(folder, { recursive: true });
});

const call = floeIn(() => folder);
const floe = (command: string, env: Record<string, string> = {}) =>
  call(command.split(' '), { FLOE_PASSPHRASE: PASSPHRASE, ...env });
const refusal = v.object({ error: v.object({ code: v.string(), message: v.string() }) });

const other: NetworkConfig['floe'] = { packageId: `0x${'1'.repeat(64)}` };
/** Cohorts of three, of a run that anybody may join. */
const LOWERED: JoinOptions['require'] = { minimum: 3, known: 0 };
const take = async (port: number, options: Pick<JoinOptions, 'network' | 'require'>) =>
  join(`ws://127.0.0.1:${port}`, {
    data,
    backend: 'cpu',
    log: () => undefined,
    require: LOWERED,
    ...options,
  });

const finishedSchema = v.object({
  runObject: v.string(),
  address: v.string(),
  modelHash: v.string(),
  store: v.literal('walrus'),
  gate: v.literal('seal'),
  ledger: v.literal('sui'),
  versions: v.array(v.object({ object: v.string(), attempt: v.number(), blob: v.string() })),
});

const listening = async (port: number): Promise<void> => {
  for (;;) {
    const up = await fetch(`http://127.0.0.1:${port}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (up) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

/** Plays a run with three participants of the library. */
const play = async (command: string, port: number, networks: readonly JoinOptions['network'][]) => {
  const server = new FloeProcess(`${command} ${SETTINGS} --json --port ${port} --network`, [
    at('net.json'),
  ]);
  await Promise.race([listening(port), server.exited]);
  const refused = await Promise.all(
    [undefined, { ...network, floe: other }].map(async (own) => {
      const attempt = await take(port, own === undefined ? {} : { network: own });
      return attempt.finished.then(
        () => 'taken part',
        ({ code }) => code,
      );
    }),
  );
  // A reader may name the network by the environment, as for every other command.
  const source = `verify http://127.0.0.1:${port} --json`;
  const [read, misread] = [
    await floe(source, { FLOE_NETWORK: at('net.json') }),
    await floe(source, { FLOE_NETWORK: at('other.json') }),
  ];
  expect(resultOf(read.stdout)).toMatchObject({ ok: true, ledger: 'sui' });
  expect(v.parse(refusal, resultOf(misread.stdout)).error.code).toBe('network_mismatch');
  const announced: unknown = await (await fetch(`http://127.0.0.1:${port}/run`)).json();
  const { spec: told } = v.parse(v.object({ spec: v.string() }), announced);
  const { parent } = decodeRunSpec(new Uint8Array(Buffer.from(told, 'base64url')));
  // Each participant says itself that it takes this model to begin with.
  const require = { ...LOWERED, parents: parent === undefined ? [] : [parent.modelHash] };
  const runs = await Promise.all(
    networks.map((own) => take(port, { require, ...(own ? { network: own } : {}) })),
  );
  await Promise.all(runs.map(({ finished }) => finished));
  const models = await Promise.all(runs.map((run) => run.model()));
  expect(await server.exited, server.stdout + server.stderr).toBe(0);
  const document = v.parse(finishedSchema, resultOf(server.stdout));
  return { refused, announced, models, document };
};

it('a run is announced, taken part in, and its models are on chain; who comes unprepared is refused', async () => {
  const port = await freePort();
  const state = at('first');
  const played = await play(`coordinator ${MODEL} --storage-epochs 5 --state ${state}`, port, [
    network,
    network,
    'announced',
  ]);
  expect(played.refused).toEqual(['network_mismatch', 'network_mismatch']);
  const { rpcUrl, faucetUrl: _faucet, seal } = network;
  const { network: told } = v.parse(v.object({ network: v.unknown() }), played.announced);
  expect(told).toMatchObject({ rpcUrl, seal });
  expect(told).not.toHaveProperty('faucetUrl');
  expect(told).not.toHaveProperty('walrus.relayUrl');
  expect(parseNetworkConfig(told).floe?.packageId).toBe(packageOf(devnet));

  const { document, models } = played;
  expect(document.versions.map(({ attempt }) => attempt)).toEqual([0, 1]);
  const spec = decodeRunSpec(await readFile(pathOf(state, 'spec.cbor')));
  for (const model of models)
    expect(toHex(hashModel(spec.model, model as Float32Array))).toBe(document.modelHash);
  const registry = { client: suiClientOf(network), packageId: packageOf(devnet) };
  const found = await describeModels(registry, document.runObject);
  expect(found).toMatchObject({ type: 'run', name: spec.name });
  version = document.versions[1]?.object as string;
});

it('a version is forked: same weights, other settings, one lineage', async () => {
  const port = await freePort();
  const keys = pathOf(at('first'), 'keystore');
  const state = at('second');
  const { document } = await play(
    `fork ${version} --keystore ${keys} --learning-rate 0.01 --state ${state}`,
    port,
    [network, network, network],
  );
  const first = decodeRunSpec(await readFile(pathOf(at('first'), 'spec.cbor')));
  const spec = decodeRunSpec(await readFile(pathOf(state, 'spec.cbor')));
  const { seed: _, ...architecture } = first.model;
  expect(spec.model).toEqual(architecture);
  expect(spec.training.learningRate).toBe(0.01);
  expect(`0x${toHex(spec.parent?.object as Uint8Array)}`).toBe(version);

  const registry = { client: suiClientOf(network), packageId: packageOf(devnet) };
  const newest = document.versions.at(-1)?.object ?? '';
  const found = await describeModels(registry, newest);
  expect(found.type === 'version' && found.lineage.map(({ id }) => id)).toEqual([
    ...document.versions.map(({ object }) => object).toReversed(),
    version,
    expect.stringMatching(/^0x/u),
  ]);
  // Pulled from chain, Walrus and Seal alone: the initial model is the version's, as its
  // specification says.
  const initial = document.versions[0]?.object as string;
  const pull = await floe(
    `pull ${initial} --keystore second/keystore --network net.json --out pulled`,
  );
  expect(pull.code, pull.stderr).toBe(0);
  // Another key than the run's own: signatures, freezes and blobs, but no sums.
  const verify = await floe('verify second --keystore first/keystore');
  expect(verify.code, verify.stdout).toBe(0);
  const pulled = decodeSafetensors(await readFile(pathOf(at('pulled'), 'model.safetensors')));
  expect(hashModel(pulled.manifest, pulled.flat)).toEqual(spec.parent?.modelHash);
});

it('what cannot work is refused before anything is spent', async () => {
  const { faucetUrl: _, ...poor } = network;
  await writeFile(at('poor.json'), JSON.stringify(poor));
  const own = keyOf(9);
  const run = async (command: string, env: Record<string, string> = {}) => {
    const { code: exit, stdout } = await floe(`${command} --json --port 0`, env);
    return { exit, ...v.parse(refusal, resultOf(stdout)).error };
  };
  const poorly = `coordinator ${SETTINGS} ${MODEL} --network ${at('poor.json')} --state ${at('poor')}`;
  const [broke, moved, wrong] = await Promise.all([
    run(poorly, { FLOE_SUI_KEY: own.getSecretKey() }),
    run(`coordinator --network ${at('other.json')} --state ${at('first')}`),
    run(
      `coordinator ${SETTINGS} --local --from ${at('pulled')}/model.safetensors --state ${at('w')}`,
    ),
  ]);
  expect(broke).toMatchObject({ exit: 3, code: 'funds_missing' });
  // The Sui key became the coordinator's.
  expect(broke.message).toMatch(new RegExp(`^${own.toSuiAddress()} has 0 SUI and 0 WAL`, 'u'));
  expect(moved).toMatchObject({ exit: 2, code: 'network_mismatch' });
  expect(wrong).toMatchObject({ code: 'tensor_mismatch' });
  const begun = await run(
    `fork ${version} --keystore ${at('first')}/keystore --network ${at('net.json')} --state ${at('first')}`,
  );
  expect(begun).toMatchObject({ code: 'spec_mismatch' });
});
