/**
 * @module `floe pull`: fetches a model of a run, opens it with a key that the run admits, and writes it in clear.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import type { ModelRef } from '../protocol/records/records.ts';
import { wholeNumber } from './flags.ts';
import { isThere } from '../protocol/ports/files.ts';
import { withReader } from './reader.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';
import { withFoundNetwork } from './run-network.ts';
import type { Source, SourceOptions } from './source.ts';

interface Options extends SourceOptions, CommonOptions {
  readonly round?: number;
  readonly out: string;
  readonly tfjs?: boolean;
  readonly force?: boolean;
}

export const pullCommand = (): Command =>
  withCommonOptions(withReader(withFoundNetwork(new Command('pull'))))
    .argument(
      '<source>',
      "a run's folder (such as runs/latest), a model version or run on Sui, a coordinator's address",
    )
    .description('fetch and open a model of a run, and write it in clear')
    .option(
      '--round <n>',
      'the model after this round; 0 is the initial one (default: the latest)',
      wholeNumber('--round', 0, 100_000),
    )
    .option('--out <folder>', 'where to write model.safetensors', '.')
    .option('--tfjs', 'also write tfjs/model.json, which tf.loadLayersModel reads')
    .option('--force', 'overwrite files that are there')
    .option('--remote', "read the blob from Walrus, not the folder's copy of it")
    .option('--expect-run <hash>', 'the run hash that was agreed on')
    .addHelpText(
      'after',
      `
Who may open a model: the coordinator, the run's auditors, and whoever took part; on a network,
whoever the run's policy on Sui admits. The file that is written is the model in clear; the run
itself holds only encrypted ones.

Examples:
  floe pull runs/latest --out model
  floe pull 0x77... --network net.json --keystore-file sui.keystore --out model
  floe pull http://host:7700 --keystore ./me --tfjs --out model

Exit codes: 0 written, 4 this key may not open it, others: floe help exit-codes.`,
    )
    .action(async (source: string, options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { FloeError } = await import('../protocol/errors.ts');
        const { toHex } = await import('../protocol/bytes.ts');
        const { cryptoReady } = await import('../protocol/ports/identity.ts');
        const { hashRunSpec } = await import('../protocol/spec/run-spec.ts');
        const { openModel } = await import('../protocol/verify/index.ts');
        const { topologyOfSpec } = await import('../client/reader/topology.ts');
        const { openSource } = await import('./source.ts');
        const { writeModel } = await import('../client/reader/write-model.ts');
        const { RUN_FILES } = await import('../protocol/records/run-files.ts');
        await using resources = new AsyncDisposableStack();
        const say = (text: string): void => output.line(text);
        const run = await openSource(source, options, { say, signal, resources });
        if (run.gate === undefined)
          throw new FloeError(
            'access_denied',
            'expected --key-file, --keystore or --keystore-file to open the model',
          );
        await cryptoReady;
        const id = hashRunSpec(run.spec);
        const model = await chooseModel(run, options.round);
        const cipher = await run.store.get(model.blob, { signal });
        const weights = await openModel({ run: id, model, cipher }, run.spec.model, run.gate);
        const file = join(options.out, RUN_FILES.model);
        if (options.force !== true && (await isThere(file)))
          throw new FloeError('file_exists', `${file} is there; --force overwrites it`);
        await mkdir(options.out, { recursive: true });
        const topology = options.tfjs === true ? await topologyOfSpec(run.spec) : undefined;
        await writeModel(options.out, run.spec, weights, topology);
        const document = {
          run: toHex(id),
          round: model.version,
          ...(run.version === undefined ? {} : { version: run.version.id }),
          modelHash: toHex(model.hash),
          parameters: weights.length,
          reader: run.reader,
          file,
          ...(topology === undefined
            ? {}
            : { tfjs: join(options.out, RUN_FILES.tfjs, 'model.json') }),
        };
        output.document(document);
        output.line(`opened as ${run.reader ?? ''}`);
        output.say(
          `${file}: the model after round ${model.version} in clear, ${weights.length} parameters, hash ${document.modelHash}`,
        );
      });
    });

/** The version that an object is, or the one that `--round` names, or the latest. */
const chooseModel = async (run: Source, round: number | undefined): Promise<ModelRef> => {
  const { FloeError } = await import('../protocol/errors.ts');
  const { modelOfVersion, modelsOf } = await import('./published.ts');
  const { version } = run;
  if (version !== undefined) {
    if (round !== undefined && round !== version.round)
      throw new FloeError(
        'usage',
        `--round: the version ${version.id} is of round ${version.round}`,
      );
    return modelOfVersion(run, version);
  }
  const models = modelsOf(run);
  const model =
    round === undefined ? models.at(-1) : models.find((known) => known.version === round);
  if (model !== undefined) return model;
  const known = models.map((published) => published.version).join(', ');
  throw new FloeError(
    'usage',
    `--round: expected one of ${known === '' ? 'none yet' : known}, got ${round ?? 'the latest'}`,
  );
};
