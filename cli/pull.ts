/**
 * @module `floe pull`: fetches a model of a run, opens it with a key that the run admits, and writes it in clear.
 */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { wholeNumber } from './flags.ts';
import { runCommand, withCommonOptions } from './run-command.ts';

interface Options {
  readonly round?: number;
  readonly out: string;
  readonly tfjs?: boolean;
  readonly force?: boolean;
  readonly keyFile?: string;
  readonly keystore?: string;
  readonly passphraseFile?: string;
  readonly expectRun?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly debug?: boolean;
}

export const pullCommand = (): Command =>
  withCommonOptions(new Command('pull'))
    .argument('<source>', "a run's folder (such as runs/latest) or a coordinator's address")
    .description('fetch and open a model of a run, and write it in clear')
    .option(
      '--round <n>',
      'the model after this round; 0 is the initial one (default: the latest)',
      wholeNumber('--round', 0, 100_000),
    )
    .option('--out <folder>', 'where to write model.safetensors', '.')
    .option('--tfjs', 'also write tfjs/model.json, which tf.loadLayersModel reads')
    .option('--force', 'overwrite files that are there')
    .option('--key-file <path>', "file with an auditor's seed in hex (default: the folder's own)")
    .option('--keystore <folder>', 'open the model with the key of this keystore')
    .option('--passphrase-file <path>', 'passphrase of the keystore (or FLOE_PASSPHRASE)')
    .option('--expect-run <hash>', 'the run hash that was agreed on')
    .addHelpText(
      'after',
      `
Who may open a model: the coordinator, the run's auditors, and whoever took part. The file that is
written is the model in clear; the run itself holds only encrypted ones.

Examples:
  floe pull runs/latest --out model
  floe pull http://host:7700 --keystore ./me --tfjs --out model

Exit codes: 0 written, 4 this key may not open it, others: floe help exit-codes.`,
    )
    .action(async (source: string, options: Options) => {
      await runCommand(options, async ({ output, signal }) => {
        const { FloeError } = await import('../protocol/errors.ts');
        const { toHex } = await import('../protocol/bytes.ts');
        const { decodeTranscript } = await import('../protocol/transcript.ts');
        const { cryptoReady } = await import('../protocol/identity.ts');
        const { hashRunSpec } = await import('../protocol/run-spec.ts');
        const { openModel } = await import('../protocol/verify/index.ts');
        const { modelsOf } = await import('./published.ts');
        const { openSource } = await import('./source.ts');
        const { RUN_FILES, writeModel } = await import('../sim/run-folder.ts');
        await using run = await openSource(source, options, signal);
        if (run.gate === undefined)
          throw new FloeError(
            'access_denied',
            'expected --key-file or --keystore to open the model',
          );
        await cryptoReady;
        const id = hashRunSpec(run.spec);
        const models = modelsOf(decodeTranscript(id, run.transcript), run.spec);
        const model =
          options.round === undefined
            ? models.at(-1)
            : models.find(({ version }) => version === options.round);
        if (model === undefined)
          throw new FloeError(
            'usage',
            `--round: expected one of ${models.map(({ version }) => version).join(', ') || 'none yet'}, got ${options.round ?? 'the latest'}`,
          );
        const cipher = await run.store.get(model.blob, { signal });
        const weights = await openModel({ run: id, model, cipher }, run.spec.model, run.gate);
        const file = join(options.out, RUN_FILES.model);
        const taken = await stat(file).then(
          () => true,
          () => false,
        );
        if (taken && options.force !== true)
          throw new FloeError('file_exists', `${file} is there; --force overwrites it`);
        await mkdir(options.out, { recursive: true });
        const topology = options.tfjs === true ? await topologyFor(run.spec) : undefined;
        await writeModel(options.out, run.spec, weights, topology);
        const document = {
          run: run.hash,
          round: model.version,
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

/** The topology: in the specification, or that of the registry's model. */
const topologyFor = async (
  spec: Parameters<typeof import('../client/spec-model.ts').modelOfSpec>[0],
): Promise<Record<string, unknown>> => {
  if (spec.model.topology !== undefined)
    return JSON.parse(spec.model.topology) as Record<string, unknown>;
  const { modelOfSpec } = await import('../client/spec-model.ts');
  const { selectBackend } = await import('../client/tfjs/backends.ts');
  const { topologyOf } = await import('../client/tfjs/topology.ts');
  const { tf } = await selectBackend({ prefer: 'cpu' });
  return topologyOf(await modelOfSpec(spec)(tf));
};
