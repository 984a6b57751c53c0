/**
 * kill -9 of a coordinator on Walrus, Seal and Sui, at every call that costs something or says
 * something for ever: sent and not heard of, or not sent. Real processes against a devnet in this
 * one. The reference is an undisturbed run of the same seeds: the same model, as many blobs bought,
 * none left uncertified.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bcs } from '@mysten/sui/bcs';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { nodeDisk, openKeystore } from '../../client/keystore/index.ts';
import { suiSignerOf } from '../../protocol/net/sui/signer.ts';
import { connectNetwork } from '../../protocol/net/network-ports.ts';
import { systemRandom } from '../../protocol/ports/random.ts';
import { decodeRunSpec } from '../../protocol/spec/run-spec.ts';
import { verifyRun } from '../../protocol/verify/index.ts';
import type { Devnet } from 'floe-devnet';
import { bareNetworkOf, networkOf, startNetwork } from '../substrate/support.ts';
import { writeTable } from '../support/table.ts';
import { FloeProcess, freePort, killAll, PASSPHRASE, LOWERED } from './processes.ts';
import { TollGate, type KillPoint } from './toll-gate.ts';

/** While the run begins, before anyone takes part ... */
const BEGINNING: readonly KillPoint[] = [
  { call: 'create', when: 'after' },
  { call: 'register_blob', when: 'after' },
  { call: 'upload', when: 'before' },
  { call: 'certify_blob', when: 'before' },
  { call: 'certify_blob', when: 'after' },
];
/**
 * ... and once they do. A round's quilt may be on its way before or after its model is published.
 */
const IN_ROUNDS: readonly KillPoint[] = [
  { call: 'freeze_cohort', when: 'after' },
  { call: 'freeze_survivors', when: 'after' },
  { call: 'register_blob', when: 'before', quilt: false },
  { call: 'publish_version', when: 'before' },
  { call: 'register_blob', when: 'after', quilt: true },
  { call: 'publish_version', when: 'after' },
  { call: 'publication', when: 'after' },
];
const ROUNDS = 2;
const PARTICIPANTS = 3;
/** Two dozen processes, one after the other. */
const TIMEOUT = 400_000;

let folder: string;
let table: string;
let devnet: Devnet;
let gate: TollGate;
/** Network files. */
let direct: string;
let guarded: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-network-crash-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 60, features: 4, classes: 2 });
  devnet = await startNetwork({ nodes: 4, shardsPerNode: 3, sealServers: 2, sealThreshold: 1 });
  gate = new TollGate();
  direct = join(folder, 'net.json');
  guarded = join(folder, 'guarded.json');
  await writeFile(direct, JSON.stringify(networkOf(devnet)));
  await writeFile(guarded, JSON.stringify(await gate.guard(networkOf(devnet))));
});
afterEach(async ({ task }) => {
  const printed = await killAll();
  if (task.result?.state === 'fail') console.log(printed);
});
afterAll(async () => {
  gate.close();
  await devnet.stop();
  await rm(folder, { recursive: true });
});

const coordinator = (name: string, port: number, network: string): FloeProcess =>
  new FloeProcess(
    `coordinator --port ${port} --seed crash --rounds ${ROUNDS} --cohort ${PARTICIPANTS} --minimum 3` +
      ' --model linear --inputs 4 --classes 2 --network',
    [network, '--state', join(folder, name)],
  );

const participants = (port: number): FloeProcess[] =>
  Array.from(
    { length: PARTICIPANTS },
    (_, i) =>
      new FloeProcess(
        `join ws://127.0.0.1:${port} --shard ${i + 1}/${PARTICIPANTS} --seed p${i} --backend cpu`,
        [...LOWERED, '--network', direct, '--data', table],
      ),
  );

const Blob = bcs.struct('Blob', {
  id: bcs.Address,
  registeredEpoch: bcs.u32(),
  blobId: bcs.u256(),
  size: bcs.u64(),
  encodingType: bcs.u8(),
  certifiedEpoch: bcs.option(bcs.u32()),
});

/** What the coordinator of a run has bought and made on chain. */
const accountOf = (address: string) => {
  const owned = devnet.chain.state.ownedBy({ type: 'address', address });
  const blobs = owned
    .filter(({ objectType }) => objectType.endsWith('::blob::Blob'))
    .map(({ contents }) => Blob.parse(contents));
  return {
    runs: owned.filter(({ objectType }) => objectType.endsWith('::run::RunCap')).length,
    bought: blobs.length,
    distinct: new Set(blobs.map(({ blobId }) => blobId)).size,
    uncertified: blobs.filter(({ certifiedEpoch }) => certifiedEpoch === null).length,
  };
};

/** Recomputes the run from Walrus, Seal and Sui alone, with the coordinator's key. */
const expectVerified = async (state: string): Promise<void> => {
  const spec = decodeRunSpec(await readFile(join(state, 'spec.cbor')));
  const transcript = await readFile(join(state, 'transcript.bin'));
  const keystore = await openKeystore(join(state, 'keystore'), PASSPHRASE, {
    random: systemRandom,
    disk: await nodeDisk(),
  });
  const signer = suiSignerOf(keystore.identity);
  const outside = await connectNetwork(bareNetworkOf(devnet), signer, { spec });
  const { store, gate: seal, ledger } = outside;
  const verification = await verifyRun({ spec, transcript, store, gate: seal, ledger });
  expect(verification).toMatchObject({ ok: true, level: 'L1' });
  await outside.close();
  await keystore.close();
};

const finish = async (server: FloeProcess, joined: readonly FloeProcess[], name: string) => {
  const line = await server.line((text) => text.startsWith('finished after'));
  expect(await server.exited, server.stderr.slice(-2000)).toBe(0);
  expect(await Promise.all(joined.map(({ exited }) => exited))).toEqual(joined.map(() => 0));
  const address = /^pays +(0x[0-9a-f]{64})/mu.exec(server.stdout)?.[1] ?? 'nobody';
  await expectVerified(join(folder, name));
  return {
    model: /model ([0-9a-f]{64})/.exec(line)?.[1],
    attempts: /\((\d+) attempts\)/.exec(line)?.[1],
    ...accountOf(address),
  };
};

const undisturbed = async () => {
  const port = await freePort();
  const server = coordinator('undisturbed', port, direct);
  await server.line((line) => line.startsWith('listening'));
  return finish(server, participants(port), 'undisturbed');
};

/**
 * Starts it again after each kill point, in the order in which they are met. @returns the process
 * that is left
 */
const dieAt = async (points: readonly KillPoint[], first: FloeProcess, port: number) => {
  let server = first;
  for (let left = points; left.length > 0;) {
    const victim = server;
    const waiting = left;
    const died = async (): Promise<void> => {
      const code = await victim.exited;
      if (code !== null) throw new Error(`ended with ${code} before ${JSON.stringify(waiting)}`);
    };
    const [met] = await Promise.all([gate.arm(left, () => victim.kill()), died()]);
    left = left.filter((point) => point !== met);
    server = coordinator('crashed', port, guarded);
  }
  return server;
};

it(
  'a coordinator killed at every call ends with the same model, pays once, leaves nothing behind',
  async () => {
    const calm = undisturbed();
    const port = await freePort();
    const begun = await dieAt(BEGINNING, coordinator('crashed', port, guarded), port);
    const reference = await calm;
    await begun.line((line) => line.startsWith('listening'));
    const joined = participants(port);
    const server = await dieAt(IN_ROUNDS, begun, port);
    expect(await finish(server, joined, 'crashed')).toEqual(reference);
    // The initial model; a model and a quilt of everything else in each round; the transcript.
    const bought = 1 + 2 * ROUNDS + 1;
    expect(reference).toMatchObject({ bought, distinct: bought, uncertified: 0, runs: 1 });
  },
  TIMEOUT,
);
