/**
 * @module Whole rounds of the production coordinator on Walrus, Seal and Sui: the same model as on
 * local ports, bit for bit; verified by an auditor who has the network, the transcript and a key,
 * and nothing of the coordinator's; one quilt a round; opened by a buyer who came after the run.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { memoryStore } from '../../protocol/ports/memory-store.ts';
import { roundStore } from '../../protocol/ports/staging-store.ts';
import { toHex } from '../../protocol/bytes.ts';
import { suiSignerOf } from '../../protocol/net/sui/signer.ts';
import { connectNetwork } from '../../protocol/net/network-ports.ts';
import { buyPass, createOffer, readOffer } from '../../protocol/net/sui/offers.ts';
import { publishRun } from '../../protocol/records/publication.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { hashModel } from '../../protocol/model/index.ts';
import { openModel, verifyRun } from '../../protocol/verify/index.ts';
import type { Devnet } from 'floe-devnet';
import { connect, createStage, testIdentity, testSpec } from '../support/run.ts';
import { bareNetworkOf, fund, keyOf, networkOf, startNetwork } from './support.ts';
import { resultOf } from '../support/json-lines.ts';

const NAMES = ['anna', 'berta', 'caesar', 'dorothea'];
const ROUNDS = 2;
const MAIN = new URL('../../cli/main.ts', import.meta.url).pathname;

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork();
});
afterAll(async () => {
  await devnet.stop();
});

it('is played, published and verified from the outside', async () => {
  const auditor = await testIdentity('auditor');
  const settings = { rounds: ROUNDS, auditors: [auditor.publicKey] };
  const spec = await testSpec({ ...settings, access: { models: ['pass'] } });
  const local = await createStage(await testSpec(settings));
  const localRun = local.create();
  await localRun.start();
  for (const name of NAMES) connect(localRun, await local.participant(name));
  const expected = await localRun.finished;
  await localRun.stop();

  const stage = await createStage(spec);
  const { coordinatorIdentity } = stage;
  const recipient = coordinatorIdentity.address;
  await requestSuiFromFaucetV2({ host: devnet.config.faucetUrl, recipient });
  const own = await connectNetwork(networkOf(devnet), suiSignerOf(coordinatorIdentity), {
    spec,
  });
  const waiting = memoryStore();
  const staged = roundStore({ waiting, lasting: own.store });
  const coordinator = stage.create({
    store: staged,
    staging: staged,
    removal: staged,
    gate: own.gate,
    ledger: own.ledger,
  });
  await coordinator.start();
  for (const name of NAMES) {
    const signer = suiSignerOf(await testIdentity(name));
    const reader = await connectNetwork(networkOf(devnet), signer, { spec });
    const store = { ...reader.store, put: waiting.put };
    connect(coordinator, await stage.participant(name, { store, gate: reader.gate }));
  }
  const outcome = await coordinator.finished;
  const transcript = await coordinator.transcript.whole();
  await coordinator.stop();
  expect(toHex(outcome.model.hash)).toBe(toHex(expected.model.hash));

  // The initial model; then a quilt, with the bundle in it, and a model each round.
  const blobs = devnet.chain.state
    .ownedBy({ type: 'address', address: recipient })
    .filter(({ objectType }) => objectType.endsWith('::blob::Blob'));
  expect(blobs).toHaveLength(1 + 2 * ROUNDS);

  const outside = await connectNetwork(bareNetworkOf(devnet), suiSignerOf(auditor), { spec });
  const { store, gate, ledger } = outside;
  const verification = await verifyRun({ spec, transcript, store, gate, ledger });
  expect(verification.culprit).toBeUndefined();
  expect(verification).toMatchObject({ ok: true, level: 'L1', beaconUnchecked: [] });
  expect(verification.modelHash).toBe(toHex(outcome.model.hash));

  // Without the ledger nobody can tell what it drew; that is said, and blames nobody.
  const blind = await verifyRun({ spec, transcript, store, gate });
  expect(blind).toMatchObject({ ok: true, level: 'L1', beaconUnchecked: [1, 2] });

  const stranger = keyOf(170);
  const denied = await connectNetwork(networkOf(devnet), stranger, { spec });
  const purpose = {
    run: hashRunSpec(spec),
    attempt: outcome.model.version,
    role: 'model',
  } as const;
  await expect(denied.gate.unwrap(outcome.model.envelope, purpose)).rejects.toMatchObject({
    code: 'access_denied',
  });
  expect(await outside.ledger.modelObject(purpose.run, purpose.attempt)).toMatch(
    /^0x[0-9a-f]{64}$/,
  );

  // An offer made after the run opens what was published before.
  const packageId = networkOf(devnet).floe?.packageId ?? '';
  const registry = { client: own.client, packageId };
  const runObject = await own.ledger.runObject(purpose.run);
  const offer = await createOffer(registry, own.sender, {
    run: runObject,
    beneficiary: recipient,
    passPrice: 5n,
    periodPrice: 1n,
    periodMs: 1_000,
    first: ROUNDS,
    last: ROUNDS,
  });
  await fund(devnet, stranger);
  await buyPass(registry, denied.sender, await readOffer(registry, offer.id));
  const cipher = await denied.store.get(outcome.model.blob);
  const { model } = outcome;
  const weights = await openModel({ run: purpose.run, model, cipher }, spec.model, denied.gate);
  expect(toHex(hashModel(spec.model, weights))).toBe(toHex(expected.model.hash));

  // The same from the command line, with an object id and a key.
  await publishRun({
    spec,
    transcript,
    store: own.store,
    settle: (options) => own.store.settle(options),
    ledger: own.publications,
  });
  const folder = await mkdtemp(join(tmpdir(), 'floe-round-'));
  try {
    await writeFile(join(folder, 'net.json'), JSON.stringify(devnet.config));
    const pull = async (attempt: number) => {
      const args = [
        'pull',
        runObject,
        '--network',
        'net.json',
        '--attempt',
        String(attempt),
        '--json',
      ];
      const env = { ...process.env, FLOE_SUI_KEY: stranger.getSecretKey() };
      return promisify(execFile)(process.execPath, [MAIN, ...args], { cwd: folder, env });
    };
    const { stdout } = await pull(ROUNDS);
    expect(resultOf(stdout)).toMatchObject({ modelHash: toHex(expected.model.hash) });
    // The offer covers the last round only.
    await expect(pull(ROUNDS - 1)).rejects.toMatchObject({ code: 4 });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
