/**
 * @module `floe cost`: what a run will cost on Walrus and Sui, before it starts.
 */
import { Command } from 'commander';
import type { CostOfRun } from '../coordinator/cost-of-run.ts';
import { showCoins, type CostPart, type RunCost } from '../protocol/net/cost.ts';
import { showSpan, showTime } from '../protocol/net/times.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
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

const MAX_PRICE = 10_000_000_000;

const partJson = ({ storage, write, transactions, gas }: CostPart) => ({
  storage: String(storage),
  write: String(write),
  transactions,
  gas: String(gas),
});

const partLine = (name: string, { storage, write, transactions, gas }: CostPart): string =>
  `${name.padEnd(11)}${showCoins(storage + write)} WAL (storage ${showCoins(storage)}, write ${showCoins(write)}), ` +
  `gas about ${showCoins(gas)} SUI in ${transactions} transactions`;

const showStored = (
  { epochs, epochMs, paidUntil, keepingPerEpoch }: CostOfRun,
  output: Output,
): void => {
  const each = `stored     for ${epochs} epochs of ${showSpan(epochMs)}`;
  output.line(
    paidUntil === undefined
      ? `${each} (documented; --network reads it): ${showSpan(epochs * epochMs)} at most`
      : `${each}: what is stored now, until epoch ${paidUntil.epoch} begins, about ${showTime(paidUntil.time)}`,
  );
  output.line(
    `kept       what the next round reads is paid for longer while the run stands: ${showCoins(keepingPerEpoch)} WAL an epoch`,
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

const documentOf = (spec: RunSpec, found: CostOfRun) => {
  const { stored, cost, prices, epochs, paidUntil, keepingPerEpoch, funds } = found;
  const { round, once, total, separateRound, separateTotal } = cost;
  return {
    rounds: spec.rounds,
    cohort: spec.cohort.size,
    epochs,
    paidUntil: paidUntil ?? null,
    keepingPerEpoch: String(keepingPerEpoch),
    ...(funds === undefined ? {} : { roundsFunded: funds.rounds }),
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
    once: partJson(once),
    total: partJson(total),
    separateRound: String(separateRound),
    separateTotal: String(separateTotal),
    ratio: ratioOf(separateRound, round.storage + round.write),
    estimates: ['gas', 'bytes.publication', 'bytes.bundle'],
  };
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
        const { beginningOf } = await import('../client/run-start.ts');
        const { costOfRun } = await import('../coordinator/cost-of-run.ts');
        const { gatherSettings, placeAmong } = await import('./run-file.ts');
        const { specOfSettings } = await import('../protocol/spec/spec-of-settings.ts');
        const { settings, nameOf } = await gatherSettings(runFile, options, {
          command: 'cost',
          say: (line) => output.warn(line),
        });
        const { model } = await beginningOf(settings);
        // Whose run it is changes no size.
        const fixed = { id: new Uint8Array(16), coordinator: new Uint8Array(32), model };
        const spec = specOfSettings(settings, fixed, nameOf);
        const { shards, storagePrice, writePrice } = options;
        const place = { ...options, ...placeAmong(settings) };
        const named = namedNetwork(place);
        const found = await costOfRun(spec, {
          address: options.address,
          epochs: place.storageEpochs,
          network:
            named === undefined ? undefined : async () => (await readNetworkFile(place)).network,
          prices: {
            ...(shards === undefined ? {} : { shards }),
            ...(storagePrice === undefined ? {} : { storagePerUnit: BigInt(storagePrice) }),
            ...(writePrice === undefined ? {} : { writePerUnit: BigInt(writePrice) }),
          },
        });
        const { stored, cost, prices, funds } = found;
        const from = {
          network: `of the network in ${named}, now`,
          given: 'as given; the others documented',
          documented: 'documented; --network reads them now',
        }[found.from];
        output.document(documentOf(spec, found));
        output.line(
          `run        ${spec.rounds} rounds of ${spec.cohort.size}, an update of ${stored.uploadBytes} bytes, a model of ${stored.modelBytes}`,
        );
        output.line(
          `prices     ${prices.storagePerUnit} FROST a MiB and epoch, ${prices.writePerUnit} a MiB once, ${prices.shards} shards (${from})`,
        );
        showStored(found, output);
        output.line();
        show(cost, spec.rounds, output);
        if (funds !== undefined)
          output.say(
            `balance    ${options.address} has ${showCoins(funds.sui)} SUI and ${showCoins(funds.wal)} WAL: enough for ${funds.rounds} of ${spec.rounds} rounds`,
          );
      });
    });
