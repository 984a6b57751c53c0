/**
 * @module Plays the steps of the table of denials on a devnet, with the library that the commands
 * use.
 */
import { bcs } from '@mysten/sui/bcs';
import { expect } from 'vitest';
import { suiClientOf } from '../../protocol/net/walrus/client.ts';
import * as offers from '../../protocol/net/sui/offers.ts';
import { changeAccess, type AccessChange, type Registry } from '../../protocol/net/sui/registry.ts';
import { createSender, type Sender } from '../../protocol/net/sui/transactions.ts';
import type { Devnet } from 'floe-devnet';
import {
  PASS_PRICE,
  PEOPLE,
  PERIOD_MS,
  PERIOD_PRICE,
  type Step,
  type Which,
  type Who,
} from './policy-cases.ts';
import { fund, keyOf, networkOf, packageOf, publicKeyOf } from './support.ts';

export const keyOfWho = (who: Who) => keyOf(160 + PEOPLE.indexOf(who));
export const addressOfWho = (who: Who): string => keyOfWho(who).toSuiAddress();
const bytes32 = new Uint8Array(32).fill(17);

/** What a story has made so far, and where it plays. */
export interface World {
  readonly run: Readonly<Record<Which, string>>;
  readonly cap: Readonly<Record<Which, string>>;
  /** Of the chain, in ms. */
  readonly began: number;
  readonly offer: Partial<Record<Which, string>>;
  readonly pass: Partial<Record<Which, string>>;
  readonly subscription: Partial<Record<Which, string>>;
}

export const must = (id: string | undefined): string => {
  if (id === undefined) throw new Error('the story uses what it has not made');
  return id;
};

export interface Stage {
  readonly registry: Registry;
  readonly senderOf: (who: Who) => Sender;
  /** Two runs, and nothing else yet. */
  begin(runs: Readonly<Record<Which, { readonly run: string; readonly cap: string }>>): World;
  play(world: World, step: Step): Promise<void>;
}

/** Pays for who writes or buys in the stories. */
export const setStage = async (devnet: Devnet): Promise<Stage> => {
  for (const who of ['owner', 'bob'] as const) await fund(devnet, keyOfWho(who));
  const registry = { client: suiClientOf(networkOf(devnet)), packageId: packageOf(devnet) };
  const senders = new Map<Who, Sender>();
  const senderOf = (who: Who): Sender => {
    const known = senders.get(who);
    if (known !== undefined) return known;
    const sender = createSender({ client: registry.client, signer: keyOfWho(who) });
    senders.set(who, sender);
    return sender;
  };

  const play = async (world: World, step: Step): Promise<void> => {
    const { run, cap, began } = world;
    const owner = senderOf('owner');
    const change = async (wanted: AccessChange): Promise<void> => {
      expect(await changeAccess(registry, owner, run.first, wanted)).toBeDefined();
    };
    const readOffer = async (of: Which) => offers.readOffer(registry, must(world.offer[of]));
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
              pure.u64(step.attempt),
              step.type === 'cohort'
                ? pure(
                    bcs
                      .vector(bcs.byteVector())
                      .serialize(step.members.map((who) => publicKeyOf(keyOfWho(who)))),
                  )
                : pure.vector('address', step.members.map(addressOfWho)),
              pure.vector('u8', bytes32),
              pure.vector('u8', bytes32),
              ...(step.type === 'cohort' ? [object.random()] : []),
              object.clock(),
            ],
          });
        });
        return;
      case 'publish':
        await owner.execute((transaction) => {
          const { object, pure } = transaction;
          transaction.moveCall({
            target: `${packageOf(devnet)}::model::publish_version`,
            arguments: [
              object(cap.first),
              object(run.first),
              pure.u64(step.attempt),
              pure.vector('u8', bytes32),
              pure.vector('u8', new Uint8Array(32).fill(step.attempt)),
              pure.vector('u8', []),
              pure.u64(0),
              pure.vector('string', []),
              pure.vector('u64', []),
              pure.u8(0),
              pure.u64(0),
              pure.u64(0),
              pure.option('address', null),
              pure.vector('u8', bytes32),
              pure.u256(7),
              pure.vector('u8', bytes32),
              pure.u64(99),
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
          first: step.first,
          last: step.last,
        };
        world.offer[step.of] = (await offers.createOffer(registry, owner, terms)).id;
        return;
      }
      case 'pass': {
        const offer = await readOffer(step.of);
        world.pass[step.of] = (await offers.buyPass(registry, senderOf(step.holder), offer)).id;
        return;
      }
      case 'revokePass': {
        const offer = await readOffer(step.of);
        await offers.revokePass(registry, owner, offer, must(world.pass[step.of]));
        return;
      }
      case 'subscribe':
      case 'renew': {
        const known = step.type === 'renew' ? must(world.subscription[step.of]) : undefined;
        const offer = await readOffer(step.of);
        const paid = await offers.payPeriod(registry, senderOf(step.holder), offer, known);
        world.subscription[step.of] = paid.id;
        return;
      }
      case 'lock': {
        const { first, last } = step;
        const lock = { first, last, opensMs: began + step.opens };
        expect(await offers.addTimeLock(registry, owner, run.first, lock)).toBeDefined();
        return;
      }
      case 'clock':
        devnet.faults.advanceClock(began + step.at - devnet.chain.timeMs);
    }
  };

  return {
    registry,
    senderOf,
    play,
    begin: ({ first, second }) => ({
      run: { first: first.run, second: second.run },
      cap: { first: first.cap, second: second.cap },
      began: devnet.chain.timeMs,
      offer: {},
      pass: {},
      subscription: {},
    }),
  };
};
