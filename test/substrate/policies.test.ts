/**
 * @module The table of denials, twice: under Floe's Move package through the devnet's key servers
 * and the stock Seal SDK, and as unit tests in the Move VM of the compiler. Both play
 * `policy-cases.ts`.
 */
import { stripVTControlCharacters } from 'node:util';
import { NoAccessError, SealClient, SessionKey } from '@mysten/seal';
import { Transaction } from '@mysten/sui/transactions';
import { fromHex, toHex } from '@mysten/sui/utils';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { suiClientOf } from '../../protocol/net/walrus/client.ts';
import type { Devnet } from 'floe-devnet';
import { readPackage, testPackage } from 'floe-devnet/compile';
import { STORIES, type Attempt, type Policy, type Step, type Story } from './policy-cases.ts';
import { moveTests, testName } from './policy-move.ts';
import { addressOfWho, keyOfWho, must, setStage, type Stage, type World } from './policy-play.ts';
import { networkOf, packageOf, startNetwork } from './support.ts';

let devnet: Devnet;
let stage: Stage;
beforeAll(async () => {
  devnet = await startNetwork({ nodes: 4, sealServers: 2, sealThreshold: 2 });
  stage = await setStage(devnet);
});
afterAll(async () => {
  await devnet.stop();
});

const ROLES = { cohort: 0, auditor: 1, pass: 2, subscription: 3, time: 4, compute: 5, unmask: 6 };

/**
 * [object 32][round u64 LE][role 1][nonce 16], written here once more so that the product's own
 * code is not its own witness.
 */
const nameOf = (object: string, attempt: number, role: number): Uint8Array => {
  const name = new Uint8Array(57);
  name.set(fromHex(object));
  new DataView(name.buffer).setBigUint64(32, BigInt(attempt), true);
  name[40] = role;
  name.set(new Uint8Array(16).fill(9), 41);
  return name;
};

const newRun = async (name: string) => {
  const { created } = await stage.senderOf('owner').execute((transaction) => {
    const { pure } = transaction;
    transaction.moveCall({
      target: `${packageOf(devnet)}::run::create_and_keep`,
      arguments: [
        pure.string(name),
        pure.vector('u8', new Uint8Array(32).fill(17)),
        pure.address(addressOfWho('aggregator')),
        pure.vector('address', [addressOfWho('agreed')]),
      ],
    });
  });
  const idOf = (type: string): string =>
    must([...created].find(([, found]) => found.endsWith(type))?.[0]);
  return { run: idOf('::run::Run'), cap: idOf('::run::RunCap') };
};

/** The key's name, and the objects that the policy is asked with. */
const question = (world: World, policy: Policy): { name: Uint8Array; objects: string[] } => {
  const { attempt } = policy;
  const role = ROLES[policy.type];
  if (!('offer' in policy)) {
    const { first } = world.run;
    return { name: nameOf(first, attempt, policy.sealed?.role ?? role), objects: [first] };
  }
  const { offer, shown, sealed } = policy;
  return {
    name: nameOf(world.run[sealed?.run ?? offer], attempt, role),
    objects: [must(world.offer[offer]), must(world[policy.type][shown])],
  };
};
const WITH_CLOCK: ReadonlySet<Policy['type']> = new Set(['compute', 'subscription', 'time']);

const SECRET = new TextEncoder().encode('thirty-two bytes of a model key!');

/** By name. */
const sealed = new Map<string, { readonly encryptedObject: Uint8Array }>();

/**
 * Seals a key, then asks for it as `reader`: a client of its own each time, for clients remember
 * keys.
 */
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
  const id = toHex(name);
  const { threshold } = seal;
  const { encryptedObject } =
    sealed.get(id) ?? (await servers().encrypt({ threshold, packageId, id, data: SECRET }));
  sealed.set(id, { encryptedObject });
  const transaction = new Transaction();
  transaction.moveCall({
    target: `${packageId}::policy::seal_approve_${policy.type}`,
    arguments: [
      transaction.pure.vector('u8', name),
      ...objects.map((object) => transaction.object(object)),
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
    const world = stage.begin({ first: await newRun('first'), second: await newRun('second') });
    for (const step of steps)
      if (step.type !== 'try') await stage.play(world, step);
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
