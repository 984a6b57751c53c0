/**
 * @module `floe cost`: what a run will cost on Walrus and Sui, before it starts.
 */
import { Command } from 'commander';
import type { CostOfRun } from '../coordinator/cost-of-run.ts';
import { showCoins, type CostPart, type RunCost } from '../protocol/net/cost.ts';
import { showSpan, showTime } from '../protocol/net/times.ts';
import { SPEC_DEFAULTS, type RunSpec } from '../protocol/spec/run-spec.ts';
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
import type { CoordinatorFlags } from './run-file.ts';
import { withEncoding, withModel, withSizes, withStorageEpochs } from './run-flags.ts';

interface Options extends CoordinatorFlags, NetworkFlags, CommonOptions {
  readonly storageEpochs?: number;
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
        const { beginningOf } = await import('../client/beginning.ts');
        const { costOfRun } = await import('../coordinator/cost-of-run.ts');
        const { gatherSettings, settingsToSpec } = await import('./run-file.ts');
        const settings = await gatherSettings(runFile, options);
        const { model } = await beginningOf(settings);
        // Whose run it is changes no size.
        const fixed = { id: new Uint8Array(16), coordinator: new Uint8Array(32), model };
        const spec = settingsToSpec(settings, fixed);
        const { shards, storagePrice, writePrice } = options;
        const named = namedNetwork(options);
        const found = await costOfRun(spec, {
          address: options.address,
          epochs: options.storageEpochs,
          network:
            named === undefined ? undefined : async () => (await readNetworkFile(options)).network,
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
