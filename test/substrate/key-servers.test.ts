/**
 * @module What was sealed under other key servers, or another threshold, than the network file
 * names today: it opens where the file lists the old ones, and is refused by name where it does
 * not.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { keepPlace, placeOfRun } from '../../coordinator/state-folder.ts';
import { readNetworkFile } from '../../protocol/net/network-file.ts';
import type { AccessGate, KeyPurpose } from '../../protocol/ports/access-gate.ts';
import { parseNetworkConfig, type NetworkConfig } from '../../protocol/net/config.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import type { Devnet } from 'floe-devnet';
import { connect, fund, keyOf, networkOf, publicKeyOf, specFor, startNetwork } from './support.ts';

const owner = keyOf(1);
const member = keyOf(2);
const spec = specFor(owner);
const key = new Uint8Array(32).fill(8);
const purpose: KeyPurpose = { run: hashRunSpec(spec), attempt: 1, role: 'model' };

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, shardsPerNode: 3, sealServers: 4, sealThreshold: 2 });
  await fund(devnet, owner);
  const { ledger } = await connect(devnet, owner, spec);
  await ledger.freezeCohort({
    run: purpose.run,
    attempt: 1,
    root: new Uint8Array(32).fill(1),
    members: [publicKeyOf(member)],
    entropy: new Uint8Array(32),
  });
});
afterEach(() => devnet.faults.clear());
afterAll(async () => {
  await devnet.stop();
});

interface Servers {
  readonly servers: readonly number[];
  readonly threshold: number;
  readonly decryptOnly?: readonly number[];
}

const idOf = (server: number): string => devnet.config.seal.servers[server]?.objectId ?? '';

const fileOf = ({ servers, threshold, decryptOnly }: Servers): NetworkConfig =>
  parseNetworkConfig({
    ...networkOf(devnet),
    seal: {
      threshold,
      servers: servers.map((server) => ({ objectId: idOf(server) })),
      ...(decryptOnly === undefined
        ? {}
        : { decryptOnly: decryptOnly.map((server) => ({ objectId: idOf(server) })) }),
    },
  });

const gateOf = async (servers: Servers, who = member): Promise<AccessGate> =>
  (await connect(devnet, who, spec, { network: fileOf(servers), gate: { denialRetries: 0 } })).gate;

const sealed = async (servers: Servers): Promise<Uint8Array> =>
  (await gateOf(servers, owner)).wrap(key, purpose, [publicKeyOf(member)]);

const OLD: Servers = { servers: [0, 1, 2], threshold: 2 };

it('another threshold in the file: what was sealed before opens with its own', async () => {
  const envelope = await sealed(OLD);
  for (const threshold of [1, 3]) {
    const gate = await gateOf({ ...OLD, threshold });
    expect(await gate.unwrap(envelope, purpose)).toEqual(key);
  }
});

it('another server in the file: what was sealed before opens with those listed as decrypt-only', async () => {
  const envelope = await sealed(OLD);
  const gate = await gateOf({ servers: [1, 2, 3], threshold: 2, decryptOnly: [0] });
  expect(await gate.unwrap(envelope, purpose)).toEqual(key);
  const others = await gateOf({ servers: [3], threshold: 1, decryptOnly: [0, 1, 2] });
  expect(await others.unwrap(envelope, purpose)).toEqual(key);
});

it('what is sealed after the change is sealed under the new servers alone', async () => {
  const now: Servers = { servers: [2, 3], threshold: 2, decryptOnly: [0, 1] };
  const envelope = await sealed(now);
  const gate = await gateOf({ servers: [2, 3], threshold: 2 });
  expect(await gate.unwrap(envelope, purpose)).toEqual(key);
});

it('a removed server is gone: the others open what was sealed under all', async () => {
  const envelope = await sealed(OLD);
  devnet.faults.keyServerDown(0);
  const gate = await gateOf({ servers: [1, 2], threshold: 2, decryptOnly: [0] });
  expect(await gate.unwrap(envelope, purpose)).toEqual(key);
});

it('a server that the file does not list is not asked; the refusal says which it is and what to add', async () => {
  const envelope = await sealed(OLD);
  const gate = await gateOf({ servers: [1, 2], threshold: 2 });
  const refused = await gate.unwrap(envelope, purpose).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(refused).toMatchObject({ code: 'key_server_not_listed' });
  const { message } = refused as Error;
  expect(message).toContain('devnet-0');
  expect(message).toContain(idOf(0));
  expect(message).toContain('seal.decryptOnly');
});

it('a server is listed once, as one that seals or as one that only opens', () => {
  for (const wrong of [
    { servers: [0, 1], threshold: 2, decryptOnly: [1] },
    { servers: [0], threshold: 1, decryptOnly: [1, 1] },
    { servers: [0, 0], threshold: 1 },
  ])
    expect(() => fileOf(wrong)).toThrow(expect.objectContaining({ code: 'spec_invalid' }));
});

it('a coordinator that starts again with another file keeps the servers of before, to open with', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-key-servers-'));
  const placeWith = async (servers: Servers, begun: boolean) => {
    const file = join(folder, 'net.json');
    await writeFile(file, JSON.stringify(fileOf(servers)));
    if (begun) await writeFile(join(folder, 'spec.cbor'), 'a run');
    const place = await placeOfRun(folder, { network: await readNetworkFile(file) });
    await keepPlace(folder, place);
    return place?.network.seal;
  };
  try {
    await placeWith(OLD, false);
    const envelope = await sealed(OLD);
    const seal = await placeWith({ servers: [2, 3], threshold: 1 }, true);
    expect(seal).toMatchObject({
      threshold: 1,
      servers: [{ objectId: idOf(2) }, { objectId: idOf(3) }],
      decryptOnly: [{ objectId: idOf(0) }, { objectId: idOf(1) }],
    });
    // And again: what the folder has noted is not lost.
    const again = await placeWith({ servers: [3], threshold: 1 }, true);
    expect(again?.decryptOnly?.map(({ objectId }) => objectId)).toEqual([0, 1, 2].map(idOf));
    const network = { ...networkOf(devnet), seal: again as NetworkConfig['seal'] };
    const { gate } = await connect(devnet, member, spec, { network });
    expect(await gate.unwrap(envelope, purpose)).toEqual(key);
  } finally {
    await rm(folder, { recursive: true });
  }
});
