/**
 * @module `floe cost`: what a run will cost on Walrus and Sui, before it starts.
 */
import { Command } from 'commander';
import { showCoins } from '../protocol/net/cost.ts';
import type { CostPart, RunCost, WalrusPrices } from '../protocol/net/cost.ts';

import type { Epochs } from '../protocol/net/walrus/epochs.ts';
import type { Funds } from '../coordinator/funds.ts';
import { FloeError } from '../protocol/errors.ts';
import { showSpan, showTime } from './amounts.ts';
import { wholeNumber } from './flags.ts';
import {
  address,
  namedNetwork,
  readNetworkFile,
  withNetwork,
  type NetworkFlags,
} from './network.ts';
import type { Output } from './output.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import { withSettings, type SettingFlags } from './run-flags.ts';
import { withStrategy } from './strategy-flags.ts';

interface Options extends SettingFlags, NetworkFlags, CommonOptions {
  readonly shards?: number;
  readonly storagePrice?: number;
  readonly writePrice?: number;
  readonly address?: string;
}

interface Priced {
  readonly prices: WalrusPrices;
  readonly epochs: number;
  /** Which epoch it is, on a network; else how long one lasts, as documented. */
  readonly now: Partial<Epochs> & Pick<Epochs, 'duration'>;
  /** What the address that was named owns. */
  readonly funds?: Funds;
  /** Where the prices are from. */
  readonly from: string;
}

const MAX_PRICE = 10_000_000_000;

/** The network's own prices, or those given, or the documented ones. @throws FloeError `ledger_unavailable` */
const pricesFor = async (options: Options): Promise<Priced> => {
  const { DOCUMENTED_EPOCH_MS, DOCUMENTED_PRICES } =
    await import('../protocol/spec/size-of-run.ts');
  const { DEFAULT_EPOCHS, epochsOf } = await import('../protocol/net/config.ts');
  const { shards, storagePrice, writePrice, storageEpochs } = options;
  const given = [shards, storagePrice, writePrice].some((value) => value !== undefined);
  if (namedNetwork(options) !== undefined && !given) {
    const { openPurse } = await import('../coordinator/funds.ts');
    const { network, path } = await readNetworkFile(options);
    // Prices and balances are anybody's to read.
    const purse = openPurse(network, options.address ?? `0x${'0'.repeat(64)}`);
    return {
      prices: await purse.prices(),
      epochs: storageEpochs ?? epochsOf(network),
      now: await purse.epochs(),
      from: `of the network in ${path}, now`,
      ...(options.address === undefined ? {} : { funds: await purse.balance() }),
    };
  }
  if (options.address !== undefined)
    throw new FloeError('usage', 'expected --address with --network, and no prices by hand');
  return {
    prices: {
      shards: shards ?? DOCUMENTED_PRICES.shards,
      storagePerUnit:
        storagePrice === undefined ? DOCUMENTED_PRICES.storagePerUnit : BigInt(storagePrice),
      writePerUnit: writePrice === undefined ? DOCUMENTED_PRICES.writePerUnit : BigInt(writePrice),
    },
    epochs: storageEpochs ?? DEFAULT_EPOCHS,
    now: { duration: DOCUMENTED_EPOCH_MS },
    from: given ? 'as given; the others documented' : 'documented; --network reads them now',
  };
};

const partJson = ({ storage, write, transactions, gas }: CostPart) => ({
  storage: String(storage),
  write: String(write),
  transactions,
  gas: String(gas),
});

const partLine = (name: string, { storage, write, transactions, gas }: CostPart): string =>
  `${name.padEnd(11)}${showCoins(storage + write)} WAL (storage ${showCoins(storage)}, write ${showCoins(write)}), ` +
  `gas about ${showCoins(gas)} SUI in ${transactions} transactions`;

/** Until when what is stored now is paid for: the epoch that ends it, and when that begins; undefined without a network. */
const paidUntil = ({ now, epochs }: Priced) => {
  const { epoch, since, duration } = now;
  return epoch === undefined || since === undefined
    ? undefined
    : { epoch: epoch + epochs, time: since + epochs * duration };
};

const showStored = (priced: Priced, keeping: bigint, output: Output): void => {
  const { epochs, now } = priced;
  const until = paidUntil(priced);
  output.line(
    until === undefined
      ? `stored     for ${epochs} epochs of ${showSpan(now.duration)} (documented; --network reads it): ${showSpan(epochs * now.duration)} at most`
      : `stored     for ${epochs} epochs of ${showSpan(now.duration)}: what is stored now, until epoch ${until.epoch} begins, about ${showTime(until.time)}`,
  );
  output.line(
    `kept       what the next round reads is paid for longer while the run stands: ${showCoins(keeping)} WAL an epoch`,
  );
};

const ratioOf = (many: bigint, one: bigint): number => Number((many * 100n) / one) / 100;

const show = (cost: RunCost, rounds: number, output: Output): void => {
  const { round, once, total, separateRound, separateTotal } = cost;
  output.line(partLine('a round', round));
  output.line(partLine('once', once));
  output.say(partLine(`${rounds} rounds`, total));
  output.line();
  const [quilts, separate] = [round.storage + round.write, separateRound];
  output.say(
    `quilts     ${showCoins(quilts)} WAL a round; with a blob for each update ${showCoins(separate)}: ` +
      `${ratioOf(separate, quilts).toFixed(1)} times as much (${showCoins(separateTotal)} for the run)`,
  );
  output.line(
    'estimated  gas: bounds of what transactions take on the devnet, not what the chain will ask;',
  );
  output.line(
    '           sizes: everybody takes part and no attempt fails; prices may change every epoch',
  );
};

/** How many rounds the coins pay for. */
const roundsOf = async (funds: Funds, { gas, storage, write }: CostPart): Promise<number> => {
  const { timesCovered } = await import('../coordinator/funds.ts');
  return timesCovered(funds, { sui: gas, wal: storage + write });
};

export const costCommand = (): Command =>
  withStrategy(withSettings(withCommonOptions(withNetwork(new Command('cost'))), 'cost'))
    .argument('[run-file]', 'JSON or YAML file with the settings of the run; flags win over it')
    .description('what a run will cost on Walrus and Sui, before it starts')
    .option('--shards <n>', 'shards of Walrus (default 1000)', wholeNumber('--shards', 4, 1000))
    .option(
      '--storage-price <frost>',
      'FROST for a MiB and epoch (default 100000)',
      wholeNumber('--storage-price', 0, MAX_PRICE),
    )
    .option(
      '--write-price <frost>',
      'FROST for a MiB, once (default 20000)',
      wholeNumber('--write-price', 0, MAX_PRICE),
    )
    .option(
      '--address <0x...>',
      'say how many rounds this address can pay for, with --network',
      address('--address'),
    )
    .addHelpText(
      'after',
      `
Walrus charges for the encoded size: about 4.5 times a blob's own, and 64 MB of metadata at 1000 shards,
which is what small blobs pay for. A round's uploads share one quilt, and so pay for it once.

Examples:
  floe cost --cohort 100 --rounds 60
  floe cost run.json --storage-epochs 10 --network net.json
  floe cost --model mlp:32 --inputs 20 --classes 2 --shards 1000 --json

Exit codes: floe help exit-codes.`,
    )
    .action(async (runFile: string | undefined, options: Options) => {
      await runCommand(options, async ({ output }) => {
        const { keepingCost, runCost } = await import('../protocol/net/cost.ts');
        const { GAS_RATES, storedBy } = await import('../protocol/spec/size-of-run.ts');
        const { beginningOf } = await import('./beginning.ts');
        const { gatherSettings, placeAmong } = await import('./run-file.ts');
        const { specOfSettings } = await import('../protocol/spec/spec-of-settings.ts');
        const { settings, nameOf } = await gatherSettings(runFile, options, {
          command: 'cost',
          say: (line) => output.warn(line),
        });
        // Whose run it is changes no size.
        const nobody = new Uint8Array(32);
        const { model } = await beginningOf(settings);
        const fixed = { id: new Uint8Array(16), coordinator: nobody, model };
        const spec = specOfSettings(settings, fixed, nameOf);
        const priced = await pricesFor({ ...options, ...placeAmong(settings) });
        const { prices, epochs, from, funds } = priced;
        const stored = storedBy(spec, spec.rounds, epochs);
        const cost = runCost(stored, prices, GAS_RATES);
        const { round, separateRound } = cost;
        const keeping = keepingCost(stored, prices);
        const lasts = funds && (await roundsOf(funds, round));
        output.document({
          rounds: spec.rounds,
          cohort: spec.cohort.size,
          epochs,
          paidUntil: paidUntil(priced) ?? null,
          keepingPerEpoch: String(keeping),
          ...(lasts === undefined ? {} : { roundsFunded: lasts }),
          shards: prices.shards,
          storagePerUnit: String(prices.storagePerUnit),
          writePerUnit: String(prices.writePerUnit),
          bytes: {
            upload: stored.uploadBytes,
            model: stored.modelBytes,
            bundle: stored.bundleBytes,
            publication: stored.publication.reduce((sum, size) => sum + size, 0),
          },
          round: partJson(round),
          once: partJson(cost.once),
          total: partJson(cost.total),
          separateRound: String(separateRound),
          separateTotal: String(cost.separateTotal),
          ratio: ratioOf(separateRound, round.storage + round.write),
          estimates: ['gas', 'bytes.publication', 'bytes.bundle'],
        });
        output.line(
          `run        ${spec.rounds} rounds of ${spec.cohort.size}, an update of ${stored.uploadBytes} bytes, a model of ${stored.modelBytes}`,
        );
        output.line(
          `prices     ${prices.storagePerUnit} FROST a MiB and epoch, ${prices.writePerUnit} a MiB once, ${prices.shards} shards (${from})`,
        );
        showStored(priced, keeping, output);
        output.line();
        show(cost, spec.rounds, output);
        if (lasts === undefined || funds === undefined) return;
        const { showFunds } = await import('../coordinator/funds.ts');
        output.say(
          `balance    ${options.address} has ${showFunds(funds)}: enough for ${lasts} of ${spec.rounds} rounds`,
        );
      });
    });
