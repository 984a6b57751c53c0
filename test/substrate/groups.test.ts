/**
 * @module Group testing where a public ledger shows every set: one of six spoils each sum that it
 * is in, the freezes are on a devnet's chain, and members answer for groups by policy `ledger`. The
 * liar is named and out within six attempts, and the run commits. Source: specification of secure
 * aggregation, section 2.0.1.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestSuiFromFaucetV2 } from '@mysten/sui/faucet';
import { toHex } from '../../protocol/bytes.ts';
import type { Ledger } from '../../protocol/ports/ledger.ts';
import { suiSignerOf } from '../../protocol/net/sui/signer.ts';
import { connectNetwork } from '../../protocol/net/network-ports.ts';
import type { Devnet } from 'floe-devnet';
import { fastClock, PATIENT, realRun, type RealRun } from '../attacks/real-run.ts';
import { testIdentity, testSpec } from '../support/run.ts';
import { networkOf, startNetwork } from './support.ts';

let devnet: Devnet;
let run: RealRun | undefined;
beforeAll(async () => {
  devnet = await startNetwork();
});
afterAll(async () => {
  await run?.stop();
  await devnet.stop();
});

const SIZE = 6;
/** Attempts, as the acceptance counts them. */
const MOST = 6;

const until = async (condition: () => boolean, what: string): Promise<void> => {
  for (const late = performance.now() + 150_000; !condition();) {
    if (performance.now() > late) throw new Error(`it did not come to pass: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

it('one liar among six is suspended within six attempts, and the others commit', async () => {
  const over = {
    name: 'groups',
    cohort: { size: SIZE, minimum: 3 },
    deadlines: PATIENT,
    rounds: 2,
  };
  const spec = await testSpec(over);
  const identity = await testIdentity('coordinator');
  const { faucetUrl: host } = devnet.config;
  await requestSuiFromFaucetV2({ host, recipient: identity.address });
  const signer = suiSignerOf(identity);
  const connected = await connectNetwork(networkOf(devnet), signer, { spec });
  const { ledger: chain } = connected;
  const ledger: Ledger = {
    ...chain,
    // Blobs are in memory here; the chain wants the name that Walrus would give.
    registerModel: ({ blob, ...version }, options) => {
      const id = Buffer.from(blob.sha256).toString('base64url');
      return chain.registerModel({ ...version, blob: { ...blob, id } }, options);
    },
  };

  run = await realRun(over, { clock: fastClock(20), ledger });
  const { progress, coordinator } = run;
  for (let i = 0; i < SIZE - 1; i += 1) await run.join(`honest ${i}`, { ledger });
  const liar = await run.liar('liar', { lie: { lanes: (lanes) => lanes.fill(2 ** 21) } });
  const suspended = () => progress.filter((event) => event.type === 'suspended');
  await until(() => suspended().length > 0, 'somebody is suspended');
  await until(() => coordinator.status().committed >= 1, 'a commit');

  const [first] = suspended();
  expect(first!.members).toContain(toHex(liar.identity.publicKey));
  expect(first!.attempt).toBeLessThanOrEqual(MOST);
  const [commit] = run.records('commit');
  const survivors = run.records('survivors').find(({ attempt }) => attempt === commit!.attempt);
  expect(survivors!.body.members.map(toHex)).not.toContain(toHex(liar.identity.publicKey));
  // Everything that was frozen is on the chain, for everybody to compare.
  const shown = await ledger.readSurvivors(run.run, commit!.attempt);
  expect(shown?.hash).toEqual(survivors!.body.hash);
});
