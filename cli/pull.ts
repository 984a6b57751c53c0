/**
 * @module `floe pull`: fetches a model of a run, opens it with a key that the run admits, and
 * writes it in clear.
 */
import { describeLocal } from '../protocol/algorithm/local-tensors.ts';
import { describePrivacy, privacyClaim } from '../protocol/algorithm/privacy.ts';
import { toHex } from '../protocol/bytes.ts';
import { command } from './command.ts';
import { on, standard, text, whole } from './flags.ts';
import { openRunOptions, SOURCE } from './source.ts';

const SOURCE_HELP =
  "a run's folder (such as runs/latest), a model version or run on Sui, a coordinator's address";

export const pullCommand = () =>
  command({
    name: 'pull',
    about: 'fetch and open a model of a run, and write it in clear',
    args: { '<source>': SOURCE_HELP },
    flags: {
      ...SOURCE,
      attempt: whole(
        'the version that this attempt committed; 0 is the initial one (default: latest)',
        0,
        100_000,
      ),
      out: standard(text('<folder>', 'where to write model.safetensors'), '.'),
      tfjs: on('also write tfjs/model.json, which tf.loadLayersModel reads'),
      onnx: on('also write model.onnx, which ONNX Runtime runs'),
      base: text(
        '<file>',
        'with --tfjs or --onnx, for a run over a frozen base: its weights (safetensors)',
      ),
      force: on('overwrite existing files'),
    },
    notes: `The coordinator, the auditors of the run and its participants may open a model; on a network,
everybody whom the policy of the run on Sui admits. The run holds only encrypted models; the
written file is the model in clear.`,
    examples: [
      'floe pull runs/latest --out model',
      'floe pull 0x77... --network net.json --keystore-file sui.keystore --out model',
      'floe pull http://host:7700 --keystore ./me --tfjs --onnx --out model',
    ],
    exit: 'Exit codes: 0 written, 4 this key may not open the model, others: floe help exit-codes.',
    run: async (context) => {
      const { readBase } = await import('../client/adapters/base-file.ts');
      const { openRun, savePulled } = await import('../client/reader/index.ts');
      const { args, flags, output, signal } = context;
      const [source = ''] = args;
      const base = flags.base === undefined ? undefined : await readBase('--base', flags.base);
      await using run = await openRun(source, await openRunOptions(source, context));
      const { attempt, tfjs, onnx, force } = flags;
      const found = await savePulled(run, flags.out, {
        signal,
        tfjs,
        onnx,
        force,
        base,
        ...(attempt === undefined ? {} : { attempt }),
      });
      const { model, weights, file } = found;
      const local = describeLocal(run.spec);
      const privacy = describePrivacy(run.spec);
      output.document({
        run: run.id,
        attempt: model.version,
        version: run.version?.id,
        modelHash: model.hash,
        parameters: weights.length,
        reader: run.reader,
        file,
        tfjs: found.tfjs,
        ...(local === undefined ? {} : { local }),
        privacy: privacyClaim(run.spec, model.version),
        onnx: found.onnx,
      });
      output.line(`opened as ${run.reader ?? ''}`);
      output.say(
        `${file}: the model of attempt ${model.version} in clear, ${weights.length} parameters, hash ${toHex(model.hash)}`,
      );
      if (local !== undefined) output.say(local);
      if (privacy !== undefined) output.say(`privacy: ${privacy}`);
    },
  });
