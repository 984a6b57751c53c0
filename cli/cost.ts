/**
 * @module `floe cost`: estimates the cost of a run on Walrus and Sui before it starts.
 */
import type { CostOfRun } from '../coordinator/cost-of-run.ts';
import type { RunSpec } from '../protocol/spec/run-spec.ts';
import { command } from './command.ts';
import { objectId, value, kindOf, whole } from './flags.ts';
import { namedNetwork, NETWORK, readNetwork } from './keys.ts';
import { settingFlags, strategyFlags } from '../protocol/spec/setting-flags.ts';
import { gatherSettings } from './run-flags.ts';

const frost = kindOf<number>({ type: 'integer', min: 0, max: 10_000_000_000 });

const documentOf = (spec: RunSpec, found: CostOfRun, ratio: number) => {
  const { stored, cost, prices, epochs, paidUntil, keepingPerEpoch, funds } = found;
  return {
    rounds: spec.rounds,
    cohort: spec.cohort.size,
    epochs,
    paidUntil: paidUntil ?? null,
    keepingPerEpoch,
    roundsFunded: funds?.rounds,
    ...prices,
    bytes: {
      upload: stored.uploadBytes,
      firstUpload: stored.firstUploadBytes,
      model: stored.modelBytes,
      bundle: stored.bundleBytes,
      publication: stored.publication.reduce((sum, size) => sum + size, 0),
    },
    ...cost,
    ratio,
    estimates: ['gas', 'bytes.publication', 'bytes.bundle'],
  };
};

export const costCommand = () =>
  command({
    name: 'cost',
    about: 'estimate what a run will cost on Walrus and Sui, before it starts',
    args: { '[run-file]': 'JSON or YAML file with the settings of the run; flags win over it' },
    flags: {
      ...NETWORK,
      ...settingFlags('cost'),
      ...strategyFlags(),
      examples: whole(
        'training examples of a participant, on average (default: unknown, uploads of the largest size)',
        1,
        1_000_000_000,
      ),
      shards: whole('shards of Walrus (default 1000)', 4, 1000),
      storagePrice: value('<frost>', 'FROST per MiB and epoch (default 100000)', frost),
      writePrice: value('<frost>', 'FROST per MiB, once (default 20000)', frost),
      address: value('<0x...>', 'with --network: rounds that this address can pay for', objectId),
    },
    notes: `Walrus charges for the encoded size: about 4.5 times the size of the blob, plus 64 MB of metadata at 1000
shards, which dominates the price of small blobs. The uploads of a round share one quilt and pay for the
metadata once.`,
    examples: [
      'floe cost --cohort 100 --rounds 60',
      'floe cost --model mlp-2nn --cohort 10 --rounds 25 --examples 600',
      'floe cost run.json --storage-epochs 10 --network net.json',
      'floe cost --model mlp:32 --inputs 20 --classes 2 --shards 1000 --json',
    ],
    run: async ({ args: [runFile], flags, output }) => {
      const { beginningOf } = await import('../client/run-start.ts');
      const { costOfRun } = await import('../coordinator/cost-of-run.ts');
      const { describeCost, quiltRatio } = await import('../coordinator/describe-cost.ts');
      const { specOfSettings } = await import('../protocol/spec/spec-of-settings.ts');
      const { settings, nameOf } = await gatherSettings(runFile, flags, 'cost', (line) =>
        output.warn(line),
      );
      // The weights and the keys of a run change no size.
      const { model } = await beginningOf({ ...settings, from: undefined });
      const fixed = { id: new Uint8Array(16), coordinator: new Uint8Array(32), model };
      const spec = specOfSettings(settings, fixed, nameOf);
      const { examples, shards, storagePrice, writePrice, address } = flags;
      const place = { network: flags.network ?? settings.network };
      const found = await costOfRun(spec, {
        address,
        examples,
        epochs: settings.storageEpochs,
        network:
          namedNetwork(place) === undefined
            ? undefined
            : async () => (await readNetwork(place)).network,
        prices: {
          ...(shards === undefined ? {} : { shards }),
          ...(storagePrice === undefined ? {} : { storagePerUnit: BigInt(storagePrice) }),
          ...(writePrice === undefined ? {} : { writePerUnit: BigInt(writePrice) }),
        },
      });
      output.document(documentOf(spec, found, quiltRatio(found)));
      output.print(describeCost(spec, found));
    },
  });
