/**
 * @module The network misbehaves: what the protocol tolerates is tolerated, what it cannot tolerate
 * is named within its time and works again afterwards.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { KeyPurpose } from '../../protocol/ports/access-gate.ts';
import type { Connected } from '../../protocol/net/network-ports.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import { hashRunSpec, type RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Devnet } from 'floe-devnet';
import {
  bareNetworkOf,
  connect,
  fund,
  keyOf,
  publicKeyOf,
  quick,
  specFor,
  startNetwork,
} from './support.ts';

let devnet: Devnet;
const owner = keyOf(1);
const member = keyOf(2);
const outsider = keyOf(3);
const random = seededRandom(new Uint8Array(32).fill(6));
const key = new Uint8Array(32).fill(8);

beforeAll(async () => {
  devnet = await startNetwork();
  await fund(devnet, owner);
});
afterAll(async () => {
  await devnet.stop();
});
afterEach(() => devnet.faults.clear());

const helped = (): Promise<Connected> => connect(devnet, owner, specFor(owner));
const bare = (): Promise<Connected> =>
  connect(devnet, owner, specFor(owner), {
    network: bareNetworkOf(devnet),
    store: { ...quick, cacheBytes: 0 },
  });

/** What a reader sees that was not there when the blob was written. */
const readElsewhere = async (ref: Parameters<Connected['store']['get']>[0]): Promise<Uint8Array> =>
  (await bare()).store.get(ref);

const roundTrip = async (connected: Connected): Promise<void> => {
  const bytes = random(60_000);
  expect(await readElsewhere(await connected.store.put(bytes))).toEqual(bytes);
};

/** A run with a frozen cohort of one. */
const frozenRun = async (): Promise<{ spec: RunSpec; owned: Connected; purpose: KeyPurpose }> => {
  const spec = specFor(owner);
  const owned = await connect(devnet, owner, spec);
  const run = hashRunSpec(spec);
  await owned.ledger.freezeCohort({
    run,
    attempt: 1,
    root: new Uint8Array(32).fill(1),
    members: [publicKeyOf(member)],
    entropy: new Uint8Array(32),
  });
  return { spec, owned, purpose: { run, attempt: 1, role: 'model' } };
};

describe('tolerated', () => {
  const nodesDown = (count: number): void => {
    for (let node = 0; node < count; node += 1) devnet.faults.nodeDown(node);
  };

  it('4 of 13 storage nodes down', async () => {
    nodesDown(4);
    await roundTrip(await bare());
    await roundTrip(await helped());
  });

  it('no upload relay: the storage nodes are written to, and the relay again when it is back', async () => {
    devnet.faults.relayDown();
    const warnings: string[] = [];
    const connected = await connect(devnet, owner, specFor(owner), {
      warn: (message) => warnings.push(message),
    });
    await roundTrip(connected);
    expect(warnings.join('\n')).toContain('the upload relay failed, sending to the storage nodes');
    devnet.faults.clear();
    warnings.length = 0;
    await roundTrip(connected);
    expect(warnings).toEqual([]);
  });

  it('a node that does not answer in any useful time', async () => {
    devnet.faults.nodeDelay(3, 300_000);
    await roundTrip(await bare());
  });

  it('a node that hands out corrupt slivers', async () => {
    devnet.faults.corruptSlivers(5, 'all');
    const bytes = random(20_000);
    const { store } = await bare();
    const ref = await store.put(bytes);
    for (let i = 0; i < 6; i += 1) expect(await store.get(ref)).toEqual(bytes);
    const refs = await store.putTogether([random(500), random(600)]);
    await store.settle();
    expect((await readElsewhere(refs[1] as (typeof refs)[number])).length).toBe(600);
  });

  it('404 right after certification', async () => {
    devnet.faults.notFoundAfterCertify(700);
    await roundTrip(await bare());
    await roundTrip(await helped());
  });

  it('an RPC that lags three transactions behind the chain, on which others are active too', async () => {
    const { owned, purpose } = await frozenRun();
    devnet.faults.staleRpc(3);
    const quiet = new AbortController();
    const others = (async () => {
      while (!quiet.signal.aborted) {
        await fund(devnet, keyOf(50));
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    })();
    await roundTrip(owned);
    const { run } = purpose;
    const blob = await owned.store.put(random(100));
    const hash = new Uint8Array(32).fill(4);
    const members = [publicKeyOf(member)];
    const survivors = { run, attempt: 1, hash, members, dataCommitment: hash };
    await owned.ledger.freezeSurvivors(survivors);
    await owned.ledger.freezeSurvivors(survivors);
    const transcriptRoot = new Uint8Array(32).fill(5);
    await owned.ledger.registerModel({ run, attempt: 1, modelHash: hash, blob, transcriptRoot });
    await owned.ledger.registerModel({ run, attempt: 1, modelHash: hash, blob, transcriptRoot });
    quiet.abort();
    await others;
  });

  it('an epoch change between two uploads', async () => {
    const connected = await bare();
    await roundTrip(connected);
    devnet.faults.advanceEpoch();
    await roundTrip(connected);
  });

  it('one key server down, another slow', async () => {
    const { spec, owned, purpose } = await frozenRun();
    devnet.faults.keyServerDown(0);
    devnet.faults.keyServerDelay(1, 400);
    const envelope = await owned.gate.wrap(key, purpose, [publicKeyOf(member)]);
    const { gate } = await connect(devnet, member, spec);
    expect(await gate.unwrap(envelope, purpose)).toEqual(key);
  });
});

describe('named, and over when the cause is', () => {
  it('5 of 13 storage nodes down: nothing is lost, nothing paid twice', async () => {
    const { store } = await bare();
    const bytes = random(5_000);
    for (let node = 0; node < 5; node += 1) devnet.faults.nodeDown(node);
    await expect(store.put(bytes)).rejects.toMatchObject({
      code: 'store_unavailable',
      retryable: true,
    });
    const blobs = (): number =>
      devnet.chain.state
        .ownedBy({ type: 'address', address: owner.toSuiAddress() })
        .filter(({ objectType }) => objectType.endsWith('::blob::Blob')).length;
    const registered = blobs();
    devnet.faults.clear();
    expect(await store.get(await store.put(bytes))).toEqual(bytes);
    expect(blobs()).toBe(registered);
  });

  it('2 of 3 key servers down', async () => {
    const { spec, owned, purpose } = await frozenRun();
    const envelope = await owned.gate.wrap(key, purpose, [publicKeyOf(member)]);
    devnet.faults.keyServerDown(0);
    devnet.faults.keyServerDown(1);
    const { gate } = await connect(devnet, member, spec);
    await expect(gate.unwrap(envelope, purpose)).rejects.toMatchObject({
      code: 'gate_unavailable',
      retryable: true,
    });
    devnet.faults.clear();
    expect(await gate.unwrap(envelope, purpose)).toEqual(key);
  });

  it('no RPC', async () => {
    const { owned, purpose } = await frozenRun();
    const { run } = purpose;
    devnet.faults.rpcDown();
    await expect(owned.ledger.readCohort(run, 1)).rejects.toMatchObject({
      code: 'ledger_unavailable',
    });
    // The key servers answer: it is the chain that is away.
    await expect(owned.gate.wrap(key, purpose, [publicKeyOf(member)])).rejects.toMatchObject({
      code: 'ledger_unavailable',
    });
    devnet.faults.clear();
    expect(await owned.ledger.readCohort(run, 1)).toMatchObject({
      root: new Uint8Array(32).fill(1),
    });
  });
});

describe('denied by the policy on chain', () => {
  it("an outsider, with the SDK's NoAccess behind it; an auditor and the coordinator are admitted", async () => {
    const auditor = keyOf(4);
    const spec = specFor(owner, [publicKeyOf(auditor)]);
    const owned = await connect(devnet, owner, spec);
    const run = hashRunSpec(spec);
    const members = [publicKeyOf(member)];
    const root = new Uint8Array(32);
    await owned.ledger.freezeCohort({ run, attempt: 2, root, members, entropy: root });
    const purpose: KeyPurpose = { run, attempt: 1, role: 'model' };
    const readers = [publicKeyOf(owner), publicKeyOf(auditor), publicKeyOf(member)];
    const envelope = await owned.gate.wrap(key, purpose, readers, 2);
    for (const reader of [owner, auditor, member]) {
      const { gate } = await connect(devnet, reader, spec);
      expect(await gate.unwrap(envelope, purpose)).toEqual(key);
    }
    const { gate } = await connect(devnet, outsider, spec);
    const denied = await gate.unwrap(envelope, purpose).catch((thrown: unknown) => thrown);
    expect(denied).toMatchObject({ code: 'access_denied' });
    expect((denied as Error).cause?.constructor.name).toBe('NoAccessError');
  });

  it('a member before its first cohort is frozen, and of models before that one', async () => {
    const spec = specFor(owner);
    const owned = await connect(devnet, owner, spec);
    const run = hashRunSpec(spec);
    const purpose: KeyPurpose = { run, attempt: 1, role: 'model' };
    const readers = [publicKeyOf(member)];
    const earlier = await owned.gate.wrap(key, purpose, readers, 1);
    const later = await owned.gate.wrap(key, purpose, readers, 2);
    const { gate } = await connect(devnet, member, spec);
    const denied = { code: 'access_denied' };
    await expect(gate.unwrap(later, purpose)).rejects.toMatchObject(denied);
    const root = new Uint8Array(32);
    await owned.ledger.freezeCohort({ run, attempt: 2, root, members: readers, entropy: root });
    expect(await gate.unwrap(later, purpose)).toEqual(key);
    await expect(gate.unwrap(earlier, purpose)).rejects.toMatchObject(denied);
  });
});
