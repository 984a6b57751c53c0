/**
 * @module `floe cost`: what a run will cost on Walrus and Sui, before it starts.
 */
import { Command } from 'commander';
import { showCoins } from '../protocol/cost.ts';
import type { CostPart, RunCost, WalrusPrices } from '../protocol/cost.ts';

import { SPEC_DEFAULTS } from '../protocol/run-spec.ts';
import { wholeNumber } from './flags.ts';
import { namedNetwork, readNetworkFile, withNetwork, type NetworkFlags } from './network.ts';
import type { Output } from './output.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import type { CoordinatorFlags } from './run-file.ts';
import { withEncoding, withModel, withSizes, withStorageEpochs } from './run-flags.ts';

interface Options extends CoordinatorFlags, NetworkFlags, CommonOptions {
  readonly storageEpochs?: number;
  readonly shards?: number;
  readonly storagePrice?: number;
  readonly writePrice?: number;
}

interface Priced {
  readonly prices: WalrusPrices;
  readonly epochs: number;
  /** Where the prices are from. */
  readonly from: string;
}

const MAX_PRICE = 10_000_000_000;

/** The network's own prices, or those given, or the documented ones. @throws FloeError `ledger_unavailable` */
const pricesFor = async (options: Options): Promise<Priced> => {
  const { DOCUMENTED_PRICES } = await import('../protocol/cost-of-run.ts');
  const { DEFAULT_EPOCHS, epochsOf } = await import('../protocol/network.ts');
  const { shards, storagePrice, writePrice, storageEpochs } = options;
  const given = [shards, storagePrice, writePrice].some((value) => value !== undefined);
  if (namedNetwork(options) !== undefined && !given) {
    const { openPurse } = await import('../coordinator/funds.ts');
    const { network, path } = await readNetworkFile(options);
    // Prices are anybody's to read.
    const purse = openPurse(network, `0x${'0'.repeat(64)}`);
    const epochs = storageEpochs ?? epochsOf(network);
    return { prices: await purse.prices(), epochs, from: `of the network in ${path}, now` };
  }
  return {
    prices: {
      shards: shards ?? DOCUMENTED_PRICES.shards,
      storagePerUnit:
        storagePrice === undefined ? DOCUMENTED_PRICES.storagePerUnit : BigInt(storagePrice),
      writePerUnit: writePrice === undefined ? DOCUMENTED_PRICES.writePerUnit : BigInt(writePrice),
    },
    epochs: storageEpochs ?? DEFAULT_EPOCHS,
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
    '           sizes: everybody takes part and no round is given up; prices may change every epoch',
  );
};

/** What decides how many blobs there are, and how large. */
const runShape = (command: Command): Command =>
  withEncoding(withModel(withSizes(command, SPEC_DEFAULTS.rounds)));

export const costCommand = (): Command =>
  withStorageEpochs(withCommonOptions(withNetwork(runShape(new Command('cost')))))
    .argument('[run-file]', 'JSON file with the settings of the run; flags win over it')
    .description('what a run will cost on Walrus and Sui, before it starts')
    .option('--no-mask', 'of a run WITHOUT masks')
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
        const { runCost } = await import('../protocol/cost.ts');
        const { GAS_RATES, storedBy } = await import('../protocol/cost-of-run.ts');
        const { beginningOf } = await import('./beginning.ts');
        const { gatherSettings, settingsToSpec } = await import('./run-file.ts');
        const settings = await gatherSettings(runFile, options);
        // Whose run it is changes no size.
        const nobody = new Uint8Array(32);
        const { model } = await beginningOf(settings);
        const spec = settingsToSpec(settings, {
          id: new Uint8Array(16),
          coordinator: nobody,
          model,
        });
        const { prices, epochs, from } = await pricesFor(options);
        const stored = storedBy(spec, spec.rounds, epochs);
        const cost = runCost(stored, prices, GAS_RATES);
        const { round, separateRound } = cost;
        output.document({
          rounds: spec.rounds,
          cohort: spec.cohort.size,
          epochs,
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
        output.line(`stored     for ${epochs} epochs`);
        output.line();
        show(cost, spec.rounds, output);
      });
    });
