/**
 * @module Formats the estimated cost of a run as the lines that `floe cost` prints.
 */
import { info, result, type Line } from '../protocol/line.ts';
import { showCoins, type CostPart } from '../protocol/net/cost.ts';
import { showSpan, showTime } from '../protocol/net/time-text.ts';
import { trainableOf } from '../protocol/algorithm/segments.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { uploadBytesAt } from '../protocol/spec/size-of-run.ts';
import type { CostOfRun } from './cost-of-run.ts';
import { plural } from '../protocol/plural.ts';

const partLine = (name: string, { storage, write, transactions, gas }: CostPart): string =>
  `${name.padEnd(11)}${showCoins(storage + write)} WAL (storage ${showCoins(storage)}, write ${showCoins(write)}), ` +
  `gas about ${showCoins(gas)} SUI in ${plural(transactions, 'transaction')}`;

const FLOAT_BYTES = 4;

const SOURCES: Readonly<Record<CostOfRun['from'], string>> = {
  network: 'current, read from the network',
  given: 'given; the others documented',
  documented: 'documented; --network reads the current ones',
};

const describeStorage = ({ epochs, epochMs, paidUntil }: CostOfRun): string => {
  const each = `stored     for ${plural(epochs, 'epoch')} of ${showSpan(epochMs)}`;
  return paidUntil === undefined
    ? `${each} (documented; --network reads it): at most ${showSpan(epochs * epochMs)}`
    : `${each}: a blob stored now is kept until epoch ${paidUntil.epoch} begins, about ${showTime(paidUntil.time)}`;
};

/** How many times as much a blob for each update costs as quilts, to two digits. */
export const quiltRatio = ({ cost: { round, separateRound } }: CostOfRun): number =>
  Number((separateRound * 100n) / (round.storage + round.write)) / 100;

/** Uploads shrink with the examples of a participant: what is counted, and what could be. */
const uploadLines = (spec: RunSpec, { stored }: CostOfRun): readonly Line[] => {
  const { uploadBytes, firstUploadBytes = uploadBytes } = stored;
  if (uploadBytes !== firstUploadBytes)
    return [
      info(
        `           in the first round ${firstUploadBytes} bytes: nobody has announced its examples`,
      ),
    ];
  const least = uploadBytesAt(spec, spec.encoding.weightCap);
  return least === uploadBytes
    ? []
    : [
        info(
          `           with many examples a participant as little as ${least} bytes: --examples counts that`,
        ),
      ];
};

/** The lines of a cost estimate. */
export const describeCost = (spec: RunSpec, found: CostOfRun): readonly Line[] => {
  const { stored, cost, prices, funds, keepingPerEpoch } = found;
  const floatBytes = FLOAT_BYTES * trainableOf(spec);
  const { round, once, total, separateRound, separateTotal } = cost;
  return [
    info(
      `run        ${plural(spec.rounds, 'round')} of ${spec.cohort.size}, an update of ${stored.uploadBytes} bytes, a model of ${stored.modelBytes}; ` +
        `the update as float32 has ${(floatBytes / stored.uploadBytes).toPrecision(2)} times its bytes`,
    ),
    ...uploadLines(spec, found),
    info(
      `prices     ${prices.storagePerUnit} FROST per MiB and epoch, ${prices.writePerUnit} per MiB once, ${plural(prices.shards, 'shard')} (${SOURCES[found.from]})`,
    ),
    info(describeStorage(found)),
    info(
      `kept       the coordinator extends the blobs that the next round reads: ${showCoins(keepingPerEpoch)} WAL per epoch`,
    ),
    info(''),
    info(partLine('per round', round)),
    info(partLine('once', once)),
    result(partLine(plural(spec.rounds, 'round'), total)),
    info(''),
    result(
      `quilts     ${showCoins(round.storage + round.write)} WAL per round; with a blob for each update ${showCoins(separateRound)}: ` +
        `${quiltRatio(found).toFixed(1)} times as much (${showCoins(separateTotal)} for the run)`,
    ),
    info('estimates  gas: upper bounds measured on the devnet; other chains may charge more;'),
    info('           sizes: every participant takes part and no attempt fails; prices may change'),
    ...(funds === undefined
      ? []
      : [
          result(
            `balance    ${showCoins(funds.sui)} SUI and ${showCoins(funds.wal)} WAL: enough for ${funds.rounds} of ${plural(spec.rounds, 'round')}`,
          ),
        ]),
  ];
};
