/**
 * @module `floe pass`: offers, passes, subscriptions and time locks for the models of a run. The
 * owner of the run makes offers and locks, and issues and revokes passes; anyone can buy.
 */
import { Command } from 'commander';
import { linesForSale, listOffers, showAttempts } from '../client/passes.ts';
import { showCoins } from '../protocol/net/cost.ts';
import type { Passes } from '../protocol/net/passes.ts';
import { ALL_ATTEMPTS } from '../protocol/spec/bounds.ts';
import { command, helpText } from './command.ts';
import * as f from './flags.ts';
import { KEY, NETWORK, openOwnPasses, readNetwork } from './keys.ts';
import { showChange, type Change } from './show-change.ts';

const iso = (ms: number): string => new Date(ms).toISOString();

/** Arguments: object ids, and the address of a holder. */
const placesOf = (places: readonly string[]) =>
  Object.fromEntries(
    places.map((place) => [
      `<${place}>`,
      { help: place === 'holder' ? 'Sui address' : `object id of the ${place}`, read: f.objectId },
    ]),
  );

interface Acting<Place extends string, Table> {
  readonly about: string;
  readonly places: readonly Place[];
  /** After the name of the command. */
  readonly example: string;
  readonly flags?: Table;
  /** The result; its facts are added to the arguments. */
  readonly act: (
    passes: Passes,
    ids: Readonly<Record<Place, string>>,
    flags: f.FlagValues<Table>,
  ) => Promise<Partial<Pick<Change, 'facts'>> & Omit<Change, 'facts'>>;
}

/** A command that changes something on chain. */
const acting = <const Place extends string, const Table extends f.FlagTable>(
  name: string,
  { about, places, example, flags: own, act }: Acting<Place, Table>,
): Command =>
  command({
    name,
    about,
    args: placesOf(places),
    flags: { ...NETWORK, ...KEY, ...own },
    examples: [`floe pass ${name} ${example} --network net.json --keystore-file sui.keystore`],
    run: async ({ args, flags, output }) => {
      const passes = await openOwnPasses(flags, output);
      const ids = Object.fromEntries(places.map((place, i) => [place, args[i]])) as Record<
        Place,
        string
      >;
      const change = await act(passes, ids, flags as unknown as f.FlagValues<Table>);
      showChange({ ...change, facts: { ...ids, ...change.facts } }, output);
    },
  });

const ROUNDS = {
  attempts: f.value(
    '<a-b>',
    'models of these attempts only (default: all, future ones included)',
    f.attempts,
  ),
};
const AT_MOST = { atMost: f.required(f.value('<sui>', 'highest price to pay', f.sui)) };

const sellerCommands = (): readonly Command[] => [
  acting('offer', {
    about: 'make an offer for the models of a run (owner only)',
    places: ['run'],
    example: '0x5e... --pass-price 5 --period-price 0.5 --period 30d',
    flags: {
      ...ROUNDS,
      passPrice: f.required(f.value('<sui>', 'price of a pass', f.sui)),
      periodPrice: f.required(f.value('<sui>', 'price of a period', f.sui)),
      period: f.required(f.value('<time>', 'length of a period, such as 30d', f.span)),
      beneficiary: f.value('<0x...>', 'address that is paid (default: your own)', f.objectId),
    },
    act: async (passes, { run }, { period: periodMs, attempts = ALL_ATTEMPTS, ...terms }) => {
      const executed = await passes.offer({ ...terms, run, periodMs, attempts });
      const words = `offer ${executed.id} for the models of ${showAttempts(attempts)}`;
      return { facts: { offer: executed.id, ...attempts }, words, executed };
    },
  }),
  acting('give', {
    about: 'issue a pass without payment (owner only)',
    places: ['offer', 'holder'],
    example: '0x0f... 0xb0...',
    act: async (passes, { offer, holder }) => {
      const executed = await passes.give(offer, holder);
      const { id: pass } = executed;
      return { facts: { pass }, words: `pass ${pass} of ${holder}`, executed };
    },
  }),
  acting('revoke', {
    about: 'revoke a pass (owner only)',
    places: ['offer', 'pass'],
    example: '0x0f... 0xa5...',
    act: async (passes, { offer, pass }) => ({
      words: `pass ${pass} revoked`,
      executed: await passes.revoke(offer, pass),
    }),
  }),
  acting('close', {
    about: 'stop selling; passes and paid periods stay valid (owner only)',
    places: ['offer'],
    example: '0x0f...',
    act: async (passes, { offer }) => ({
      words: `offer ${offer} closed`,
      executed: await passes.close(offer),
    }),
  }),
  acting('lock', {
    about: 'let everybody read from a time on, permanently (owner only)',
    places: ['run'],
    example: '0x5e... --attempts 0-20 --opens 2027-01-31T12:00:00Z',
    flags: {
      ...ROUNDS,
      opens: f.required(f.value('<time>', 'time from which everybody may read', f.instant)),
    },
    act: async (passes, { run }, { opens: opensMs, attempts = ALL_ATTEMPTS }) => {
      const executed = await passes.lock(run, { ...attempts, opensMs });
      const opens = iso(opensMs);
      const words = `the models of ${showAttempts(attempts)} open for everybody at ${opens}`;
      return { facts: { opens, ...attempts }, words, executed };
    },
  }),
];

const holderCommands = (): readonly Command[] => [
  acting('transfer', {
    about: 'transfer a pass (its holder only)',
    places: ['pass', 'holder'],
    example: '0xa5... 0xc0...',
    act: async (passes, { pass, holder }) => ({
      words: `pass ${pass} transferred to ${holder}`,
      executed: await passes.transfer(pass, holder),
    }),
  }),
  acting('buy', {
    about: 'buy a pass',
    places: ['offer'],
    example: '0x0f... --at-most 5',
    flags: AT_MOST,
    act: async (passes, { offer }, { atMost }) => {
      const executed = await passes.buy(offer, atMost);
      const { id: pass, price: paid } = executed;
      return { facts: { pass, paid }, words: `pass ${pass} for ${showCoins(paid)} SUI`, executed };
    },
  }),
  acting('subscribe', {
    about: 'buy a period, or with --renew another one',
    places: ['offer'],
    example: '0x0f... --at-most 0.5 --renew 0x5b...',
    flags: { ...AT_MOST, renew: f.value('<id>', 'the subscription to extend', f.objectId) },
    act: async (passes, { offer }, { atMost, renew }) => {
      const executed = await passes.subscribe(offer, atMost, renew);
      const { id: subscription, price: paid, expiresMs } = executed;
      const expires = iso(expiresMs);
      const words = `subscription ${subscription} until ${expires} for ${showCoins(paid)} SUI`;
      return { facts: { subscription, expires, paid }, words, executed };
    },
  }),
];

const listCommand = (): Command =>
  command({
    name: 'list',
    about: 'list the offers for the models of a run, and when they open for everybody',
    args: placesOf(['run']),
    flags: NETWORK,
    examples: ['floe pass list 0x5e... --network net.json'],
    run: async ({ args: [run = ''], flags, output }) => {
      const { network, path } = await readNetwork(flags);
      const { offers, locks } = await listOffers(network, run, { from: path });
      output.document({
        run,
        offers,
        locks: locks.map(({ opensMs, ...attempts }) => ({ ...attempts, opens: iso(opensMs) })),
      });
      for (const line of linesForSale({ offers, locks })) output.say(line);
    },
  });

export const passCommand = (): Command => {
  const group = new Command('pass')
    .description("passes, subscriptions and time locks for a run's models")
    .addHelpText(
      'after',
      helpText({
        notes: `They open the models of a run whose specification has pass, subscription or time-lock among its
--access, including models published before; floe pull finds the passes that its key owns.`,
        examples: [
          'floe pass offer 0x5e... --pass-price 5 --period-price 0.5 --period 30d --network net.json',
          'floe pass buy 0x0f... --at-most 5 --network net.json --json',
          'floe pass list 0x5e... --network net.json',
        ],
        exit: 'Exit codes: 0 done, 1 the chain refused, 2 no such object or a wrong flag, 4 not the owner, or closed.',
      }),
    );
  for (const made of [...sellerCommands(), ...holderCommands(), listCommand()])
    group.addCommand(made);
  return group;
};
