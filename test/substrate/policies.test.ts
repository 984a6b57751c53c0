/**
 * @module The table of denials, twice: under Floe's Move package through the devnet's key servers and the stock Seal SDK, and as
 * unit tests in the Move VM of the compiler. Both play `policy-cases.ts`.
 */
import { stripVTControlCharacters } from 'node:util';
import { NoAccessError, SealClient, SessionKey } from '@mysten/seal';
import { Transaction } from '@mysten/sui/transactions';
import { fromHex, toHex } from '@mysten/sui/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { suiClientOf } from '../../protocol/blobs/walrus-client.ts';
import * as offers from '../../protocol/ledger/offers.ts';
import { changeAccess, type AccessChange } from '../../protocol/ledger/registry.ts';
import { createSender, type Sender } from '../../protocol/sui/transactions.ts';
import type { Devnet } from '../../sim/devnet/index.ts';
import { readPackage, testPackage } from '../../sim/devnet/move/compile.ts';
import {
  PASS_PRICE,
  PEOPLE,
  PERIOD_MS,
  PERIOD_PRICE,
  STORIES,
  type Attempt,
  type Policy,
  type Step,
  type Story,
  type Which,
  type Who,
} from './policy-cases.ts';
import { moveTests, testName } from './policy-move.ts';
import { fund, keyOf, networkOf, packageOf, startNetwork } from './support.ts';

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4 });
  for (const who of ['owner', 'bob'] as const) await fund(devnet, keyOfWho(who));
});
afterAll(async () => {
  await devnet.stop();
});

const keyOfWho = (who: Who) => keyOf(160 + PEOPLE.indexOf(who));
const addressOfWho = (who: Who): string => keyOfWho(who).toSuiAddress();
const bytes32 = new Uint8Array(32).fill(17);
const ROLES = { cohort: 0, auditor: 1, pass: 2, subscription: 3, time: 4, compute: 5, unmask: 6 };

/** [object 32][round u64 LE][role 1][nonce 16], written here once more so that the product's own code is not its own witness. */
const nameOf = (object: string, round: number, role: number): Uint8Array => {
  const name = new Uint8Array(57);
  name.set(fromHex(object));
  new DataView(name.buffer).setBigUint64(32, BigInt(round), true);
  name[40] = role;
  name.set(new Uint8Array(16).fill(9), 41);
  return name;
};

/** What a story has made so far, and where it plays. */
interface World {
  readonly run: Readonly<Record<Which, string>>;
  readonly cap: Readonly<Record<Which, string>>;
  readonly began: number;
  readonly offer: Partial<Record<Which, string>>;
  readonly pass: Partial<Record<Which, string>>;
  readonly subscription: Partial<Record<Which, string>>;
  lock?: string;
}

const must = (id: string | undefined): string => {
  if (id === undefined) throw new Error('the story uses what it has not made');
  return id;
};

const senders = new Map<Who, Sender>();
const senderOf = (who: Who): Sender => {
  const known = senders.get(who);
  if (known !== undefined) return known;
  const sender = createSender({ client: suiClientOf(networkOf(devnet)), signer: keyOfWho(who) });
  senders.set(who, sender);
  return sender;
};

const registry = () => ({
  client: suiClientOf(networkOf(devnet)),
  packageId: packageOf(devnet),
});

const newRun = async (name: string) => {
  const { created } = await senderOf('owner').execute((transaction) => {
    const { pure } = transaction;
    transaction.moveCall({
      target: `${packageOf(devnet)}::run::create_and_keep`,
      arguments: [
        pure.string(name),
        pure.vector('u8', bytes32),
        pure.address(addressOfWho('aggregator')),
      ],
    });
  });
  const idOf = (type: string): string =>
    must([...created].find(([, found]) => found.endsWith(type))?.[0]);
  return { run: idOf('::run::Run'), cap: idOf('::run::RunCap') };
};

const begin = async (): Promise<World> => {
  const [first, second] = [await newRun('first'), await newRun('second')];
  return {
    run: { first: first.run, second: second.run },
    cap: { first: first.cap, second: second.cap },
    began: devnet.chain.timeMs,
    offer: {},
    pass: {},
    subscription: {},
  };
};

const play = async (world: World, step: Step): Promise<void> => {
  const { run, cap, began } = world;
  const owner = senderOf('owner');
  const change = async (wanted: AccessChange): Promise<void> => {
    expect(await changeAccess(registry(), owner, run.first, wanted)).toBeDefined();
  };
  const readOffer = async (of: Which) => offers.readOffer(registry(), must(world.offer[of]));
  switch (step.type) {
    case 'cohort':
    case 'survivors':
      await owner.execute((transaction) => {
        const { object, pure } = transaction;
        transaction.moveCall({
          target: `${packageOf(devnet)}::run::freeze_${step.type}`,
          arguments: [
            object(cap.first),
            object(run.first),
            pure.u64(step.round),
            pure.vector('address', step.members.map(addressOfWho)),
            pure.vector('u8', bytes32),
            object.clock(),
          ],
        });
      });
      return;
    case 'revoke':
    case 'readmit': {
      const address = addressOfWho(step.who);
      await change({ type: 'member', address, admitted: step.type === 'readmit' });
      return;
    }
    case 'addAuditor':
    case 'removeAuditor': {
      const address = addressOfWho(step.who);
      await change({ type: 'auditor', address, admitted: step.type === 'addAuditor' });
      return;
    }
    case 'grant': {
      const { who, first, last, until } = step;
      const expiresMs = began + until;
      const address = addressOfWho(who);
      await change({ type: 'compute', address, admitted: true, first, last, expiresMs });
      return;
    }
    case 'withdraw':
      await change({ type: 'compute', address: addressOfWho(step.who), admitted: false });
      return;
    case 'offer': {
      const terms = {
        run: run[step.of],
        beneficiary: addressOfWho('owner'),
        passPrice: PASS_PRICE,
        periodPrice: PERIOD_PRICE,
        periodMs: PERIOD_MS,
      };
      world.offer[step.of] = (await offers.createOffer(registry(), owner, terms)).id;
      return;
    }
    case 'pass': {
      const offer = await readOffer(step.of);
      world.pass[step.of] = (await offers.buyPass(registry(), senderOf(step.holder), offer)).id;
      return;
    }
    case 'revokePass': {
      const offer = await readOffer(step.of);
      await offers.revokePass(registry(), owner, offer, must(world.pass[step.of]));
      return;
    }
    case 'subscribe':
    case 'renew': {
      const known = step.type === 'renew' ? must(world.subscription[step.of]) : undefined;
      const offer = await readOffer(step.of);
      const paid = await offers.payPeriod(registry(), senderOf(step.holder), offer, known);
      world.subscription[step.of] = paid.id;
      return;
    }
    case 'lock': {
      const opens = began + step.opens;
      world.lock = (await offers.createTimeLock(registry(), owner, run.first, opens)).id;
      return;
    }
    case 'clock':
      devnet.faults.advanceClock(began + step.at - devnet.chain.timeMs);
  }
};

/** The key's name, and the objects that the policy is asked with. */
const question = (world: World, policy: Policy): { name: Uint8Array; objects: string[] } => {
  const role = ROLES[policy.type];
  switch (policy.type) {
    case 'time':
      return { name: nameOf(must(world.lock), 0, role), objects: [must(world.lock)] };
    case 'pass':
    case 'subscription':
      return {
        name: nameOf(must(world.offer[policy.sealed?.offer ?? policy.offer]), 0, role),
        objects: [must(world.offer[policy.offer]), must(world[policy.type][policy.shown])],
      };
    default:
      return {
        name: nameOf(world.run.first, policy.round, policy.sealed?.role ?? role),
        objects: [world.run.first],
      };
  }
};
const WITH_CLOCK: ReadonlySet<Policy['type']> = new Set(['compute', 'subscription', 'time']);

const SECRET = new TextEncoder().encode('thirty-two bytes of a model key!');

/** Seals a key, then asks for it as `reader`: a client of its own each time, for clients remember keys. */
const open = async (world: World, { reader, policy }: Attempt): Promise<Uint8Array> => {
  const client = suiClientOf(networkOf(devnet));
  const packageId = packageOf(devnet);
  const { seal } = networkOf(devnet);
  const servers = () =>
    new SealClient({
      suiClient: client,
      serverConfigs: seal.servers.map(({ objectId }) => ({ objectId, weight: 1 })),
      verifyKeyServers: true,
    });
  const { name, objects } = question(world, policy);
  const { encryptedObject } = await servers().encrypt({
    threshold: seal.threshold,
    packageId,
    id: toHex(name),
    data: SECRET,
  });
  const transaction = new Transaction();
  transaction.moveCall({
    target: `${packageId}::policy::seal_approve_${policy.type}`,
    arguments: [
      transaction.pure.vector('u8', name),
      ...objects.map((id) => transaction.object(id)),
      ...(WITH_CLOCK.has(policy.type) ? [transaction.object.clock()] : []),
    ],
  });
  const signer = keyOfWho(reader);
  const sessionKey = await SessionKey.create({
    address: signer.toSuiAddress(),
    packageId,
    ttlMin: 5,
    signer,
    suiClient: client,
  });
  const txBytes = await transaction.build({ client, onlyTransactionKind: true });
  return servers().decrypt({ data: encryptedObject, sessionKey, txBytes });
};

/** The Move test of every attempt. */
const NAMED: readonly string[] = STORIES.flatMap((story) =>
  story.steps.flatMap((step) => (step.type === 'try' ? [testName(story, step)] : [])),
);

/** Floe's package with the stories as unit tests; what became of each. */
const inMoveVm = async (stories: readonly Story[]) => {
  const files = { ...(await readPackage('move/floe')), 'tests/table.move': moveTests(stories) };
  const report = await testPackage(files);
  const output = stripVTControlCharacters(report.output);
  const lines = output.matchAll(/^\[ (PASS|FAIL) +\] .*::policy_table::(\w+)/gmu);
  return {
    passed: report.passed,
    output: output.replaceAll(/^.*\[ PASS +\].*\n/gmu, ''),
    results: new Map([...lines].map(([, result, name]) => [name, result])),
  };
};

describe('the table of denials', () => {
  it.each(STORIES)('holds at the key servers: $title', async ({ steps }) => {
    const world = await begin();
    for (const step of steps)
      if (step.type !== 'try') await play(world, step);
      else if (step.outcome === 'admitted')
        expect(await open(world, step), step.title).toEqual(SECRET);
      else await expect(open(world, step), step.title).rejects.toBeInstanceOf(NoAccessError);
  });

  it('holds in the Move VM, attempt by attempt', async () => {
    const { passed, output, results } = await inMoveVm(STORIES);
    expect(passed, output).toBe(true);
    expect(results).toEqual(new Map(NAMED.map((name) => [name, 'PASS'])));
  });

  it('fails in the Move VM wherever an outcome of the table is turned round', async () => {
    const turned = STORIES.map(({ title, steps }) => ({
      title,
      steps: steps.map((step): Step | Attempt =>
        step.type === 'try'
          ? { ...step, outcome: step.outcome === 'admitted' ? 'policy' : 'admitted' }
          : step,
      ),
    }));
    const { passed, results } = await inMoveVm(turned);
    expect(passed).toBe(false);
    expect(results).toEqual(new Map(NAMED.map((name) => [name, 'FAIL'])));
  });
});
