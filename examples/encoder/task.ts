/**
 * @module A simulation module: a published text encoder, fine-tuned by adapters to tell two kinds
 * of texts apart. `FLOE_ENCODER` is the folder that `scripts/fetch-encoder.ts` wrote: config.json,
 * tokenizer.json, model.safetensors, texts.jsonl.
 *
 *     FLOE_ENCODER=folder floe sim --module examples/encoder/task.ts --participants 10
 *
 * Variables: FLOE_TEXTS (how many are read), FLOE_TOKENS (of each), FLOE_ADAPTED (the blocks that
 * get adapters, counted from the last; 0 trains the head alone).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  encoder,
  parseEncoderConfig,
  readEncoder,
  readTokenizer,
  textDataset,
  withAdapters,
  type BaseWeights,
  type LabelledText,
} from '../../client/index.ts';
import type { SimulationData, SimulationModule } from '../../sim/index.ts';

const { env } = process;
const read = (name: string): Buffer => readFileSync(join(env['FLOE_ENCODER'] ?? 'encoder', name));
const TEXTS = Number(env['FLOE_TEXTS'] ?? 1200);
const length = Number(env['FLOE_TOKENS'] ?? 64);
const ADAPTED = Number(env['FLOE_ADAPTED'] ?? 2);
/** Every fifth text tests. */
const FOLD = 5;

export const name = 'encoder with FFA-LoRA';

export const data = (): SimulationData => {
  const lines = read('texts.jsonl').toString('utf8').trimEnd().split('\n').slice(0, TEXTS);
  const texts = lines.map((line) => JSON.parse(line) as LabelledText);
  const tokenizer = readTokenizer(read('tokenizer.json').toString('utf8'));
  const classNames = ['ham', 'spam'];
  const part = (tests: boolean): SimulationData['train'] => {
    const chosen = texts.filter((_, i) => (i % FOLD === 0) === tests);
    return textDataset(chosen, tokenizer, { length, classNames });
  };
  return { train: part(false), test: part(true), source: `${texts.length} texts` };
};

const config = () => parseEncoderConfig(read('config.json').toString('utf8'));

export const model: SimulationModule['model'] = async (tf) => {
  const sizes = config();
  const blocks = Array.from({ length: ADAPTED }, (_, i) => `block${sizes.layers - 1 - i}`);
  return withAdapters(tf, await encoder(sizes, { length, classes: 2 })(tf), {
    rank: 8,
    alpha: 16,
    targets: blocks.flatMap((block) => [`${block}_query`, `${block}_value`]),
    heads: ['head'],
  });
};

/** Every worker reads the frozen weights itself; their hash goes into the run's specification. */
export const base = (): BaseWeights => readEncoder(config(), read('model.safetensors'));
