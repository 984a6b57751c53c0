/**
 * @module "One update is spent once" where a public ledger shows every survivor set: real
 * participants, the freezes on a devnet's chain, and no policy named, which on a chain means
 * `ledger`. Source: specification of secure aggregation, section 2.0, rule c.
 */
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { equalBytes, toHex } from '../../protocol/bytes.ts';
import { suiSignerOf } from '../../protocol/net/sui/signer.ts';
import { connectNetwork } from '../../protocol/net/network-ports.ts';
import { addressOf } from '../../protocol/ports/identity.ts';
import { dataCommitment, eligibleRoot, survivorsHash } from '../../protocol/records/records.ts';
import { setName } from '../../protocol/rules/one-set.ts';
import { cohortRoot } from '../../protocol/secagg/index.ts';
import { hashModel } from '../../protocol/model/index.ts';
import type { Devnet } from 'floe-devnet';
import { startAll, stopAll, type Started } from '../support/participants.ts';
import { ScriptedCoordinator } from '../support/scripted-coordinator.ts';
import { networkOf, startNetwork } from './support.ts';

let devnet: Devnet;
let running: Started[] = [];
beforeAll(async () => {
  devnet = await startNetwork();
});
afterEach(async () => {
  await stopAll(running);
  running = [];
});
afterAll(async () => {
  await devnet.stop();
});

/** A coordinator that freezes on the chain, and five participants that read there. */
const stage = async (name: string) => {
  const coordinator = await ScriptedCoordinator.create({
    name,
    cohort: { size: 6, minimum: 3, overSelect: 1 },
  });
  const { identity, spec, run } = coordinator;
  const recipient = identity.address;
  await requestSuiFromFaucetV2({ host: devnet.config.faucetUrl, recipient });
  const { ledger } = await connectNetwork(networkOf(devnet), suiSignerOf(identity), { spec });
  await ledger.registerModel({
    run,
    attempt: 0,
    modelHash: hashModel(spec.model, coordinator.weights),
    blob: {
      id: Buffer.alloc(32, 9).toString('base64url'),
      sha256: new Uint8Array(32).fill(3),
      size: 7,
    },
    transcriptRoot: new Uint8Array(32),
  });
  running = await startAll(coordinator, 5, { ledger });
  return { coordinator, ledger, members: coordinator.keys };
};

/** An attempt up to the question for answers, each freeze on the chain before its record. */
const play = async (
  { coordinator, ledger }: Awaited<ReturnType<typeof stage>>,
  members: readonly Uint8Array[],
  survivors = members,
): Promise<void> => {
  const { run } = coordinator;
  const { attempt, body: opened } = await coordinator.open((body) => ({
    ...body,
    invited: [...members],
  }));
  await coordinator.collect(members, 'register');
  const cohort = { run, attempt, members, root: cohortRoot(members), entropy: opened.beacon };
  const { beacon, receipt } = await ledger.freezeCohort(cohort);
  await coordinator.cohort(members, (body) => ({ ...body, beacon, receipt }));
  await coordinator.sharers(members);
  const uploads = (await coordinator.collect(survivors, 'upload')).map(({ hash }) => hash);
  const context = coordinator.attempt?.context ?? new Uint8Array();
  const frozen = await ledger.freezeSurvivors({
    run,
    attempt,
    members: survivors,
    hash: survivorsHash({
      context,
      members: survivors,
      uploads,
      eligible: eligibleRoot(coordinator.keys),
    }),
    dataCommitment: dataCommitment(uploads),
  });
  await coordinator.survivors(survivors, (body) => ({ ...body, receipt: frozen.receipt }));
  await coordinator.consistency(survivors);
};

it('the very same set is answered again on the same model', async () => {
  const staged = await stage('the same set');
  const { coordinator, members } = staged;
  await play(staged, members);
  await coordinator.collect(members, 'unmask');
  coordinator.abort();
  await play(staged, members);
  const stated = coordinator.recordsOf(members[0]!, 'register')[0]?.body.answered ?? [];
  expect(stated.map(toHex)).toEqual([setName(members.map(addressOf))]);
  await coordinator.collect(members, 'unmask');
});

it('a set that parts one update from the one before is refused, by what the chain shows', async () => {
  const staged = await stage('another set');
  const { coordinator, members } = staged;
  await play(staged, members);
  await coordinator.collect(members, 'unmask');
  coordinator.abort();
  const others = members.slice(1);
  await play(staged, others);
  const asked = running.filter(({ key }) => others.some((other) => equalBytes(other, key)));
  expect(asked).toHaveLength(4);
  for (const { key, event } of asked) {
    const { error } = await event('withdrawn');
    expect(error.code).toBe('update_already_spent');
    expect(error.message).toContain('the joint sum of 1 members would become known');
    expect(error.message).toContain(addressOf(members[0]!));
    expect(coordinator.recordsOf(key, 'unmask')).toEqual([]);
  }
});
