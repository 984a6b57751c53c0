/**
 * @module Attacks on a run whose rules are on chain: objects that look like the run's, and services
 * that lie. Each is played against the devnet by somebody who has what such an attacker has: coins,
 * an object, or the service.
 */
import { suiSignerOf } from '../../protocol/net/sui/signer.ts';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { buffer } from 'node:stream/consumers';
import { join } from 'node:path';
import { bcs } from '@mysten/sui/bcs';
import type { Signer } from '@mysten/sui/cryptography';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import type { Transaction } from '@mysten/sui/transactions';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { modelOfVersion, modelsOf } from '../../client/reader/signed-models.ts';
import { openRun } from '../../client/reader/index.ts';
import { openFolder } from '../../client/reader/from-folder.ts';
import { readNetworkFile } from '../../protocol/net/network-file.ts';
import { suiClientOf, walrusClientOf } from '../../protocol/net/walrus/client.ts';
import { directCodec } from '../../protocol/net/walrus/codec.ts';
import type { BlobRef } from '../../protocol/ports/blob-store.ts';
import { toHex } from '../../protocol/bytes.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { buyPass, createOffer, readOffer } from '../../protocol/net/sui/offers.ts';
import { describeModels, versionsOf } from '../../protocol/net/sui/lineage.ts';
import { capOf } from '../../protocol/net/sui/registry.ts';
import { suiPublications } from '../../protocol/net/sui/publication.ts';
import { publishRun } from '../../protocol/records/publication.ts';
import { parseNetworkConfig } from '../../protocol/net/config.ts';
import type { ModelRef } from '../../protocol/records/records.ts';
import {
  encodeRunSpec,
  hashRunSpec,
  makeRunSpec,
  type RunSpec,
} from '../../protocol/spec/run-spec.ts';
import { createSender, type Sender } from '../../protocol/net/sui/transactions.ts';
import type { Devnet } from 'floe-devnet';
import { writeRunNetwork } from '../../protocol/ports/run-folder.ts';
import { connect as joinRun, createStage, testIdentity, testSpec } from '../support/run.ts';
import {
  bareNetworkOf,
  connect,
  fund,
  keyOf,
  networkOf,
  packageOf,
  specFor,
  startNetwork,
} from './support.ts';

const owner = keyOf(81);
const mallory = keyOf(82);
const HASH = new Uint8Array(32).fill(1);

let folder: string;
let devnet: Devnet;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-attack-'));
  devnet = await startNetwork({ nodes: 4, shardsPerNode: 1, sealServers: 1, sealThreshold: 1 });
  for (const key of [owner, mallory]) await fund(devnet, key);
  await writeFile(join(folder, 'net.json'), JSON.stringify(devnet.config));
});
afterAll(async () => {
  await devnet.stop();
  await rm(folder, { recursive: true, force: true });
});

const registry = () => ({ client: suiClientOf(networkOf(devnet)), packageId: packageOf(devnet) });
const senderOf = (signer: Signer): Sender =>
  createSender({ client: suiClientOf(networkOf(devnet)), signer, retries: 0 });
const target = (name: string): string => `${packageOf(devnet)}::${name}`;

/** A run of this specification on chain, whoever pays for it. */
const register = async (
  sender: Sender,
  spec: RunSpec,
): Promise<{ readonly run: string; readonly cap: string }> => {
  const { created } = await sender.execute((transaction) => {
    const { pure } = transaction;
    transaction.moveCall({
      target: target('run::create_and_keep'),
      arguments: [
        pure.string(spec.name),
        pure.vector('u8', hashRunSpec(spec)),
        pure.address(addressOf(spec.coordinator)),
        pure.vector('address', [sender.address]),
      ],
    });
  });
  const [run = ''] = [...created].find(([, type]) => type.endsWith('::run::Run')) ?? [];
  return { run, cap: await capOf(registry(), sender.address, run) };
};

describe('a second run of a specification', () => {
  it('cannot be slipped to the coordinator by who has opened it to herself', async () => {
    const spec = specFor(owner);
    const sender = senderOf(mallory);
    const { run, cap } = await register(sender, spec);
    const give = sender.execute((transaction) => {
      transaction.transferObjects([transaction.object(cap)], owner.toSuiAddress());
    });
    await expect(give).rejects.toMatchObject({ message: expect.stringMatching(/transfer/iu) });
    const made = sender.execute((transaction) => {
      const { pure } = transaction;
      const right = transaction.moveCall({
        target: target('run::create'),
        arguments: [
          pure.string(spec.name),
          pure.vector('u8', hashRunSpec(spec)),
          pure.address(addressOf(spec.coordinator)),
          pure.vector('address', []),
        ],
      });
      transaction.transferObjects([right], owner.toSuiAddress());
    });
    await expect(made).rejects.toThrow();

    const { ledger, close } = await connect(devnet, owner, spec);
    expect(await ledger.runObject(hashRunSpec(spec))).not.toBe(run);
    await close();
  });

  it('by the coordinator itself is no way to take back what is frozen in the first', async () => {
    const spec = specFor(owner);
    const run = hashRunSpec(spec);
    const first = await connect(devnet, owner, spec);
    await first.ledger.runObject(run);
    const { cap } = await register(senderOf(owner), spec);
    const reader = await connect(devnet, keyOf(83), spec);
    const reading = reader.ledger.readCohort(run, 1);
    await expect(reading).rejects.toMatchObject({ code: 'verification_failed' });
    const away = senderOf(owner).execute((transaction) => {
      transaction.transferObjects([transaction.object(cap)], mallory.toSuiAddress());
    });
    await expect(away).rejects.toThrow();
    await Promise.all([first.close(), reader.close()]);
  });
});

describe("an object that publishes somebody else's run", () => {
  let spec: RunSpec;
  let transcript: Uint8Array;
  let blob: BlobRef;
  let genuine: { readonly run: string; readonly cap: string };

  /** Freezes, registers and publishes on one's own object what the blob says of another. */
  const publishOn = async (
    sender: Sender,
    { run, cap }: { readonly run: string; readonly cap: string },
  ): Promise<string> => {
    for (const attempt of [1, 2]) {
      const head = ({ object, pure }: Transaction) => [object(cap), object(run), pure.u64(attempt)];
      const hashes = ({ pure }: Transaction) => [pure.vector('u8', HASH), pure.vector('u8', HASH)];
      await sender.execute((transaction) => {
        const { object, pure } = transaction;
        const keys = pure(bcs.vector(bcs.byteVector()).serialize([HASH]));
        const chain = [object.random(), object.clock()];
        transaction.moveCall({
          target: target('run::freeze_cohort'),
          arguments: [...head(transaction), keys, ...hashes(transaction), ...chain],
        });
      });
      await sender.execute((transaction) => {
        const nobody = transaction.pure.vector('address', []);
        const clock = transaction.object.clock();
        transaction.moveCall({
          target: target('run::freeze_survivors'),
          arguments: [...head(transaction), nobody, ...hashes(transaction), clock],
        });
      });
    }
    await sender.execute((transaction) => {
      const { object, pure } = transaction;
      transaction.moveCall({
        target: target('model::publish_version'),
        arguments: [
          object(cap),
          object(run),
          pure.u64(2),
          pure.vector('u8', HASH),
          pure.vector('u8', HASH),
          pure.vector('u8', []),
          pure.u64(60_000),
          pure.vector('string', ['accuracy']),
          pure.vector('u64', [1_000_000]),
          pure.u8(0),
          pure.u64(0),
          pure.u64(0),
          pure.option('address', null),
          pure.vector('u8', HASH),
          pure.u256(7),
          pure.vector('u8', HASH),
          pure.u64(10),
        ],
      });
    });
    const ledger = suiPublications(registry(), sender, async () => run);
    await ledger.recordPublication({ attempt: 2, blob });
    const [version] = await versionsOf(registry(), run);
    return version?.id ?? '';
  };

  const open = async (id: string): Promise<void> => {
    await using run = await openRun(id, { network: parseNetworkConfig(devnet.config) });
    expect(run.network).toBeDefined();
  };

  beforeAll(async () => {
    spec = await testSpec({ rounds: 2 });
    const stage = await createStage(spec);
    const coordinator = stage.create();
    await coordinator.start();
    for (const name of ['anna', 'berta', 'caesar', 'dorothea'])
      joinRun(coordinator, await stage.participant(name));
    await coordinator.finished;
    const identity = await testIdentity('coordinator');
    const paying = await connect(devnet, owner, spec);
    transcript = await coordinator.transcript.whole();
    const published = await publishRun({
      spec,
      transcript,
      store: paying.store,
      settle: (options) => paying.store.settle(options),
      ledger: { readPublication: async () => undefined, recordPublication: async () => undefined },
    });
    blob = published?.blob as BlobRef;
    await coordinator.stop();
    await paying.close();
    const signer = suiSignerOf(identity);
    await fund(devnet, signer);
    genuine = await register(senderOf(signer), spec);
    await publishOn(senderOf(signer), genuine);
  });

  it('is told from the run of its coordinator', async () => {
    const sender = senderOf(mallory);
    const copy = await register(sender, spec);
    const version = await publishOn(sender, copy);
    await open(genuine.run);
    for (const id of [copy.run, version])
      await expect(open(id)).rejects.toMatchObject({ code: 'verification_failed' });
  });

  it('is no matter of what its folder says, where the reader names the network', async () => {
    const folders = join(folder, 'run');
    const wrong = { ...devnet.config, rpcUrl: 'http://127.0.0.1:9' };
    await mkdir(folders);
    await writeFile(join(folders, 'spec.cbor'), encodeRunSpec(spec));
    await writeFile(join(folders, 'transcript.bin'), transcript);
    await writeRunNetwork(folders, parseNetworkConfig(wrong));
    expect((await stat(join(folders, 'network.json'))).mode & 0o777).toBe(0o600);
    await using resources = new AsyncDisposableStack();
    const said: unknown[] = [];
    const onEvent = (event: unknown): void => void said.push(event);
    const options = { network: await readNetworkFile(join(folder, 'net.json')) };
    const { ledger } = await openFolder(folders, options, resources);
    expect(await ledger?.readCohort(hashRunSpec(spec), 1)).toMatchObject({ root: HASH });
    await openFolder(folders, { onEvent }, resources);
    expect(said).toEqual([
      { type: 'network', url: 'http://127.0.0.1:9', from: join(folders, 'network.json') },
    ]);
    const floe = { packageId: `0x${'7'.repeat(64)}` };
    await writeRunNetwork(folders, parseNetworkConfig({ ...wrong, floe }));
    const other = openFolder(folders, options, resources);
    await expect(other).rejects.toMatchObject({ code: 'network_mismatch' });
  });

  it('says nothing of a model that the coordinator has not signed', () => {
    const [, , last] = modelsOf({ spec, transcript });
    const { hash, blob: signed } = last as ModelRef;
    const version = {
      id: '0x7',
      attempt: 2,
      modelHash: toHex(hash),
      blob: { ...signed, sha256: toHex(signed.sha256) },
    };
    expect(modelOfVersion({ spec, transcript }, version)).toEqual(last);
    for (const wrong of [
      { modelHash: toHex(HASH) },
      { attempt: 1 },
      { blob: { ...version.blob, sha256: toHex(HASH) } },
    ])
      expect(() => modelOfVersion({ spec, transcript }, { ...version, ...wrong })).toThrow(
        /attempt [12]/u,
      );
  });
});

it('a version has no parent in another run whose model it does not begin with', async () => {
  const sender = senderOf(mallory);
  const versionOf = async (fill: number, parent: string | null): Promise<string> => {
    const { run, cap } = await register(sender, specFor(mallory));
    await sender.execute((transaction) => {
      const { object, pure } = transaction;
      const hash = pure.vector('u8', HASH);
      transaction.moveCall({
        target: target('model::publish_version'),
        arguments: [
          object(cap),
          object(run),
          pure.u64(0),
          hash,
          pure.vector('u8', new Uint8Array(32).fill(fill)),
          pure.vector('u8', []),
          pure.u64(0),
          pure.vector('string', []),
          pure.vector('u64', []),
          pure.u8(0),
          pure.u64(0),
          pure.u64(0),
          pure.option('address', parent),
          hash,
          pure.u256(7),
          hash,
          pure.u64(10),
        ],
      });
    });
    const [version] = await versionsOf(registry(), run);
    return version?.id ?? '';
  };
  const famous = await versionOf(1, null);
  expect(await describeModels(registry(), await versionOf(1, famous))).toMatchObject({
    lineage: [{}, { id: famous }],
  });
  const claimed = describeModels(registry(), await versionOf(2, famous));
  await expect(claimed).rejects.toMatchObject({ code: 'verification_failed' });
});

it("a pass that its owner would make everybody's opens nothing for others", async () => {
  const { version: _version, ...rest } = specFor(owner);
  const spec = makeRunSpec({ ...rest, access: { models: ['pass'] } });
  const run = hashRunSpec(spec);
  const purpose = { run, attempt: 1, role: 'model' } as const;
  const owned = await connect(devnet, owner, spec);
  const key = new Uint8Array(32).fill(9);
  const envelope = await owned.gate.wrap(key, purpose, [spec.coordinator]);
  const terms = { passPrice: 70n, periodPrice: 70n, periodMs: 1, first: 0, last: 9 };
  const { id } = await createOffer(registry(), senderOf(owner), {
    ...terms,
    run: await owned.ledger.runObject(run),
    beneficiary: owner.toSuiAddress(),
  });
  const buyer = senderOf(mallory);
  const { id: pass } = await buyPass(registry(), buyer, await readOffer(registry(), id));
  const freeze = buyer.execute((transaction) => {
    transaction.moveCall({
      target: '0x2::transfer::public_freeze_object',
      typeArguments: [target('access::Pass')],
      arguments: [transaction.object(pass)],
    });
  });
  const settled = await freeze.then(
    () => 'frozen',
    () => 'refused',
  );
  const reads = async (reader: Ed25519Keypair): Promise<Uint8Array> => {
    const gate = { holdings: { pass }, denialRetries: 0 };
    const connected = await connect(devnet, reader, spec, { gate });
    try {
      return await connected.gate.unwrap(envelope, purpose);
    } finally {
      await connected.close();
    }
  };
  await expect(reads(keyOf(85))).rejects.toThrow();
  expect(settled).toBe('refused');
  expect(await reads(mallory)).toEqual(key);
  await owned.close();
});

it('a blob larger than the record says is not fetched', async () => {
  const network = bareNetworkOf(devnet);
  const { store, close } = await connect(devnet, owner, specFor(owner), { network });
  const ref = await store.put(new Uint8Array(40_000).fill(3));
  const client = walrusClientOf(network, suiClientOf(network));
  const codec = directCodec(client);
  expect(await codec.read(ref.id, ref.size, 10_000)).toHaveLength(ref.size);
  const slivers = vi.spyOn(client, 'getSlivers');
  await expect(codec.read(ref.id, ref.size - 1, 10_000)).rejects.toThrow(/at most 39999 bytes/u);
  expect(slivers).not.toHaveBeenCalled();
  const reader = await connect(devnet, owner, specFor(owner), { network });
  const wrong = reader.store.get({ ...ref, size: 100 });
  await expect(wrong).rejects.toMatchObject({ code: 'blob_corrupt' });
  await Promise.all([close(), reader.close()]);
});

it('a relay that gives back the certificate of another blob does not keep this one from being stored', async () => {
  const { relayUrl = '' } = networkOf(devnet).walrus;
  let first: string | undefined;
  const liar = createServer((request, response) => {
    void (async () => {
      const body = await buffer(request);
      const { method = 'GET' } = request;
      const init = { method, ...(method === 'GET' ? {} : { body }) };
      const text = await (await fetch(new URL(request.url ?? '', relayUrl), init)).text();
      if (method === 'POST') first ??= text;
      response.end(method === 'POST' ? first : text);
    })();
  });
  await new Promise<void>((resolve) => {
    liar.listen(0, '127.0.0.1', resolve);
  });
  const { port } = liar.address() as AddressInfo;
  const network = networkOf(devnet);
  const walrus = { ...network.walrus, relayUrl: `http://127.0.0.1:${port}` };
  const lied = await connect(devnet, owner, specFor(owner), { network: { ...network, walrus } });
  await lied.store.put(new Uint8Array(100).fill(4));
  const ref = await lied.store.put(new Uint8Array(100).fill(5));
  await lied.close();
  liar.close();
  const reader = await connect(devnet, owner, specFor(owner));
  expect(await reader.store.get(ref)).toEqual(new Uint8Array(100).fill(5));
  await reader.close();
});
