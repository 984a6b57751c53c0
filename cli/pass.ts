/**
 * @module `floe pass`: what is given or sold for reading a run's models. The owner of a run makes offers and time locks, gives
 * passes away and takes them back; anybody buys.
 */
import { Command } from 'commander';
import { showCoins } from '../protocol/net/cost.ts';
import { FloeError } from '../protocol/errors.ts';
import type * as OffersModule from '../protocol/net/sui/offers.ts';
import type { Offer } from '../protocol/net/sui/offers.ts';
import { MAX_ROUND } from '../protocol/spec/run-spec.ts';
import type { Executed, Sender } from '../protocol/net/sui/transactions.ts';
import { duration, instant, roundRange, sui } from './amounts.ts';
import {
  address,
  openRegistry,
  openSender,
  withSender,
  withNetwork,
  type SenderFlags,
} from './network.ts';
import type { Output } from './output.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

type Options = SenderFlags & CommonOptions;

type Offers = typeof OffersModule;

interface Tools {
  readonly offers: Offers;
  readonly registry: {
    readonly client: Parameters<Offers['readOffer']>[0]['client'];
    readonly packageId: string;
  };
  readonly sender: Sender;
  readonly output: Output;
}

/** Runs the body with everything opened, and prints what it says. */
const act = async (
  options: Options,
  body: (tools: Tools) => Promise<{
    readonly facts: Readonly<Record<string, unknown>>;
    readonly words: string;
    readonly executed?: Executed | undefined;
  }>,
): Promise<void> => {
  await runCommand(options, async ({ output }) => {
    const offers = await import('../protocol/net/sui/offers.ts');
    const registry = await openRegistry(options);
    const sender = await openSender(options, registry.client, output);
    const { facts, words, executed } = await body({
      offers,
      sender,
      output,
      registry,
    });
    output.document({
      ...facts,
      changed: executed !== undefined,
      ...(executed === undefined ? {} : { digest: executed.digest, gas: String(executed.gas) }),
    });
    output.say(words);
    if (executed !== undefined)
      output.line(`transaction ${executed.digest}, gas ${showCoins(executed.gas)} SUI`);
  });
};

interface Rounds {
  readonly first: number;
  readonly last: number;
}
/** Those of any run, the ones to come included. */
const ALL_ROUNDS: Rounds = { first: 0, last: MAX_ROUND };
const withRounds = (command: Command): Command =>
  command.option(
    '--rounds <a-b>',
    'models of these rounds only (default: of all, those to come included)',
    roundRange('--rounds'),
  );
const showRounds = ({ first, last }: Rounds): string =>
  last >= MAX_ROUND ? `round ${first} on` : `rounds ${first} to ${last}`;

const sub = (name: string): Command =>
  withCommonOptions(withSender(withNetwork(new Command(name))));
const iso = (ms: number): string => new Date(ms).toISOString();

/** A price is read from the chain; who buys says what it may be at most. */
const affordable = (price: bigint, most: bigint): void => {
  if (price > most)
    throw new FloeError(
      'usage',
      `--at-most: the offer asks for ${showCoins(price)} SUI, at most ${showCoins(most)} were allowed`,
    );
};

const ofRun = (name: string): Command =>
  sub(name).argument('<run>', "the run's object id", address('run'));

const offerCommand = (): Command =>
  withRounds(ofRun('offer'))
    .description('make an offer for the models of a run; its owner')
    .requiredOption('--pass-price <sui>', 'price of a pass', sui('--pass-price'))
    .requiredOption('--period-price <sui>', 'price of a period', sui('--period-price'))
    .requiredOption('--period <time>', 'length of a period, such as 30d', duration('--period'))
    .option('--beneficiary <0x...>', 'who is paid (default: you)', address('--beneficiary'))
    .action(
      async (
        run: string,
        options: Options & {
          readonly passPrice: bigint;
          readonly periodPrice: bigint;
          readonly period: number;
          readonly beneficiary?: string;
          readonly rounds?: Rounds;
        },
      ) => {
        await act(options, async ({ offers, registry, sender }) => {
          const { passPrice, periodPrice, period: periodMs } = options;
          const beneficiary = options.beneficiary ?? sender.address;
          const { first, last } = options.rounds ?? ALL_ROUNDS;
          const terms = { run, beneficiary, passPrice, periodPrice, periodMs, first, last };
          const made = await offers.createOffer(registry, sender, terms);
          return {
            facts: { offer: made.id, run, first, last },
            words: `offer ${made.id} for the models of ${showRounds({ first, last })}`,
            executed: made,
          };
        });
      },
    );

/** Commands whose argument is an offer. */
const ofOffer = (
  command: Command,
  body: (
    tools: Tools & { readonly offer: Offer },
    options: Options & { readonly atMost: bigint },
    second: string,
  ) => ReturnType<Parameters<typeof act>[1]>,
): Command =>
  command.action(async (...given: unknown[]) => {
    const [id, second] = given as [string, string];
    // commander's last two are the options and the command.
    const options = given.at(-2) as Options & { readonly atMost: bigint };
    await act(options, async (tools) => {
      const offer = await tools.offers.readOffer(tools.registry, id);
      return body({ ...tools, offer }, options, second);
    });
  });

const offerArgument = (name: string): Command =>
  sub(name).argument('<offer>', "the offer's object id", address('offer'));
const atMost = (command: Command): Command =>
  command.requiredOption('--at-most <sui>', 'most that may be paid', sui('--at-most'));

const closeCommand = (): Command =>
  ofOffer(
    offerArgument('close').description(
      'stop selling; passes and paid periods stay good; the owner',
    ),
    async ({ offers, registry, sender, offer }) => ({
      facts: { offer: offer.id },
      words: `offer ${offer.id} closed`,
      executed: await offers.closeOffer(registry, sender, offer),
    }),
  );

const giveCommand = (): Command =>
  ofOffer(
    offerArgument('give')
      .argument('<holder>', 'Sui address', address('holder'))
      .description('give a pass away; the owner'),
    async ({ offers, registry, sender, offer }, _options, holder) => {
      const made = await offers.givePass(registry, sender, offer, holder);
      return {
        facts: { pass: made.id, offer: offer.id, holder },
        words: `pass ${made.id} of ${holder}`,
        executed: made,
      };
    },
  );

const transferCommand = (): Command =>
  sub('transfer')
    .argument('<pass>', "the pass's object id", address('pass'))
    .argument('<holder>', 'Sui address', address('holder'))
    .description('hand a pass on; its holder')
    .action(async (pass: string, holder: string, options: Options) => {
      await act(options, async ({ offers, registry, sender }) => ({
        facts: { pass, holder },
        words: `pass ${pass} is ${holder}'s now`,
        executed: await offers.transferPass(registry, sender, pass, holder),
      }));
    });

const takeBackCommand = (): Command =>
  ofOffer(
    offerArgument('revoke')
      .argument('<pass>', "the pass's object id", address('pass'))
      .description('make a pass good for nothing; the owner'),
    async ({ offers, registry, sender, offer }, _options, pass) => ({
      facts: { pass, offer: offer.id },
      words: `pass ${pass} revoked`,
      executed: await offers.revokePass(registry, sender, offer, pass),
    }),
  );

const buyCommand = (): Command =>
  ofOffer(
    atMost(offerArgument('buy')).description('buy a pass'),
    async ({ offers, registry, sender, offer }, options) => {
      affordable(offer.passPrice, options.atMost);
      const made = await offers.buyPass(registry, sender, offer);
      return {
        facts: { pass: made.id, offer: offer.id, paid: String(offer.passPrice) },
        words: `pass ${made.id} for ${showCoins(offer.passPrice)} SUI`,
        executed: made,
      };
    },
  );

const subscribeCommand = (): Command =>
  ofOffer(
    atMost(offerArgument('subscribe'))
      .description('buy a period, or with --renew one more')
      .option('--renew <id>', 'the subscription to extend', address('--renew')),
    async ({ offers, registry, sender, offer }, options) => {
      const { renew } = options as { readonly renew?: string };
      affordable(offer.periodPrice, options.atMost);
      if (renew !== undefined) {
        const known = await offers.readSubscription(registry, renew);
        if (known.offer !== offer.id)
          throw new FloeError('usage', `--renew: ${renew} belongs to the offer ${known.offer}`);
      }
      const made = await offers.payPeriod(registry, sender, offer, renew);
      const { expiresMs } = await offers.readSubscription(registry, made.id);
      return {
        facts: {
          subscription: made.id,
          offer: offer.id,
          expires: iso(expiresMs),
          paid: String(offer.periodPrice),
        },
        words: `subscription ${made.id} until ${iso(expiresMs)} for ${showCoins(offer.periodPrice)} SUI`,
        executed: made,
      };
    },
  );

const lockCommand = (): Command =>
  withRounds(ofRun('lock'))
    .description('let everybody read from a time on, for good; the owner of the run')
    .requiredOption('--opens <time>', 'from when on everybody may read', instant('--opens'))
    .action(
      async (
        run: string,
        options: Options & { readonly opens: number; readonly rounds?: Rounds },
      ) => {
        await act(options, async ({ offers, registry, sender }) => {
          const { opens: opensMs, rounds = ALL_ROUNDS } = options;
          const executed = await offers.addTimeLock(registry, sender, run, { ...rounds, opensMs });
          const opens = iso(opensMs);
          return {
            facts: { run, opens, ...rounds },
            words: `the models of ${showRounds(rounds)} open for everybody at ${opens}`,
            executed,
          };
        });
      },
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
  for (const each of [
    offerCommand(),
    giveCommand(),
    transferCommand(),
    takeBackCommand(),
    closeCommand(),
    buyCommand(),
    subscribeCommand(),
    lockCommand(),
    listCommand(),
  ])
    command.addCommand(each);
  return command;
};
