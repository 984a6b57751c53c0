/**
 * @module The ports' compliance suites on Walrus, Seal and Sui, through the unmodified SDKs against
 * a devnet.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Ed25519Keypair } from '@mysten/sui/keypairs/ed25519';
import { sealGate } from '../../protocol/net/seal/gate.ts';
import { suiLedger, type SuiLedgerInit } from '../../protocol/net/sui/ledger.ts';
import { seededRandom } from '../../protocol/ports/random.ts';
import type { Devnet } from 'floe-devnet';
import {
  type AccessGateFixture,
  accessGateSuite,
  blobStoreSuite,
  ledgerSuite,
} from '../../testing/index.ts';
import {
  bareNetworkOf,
  connect,
  fund,
  keyOf,
  networkOf,
  packageOf,
  publicKeyOf,
  quick,
  specFor,
  startNetwork,
} from './support.ts';

let devnet: Devnet;
beforeAll(async () => {
  devnet = await startNetwork();
  await fund(devnet, keyOf(1));
});
afterAll(async () => {
  await devnet.stop();
});

for (const [name, bare] of [
  ['Walrus through relay and aggregator', false],
  ['Walrus on its storage nodes', true],
] as const)
  blobStoreSuite({ describe, expect, it }, name, async () => {
    const connected = await connect(devnet, keyOf(1), specFor(keyOf(1)), {
      network: bare ? bareNetworkOf(devnet) : networkOf(devnet),
      store: { ...quick, cacheBytes: 0 },
    });
    return {
      store: connected.store,
      // Behind its back: every node changes a byte of every sliver it hands out.
      corrupt: async (id) => {
        for (let node = 0; node < 13; node += 1) devnet.faults.corruptSlivers(node, id);
      },
      close: async () => {
        devnet.faults.clear();
        await connected.close();
      },
    };
  });

let owners = 100;
/** The suites say `run` alike every time; a coordinator of its own keeps each test's apart. */
const ledgerOf = async (members: readonly Ed25519Keypair[] = []) => {
  owners += 1;
  const owner = await fund(devnet, keyOf(owners));
  const { client, sender } = await connect(devnet, owner, specFor(owner));
  const init: SuiLedgerInit = {
    client,
    packageId: packageOf(devnet),
    sender,
    owner: owner.toSuiAddress(),
    name: 'suite',
    auditors: [owner.toSuiAddress()],
    architecture: new Uint8Array(32),
  };
  const ledger = suiLedger(init);
  if (members.length > 0)
    await ledger.freezeCohort({
      run: suiteRun,
      attempt: 4,
      root: new Uint8Array(32).fill(3),
      members: members.map(publicKeyOf),
      entropy: new Uint8Array(32),
    });
  return { owner, client, ledger, init };
};

ledgerSuite({ describe, expect, it }, 'Sui', async () => {
  const { ledger, init } = await ledgerOf();
  return { ledger, reopen: async () => suiLedger(init), close: async () => undefined };
});

/** As the suite names it. */
const suiteRun = new Uint8Array(32).fill(1);
let gates: Promise<AccessGateFixture> | undefined;

accessGateSuite({ describe, expect, it }, 'Seal', async () => {
  gates ??= (async () => {
    const [admitted, outsider] = [keyOf(31), keyOf(32)];
    const { owner, client, ledger } = await ledgerOf([admitted]);
    const gateOf = (signer: Ed25519Keypair) =>
      sealGate({
        client,
        signer,
        run: suiteRun,
        seal: networkOf(devnet).seal,
        packageId: packageOf(devnet),
        runObject: () => ledger.runObject(suiteRun),
        auditors: [publicKeyOf(owner)],
      });
    return {
      owner: gateOf(owner),
      admitted: { gate: gateOf(admitted), key: publicKeyOf(admitted) },
      outsider: { gate: gateOf(outsider), key: publicKeyOf(outsider) },
    };
  })();
  return gates;
});

describe('quilts', () => {
  it('keep many blobs in one, each under its own id', async () => {
    const { store } = await connect(devnet, keyOf(1), specFor(keyOf(1)));
    const random = seededRandom(new Uint8Array(32).fill(9));
    const blobs = Array.from({ length: 11 }, (_, i) => random(1_000 + 700 * i));
    const refs = await store.putTogether(blobs);
    await store.settle();
    expect(new Set(refs.map(({ id }) => id.slice(0, 42))).size).toBe(2);
    for (const network of [networkOf(devnet), bareNetworkOf(devnet)]) {
      const reader = await connect(devnet, keyOf(2), specFor(keyOf(1)), { network });
      for (const [at, ref] of refs.entries())
        expect(await reader.store.get(ref)).toEqual(blobs[at]);
    }
  });
});
