/**
 * @module `floe pull`: fetches a model of a run, opens it with a key that the run admits, and
 * writes it in clear.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { FloeError } from '../protocol/errors.ts';
import { isThere } from '../protocol/ports/files.ts';
import { RUN_FILES } from '../protocol/records/run-files.ts';
import { wholeNumber } from './flags.ts';
import { openRunOptions, withSource, type SourceFlags } from './reader.ts';
import { runCommand, withCommonOptions, type CommonOptions } from './run-command.ts';

interface Options extends SourceFlags, CommonOptions {
  readonly round?: number;
  readonly out: string;
  readonly tfjs?: boolean;
  readonly force?: boolean;
}

export const pullCommand = (): Command =>
  withCommonOptions(
    withSource(new Command('pull'), "read the blob from Walrus, not the folder's copy of it"),
  )
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
      await runCommand(options, async (context) => {
        const { openRun, topologyOfSpec, writeModel } = await import('../client/reader/index.ts');
        const { toHex } = await import('../protocol/bytes.ts');
        const { output, signal } = context;
        await using run = await openRun(source, await openRunOptions(source, options, context));
        const { round } = options;
        const { model, weights } = await run.pull({
          signal,
          ...(round === undefined ? {} : { round }),
        });
        const file = join(options.out, RUN_FILES.model);
        if (options.force !== true && (await isThere(file)))
          throw new FloeError('file_exists', `${file} is there; --force overwrites it`);
        await mkdir(options.out, { recursive: true });
        const topology = options.tfjs === true ? await topologyOfSpec(run.spec) : undefined;
        await writeModel(options.out, run.spec, weights, topology);
        const { reader, version } = run;
        const modelHash = toHex(model.hash);
        output.document({
          run: toHex(run.id),
          round: model.version,
          ...(version === undefined ? {} : { version: version.id }),
          modelHash,
          parameters: weights.length,
          reader,
          file,
          ...(topology === undefined
            ? {}
            : { tfjs: join(options.out, RUN_FILES.tfjs, 'model.json') }),
        });
        output.line(`opened as ${reader ?? ''}`);
        output.say(
          `${file}: the model after round ${model.version} in clear, ${weights.length} parameters, hash ${modelHash}`,
        );
      });
    });
