/**
 * @module `floe pass`: what is given or sold for reading a run's models. The owner of a run makes
 * offers and time locks, gives passes away and takes them back; anybody buys.
 */
import { Command } from 'commander';
import { showCoins } from '../protocol/net/cost.ts';
import type { Passes, Rounds } from '../protocol/net/passes.ts';
import { MAX_ROUND } from '../protocol/spec/run-spec.ts';
import { duration, instant, roundRange, sui } from './amounts.ts';
import {
  address,
  openPasses,
  openRegistry,
  withNetwork,
  withSender,
  type SenderFlags,
} from './network.ts';
import { tellChange, type Executed } from './change.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

type Options = SenderFlags & CommonOptions;

interface Act {
  readonly facts: Readonly<Record<string, unknown>>;
  readonly words: string;
  readonly executed: Executed | undefined;
}

const showRounds = ({ first, last }: Rounds): string =>
  last >= MAX_ROUND ? `round ${first} on` : `rounds ${first} to ${last}`;
const iso = (ms: number): string => new Date(ms).toISOString();

/** A command that changes something on chain; its arguments are object ids and addresses. */
const acting = (
  usage: string,
  description: string,
  body: (passes: Passes, ids: readonly string[], flags: never) => Promise<Act>,
  with_: (command: Command) => Command = (command) => command,
): Command => {
  const [name = '', ...places] = usage.split(' ');
  const command = withCommonOptions(withSender(withNetwork(new Command(name))));
  for (const place of places)
    command.argument(
      `<${place}>`,
      place === 'holder' ? 'Sui address' : `the ${place}'s object id`,
      address(place),
    );
  return with_(command.description(description)).action(async (...given: unknown[]) => {
    // commander's last two are the options and the command.
    const options = given.at(-2) as Options;
    await runCommand(options, async ({ output }) => {
      const passes = await openPasses(options, output);
      const { facts, words, executed } = await body(
        passes,
        given.slice(0, -2) as string[],
        options as never,
      );
      tellChange({ facts, words, executed }, output);
    });
  });
};

const withRounds = (command: Command): Command =>
  command.option(
    '--rounds <a-b>',
    'models of these rounds only (default: of all, those to come included)',
    roundRange('--rounds'),
  );
const atMost = (command: Command): Command =>
  command.requiredOption('--at-most <sui>', 'most that may be paid', sui('--at-most'));

const offerCommand = (): Command =>
  acting(
    'offer run',
    'make an offer for the models of a run; its owner',
    async (
      passes,
      [run = ''],
      {
        period: periodMs,
        ...terms
      }: {
        readonly passPrice: bigint;
        readonly periodPrice: bigint;
        readonly period: number;
        readonly beneficiary?: string;
        readonly rounds?: Rounds;
      },
    ) => {
      const { passPrice, periodPrice, beneficiary, rounds = { first: 0, last: MAX_ROUND } } = terms;
      const executed = await passes.offer({
        run,
        passPrice,
        periodPrice,
        periodMs,
        beneficiary,
        rounds,
      });
      const words = `offer ${executed.id} for the models of ${showRounds(rounds)}`;
      return { facts: { offer: executed.id, run, ...rounds }, words, executed };
    },
    (command) =>
      withRounds(command)
        .requiredOption('--pass-price <sui>', 'price of a pass', sui('--pass-price'))
        .requiredOption('--period-price <sui>', 'price of a period', sui('--period-price'))
        .requiredOption('--period <time>', 'length of a period, such as 30d', duration('--period'))
        .option('--beneficiary <0x...>', 'who is paid (default: you)', address('--beneficiary')),
  );

const closeCommand = (): Command =>
  acting(
    'close offer',
    'stop selling; passes and paid periods stay good; the owner',
    async (passes, [offer = '']) => ({
      facts: { offer },
      words: `offer ${offer} closed`,
      executed: await passes.close(offer),
    }),
  );

const giveCommand = (): Command =>
  acting(
    'give offer holder',
    'give a pass away; the owner',
    async (passes, [offer = '', holder = '']) => {
      const executed = await passes.give(offer, holder);
      const { id: pass } = executed;
      return { facts: { pass, offer, holder }, words: `pass ${pass} of ${holder}`, executed };
    },
  );

const transferCommand = (): Command =>
  acting(
    'transfer pass holder',
    'hand a pass on; its holder',
    async (passes, [pass = '', holder = '']) => ({
      facts: { pass, holder },
      words: `pass ${pass} is ${holder}'s now`,
      executed: await passes.transfer(pass, holder),
    }),
  );

const takeBackCommand = (): Command =>
  acting(
    'revoke offer pass',
    'revoke a pass (owner only)',
    async (passes, [offer = '', pass = '']) => ({
      facts: { pass, offer },
      words: `pass ${pass} revoked`,
      executed: await passes.revoke(offer, pass),
    }),
  );

const buyCommand = (): Command =>
  acting(
    'buy offer',
    'buy a pass',
    async (passes, [offer = ''], flags: { readonly atMost: bigint }) => {
      const executed = await passes.buy(offer, flags.atMost);
      const { id: pass, price } = executed;
      const words = `pass ${pass} for ${showCoins(price)} SUI`;
      return { facts: { pass, offer, paid: String(price) }, words, executed };
    },
    atMost,
  );

const subscribeCommand = (): Command =>
  acting(
    'subscribe offer',
    'buy a period, or with --renew one more',
    async (
      passes,
      [offer = ''],
      flags: { readonly atMost: bigint; readonly renew?: string | undefined },
    ) => {
      const executed = await passes.subscribe(offer, flags.atMost, flags.renew);
      const { id: subscription, price } = executed;
      const expires = iso(executed.expiresMs);
      return {
        facts: { subscription, offer, expires, paid: String(price) },
        words: `subscription ${subscription} until ${expires} for ${showCoins(price)} SUI`,
        executed,
      };
    },
    (command) =>
      atMost(command).option('--renew <id>', 'the subscription to extend', address('--renew')),
  );

const lockCommand = (): Command =>
  acting(
    'lock run',
    'let everybody read from a time on, permanently; the owner of the run',
    async (
      passes,
      [run = ''],
      flags: { readonly opens: number; readonly rounds?: Rounds | undefined },
    ) => {
      const { opens: opensMs, rounds = { first: 0, last: MAX_ROUND } } = flags;
      const executed = await passes.lock(run, { ...rounds, opensMs });
      const opens = iso(opensMs);
      const words = `the models of ${showRounds(rounds)} open for everybody at ${opens}`;
      return { facts: { run, opens, ...rounds }, words, executed };
    },
    (command) =>
      withRounds(command).requiredOption(
        '--opens <time>',
        'from when on everybody may read',
        instant('--opens'),
      ),
  );

const listCommand = (): Command =>
  withCommonOptions(withNetwork(new Command('list')))
    .argument('<run>', "the run's object id", address('run'))
    .description('what is offered for the models of a run, and when they open for everybody')
    .action(async (run: string, options: Options) => {
      await runCommand(options, async ({ output }) => {
        const { offersOf, timeLocksOf } = await import('../protocol/net/sui/offers.ts');
        const registry = await openRegistry(options);
        const offers = await offersOf(registry, run);
        const locks = await timeLocksOf(registry, run);
        output.document({
          run,
          offers: offers.map(({ passPrice, periodPrice, ...rest }) => ({
            ...rest,
            passPrice: String(passPrice),
            periodPrice: String(periodPrice),
          })),
          locks: locks.map(({ opensMs, ...rounds }) => ({ ...rounds, opens: iso(opensMs) })),
        });
        for (const offer of offers)
          output.say(
            `offer ${offer.id}: ${showRounds(offer)}, pass ${showCoins(offer.passPrice)} SUI, ${showCoins(offer.periodPrice)} SUI for ${offer.periodMs / 86_400_000} days${offer.open ? '' : ', closed'}`,
          );
        for (const lock of locks)
          output.say(`${showRounds(lock)} open for everybody at ${iso(lock.opensMs)}`);
        if (offers.length + locks.length === 0) output.say('nothing is offered');
      });
    });

export const passCommand = (): Command => {
  const command = new Command('pass')
    .description("passes, subscriptions and time locks for a run's models")
    .addHelpText(
      'after',
      `
They open the models of a run whose specification has pass, subscription or time-lock among its
--access, those published before included: floe pull then finds what its key owns.

Examples:
  floe pass offer 0x5e... --pass-price 5 --period-price 0.5 --period 30d --network net.json
  floe pass list 0x5e... --network net.json
  floe pass give 0x0f... 0xb0... --network net.json --keystore-file sui.keystore
  floe pass transfer 0xa5... 0xc0... --network net.json --keystore-file sui.keystore
  floe pass buy 0x0f... --at-most 5 --network net.json --json
  floe pass subscribe 0x0f... --at-most 0.5 --renew 0x5b... --network net.json
  floe pass lock 0x5e... --rounds 0-20 --opens 2027-01-31T12:00:00Z --network net.json

Exit codes: 0 done, 1 the chain refused, 2 no such object or a wrong flag, 4 not the owner, or closed.`,
    );
  for (const make of [
    offerCommand,
    giveCommand,
    transferCommand,
    takeBackCommand,
    closeCommand,
    buyCommand,
    subscribeCommand,
    lockCommand,
    listCommand,
  ])
    command.addCommand(make());
  return command;
};
