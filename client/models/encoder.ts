/**
 * @module A transformer encoder of the class of BERT (Devlin et al. 2019) and MiniLM as a layers
 * model: embeddings, blocks of attention and GELU, each followed by a layer norm, the mean over the
 * tokens, and a classification head. Its input is token ids; `padding` is the id of padding
 * positions.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import * as v from 'valibot';
import { FloeError } from '../../protocol/errors.ts';
import type { ModelFunction } from '../tfjs/models.ts';
import { encoderLayers } from './layers.ts';

type Tf = typeof Tfjs;
type Symbolic = Tfjs.SymbolicTensor;

export interface EncoderConfig {
  readonly vocabulary: number;
  /** Positions that have an embedding: the longest text, in tokens. */
  readonly positions: number;
  /** Kinds of segments; only the first is used. */
  readonly types: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly epsilon: number;
  /** Id of the padding token. */
  readonly padding: number;
}

export interface EncoderOptions {
  /** Tokens of one text, padding included. */
  readonly length: number;
  /** Classes of the head; without it the model gives the mean vector itself. */
  readonly classes?: number;
}

const count = (most: number) =>
  v.pipe(v.number(), v.safeInteger(), v.minValue(1), v.maxValue(most));

const bertConfig = v.looseObject({
  vocab_size: count(2 ** 24),
  max_position_embeddings: count(65_536),
  type_vocab_size: v.optional(count(64), 2),
  hidden_size: count(65_536),
  num_hidden_layers: count(256),
  num_attention_heads: count(1024),
  intermediate_size: count(2 ** 20),
  layer_norm_eps: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1)), 1e-12),
  pad_token_id: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0)), 0),
  hidden_act: v.optional(v.literal('gelu'), 'gelu'),
  position_embedding_type: v.optional(v.literal('absolute'), 'absolute'),
});

/**
 * The sizes in a `config.json` of BERT's family.
 * @throws FloeError `model_malformed` naming the field
 */
export const parseEncoderConfig = (json: string): EncoderConfig => {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new FloeError('model_malformed', 'the config is not JSON', {}, { cause });
  }
  const result = v.safeParse(bertConfig, value, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    throw new FloeError(
      'model_malformed',
      `the config: ${v.getDotPath(issue) ?? 'all of it'}: ${issue.message}`,
    );
  }
  const { output } = result;
  if (output.hidden_size % output.num_attention_heads !== 0)
    throw new FloeError(
      'model_malformed',
      `the config: expected hidden_size to be a multiple of num_attention_heads`,
    );
  return {
    vocabulary: output.vocab_size,
    positions: output.max_position_embeddings,
    types: output.type_vocab_size,
    hidden: output.hidden_size,
    layers: output.num_hidden_layers,
    heads: output.num_attention_heads,
    intermediate: output.intermediate_size,
    epsilon: output.layer_norm_eps,
    padding: output.pad_token_id,
  };
};

type BlockConfig = Pick<EncoderConfig, 'hidden' | 'heads' | 'intermediate' | 'epsilon' | 'padding'>;

/**
 * One block: attention, then two dense layers, each added to its input and normalised.
 *
 * @param ids tell where padding is; without them every step counts
 */
export const block = (
  tf: Tf,
  { hidden, heads, intermediate, epsilon, padding }: BlockConfig,
  name: string,
  x: Symbolic,
  ids?: Symbolic,
): Symbolic => {
  const layers = encoderLayers(tf);
  const dense = (part: string, units: number, input: Symbolic): Symbolic =>
    tf.layers.dense({ name: `${name}_${part}`, units }).apply(input) as Symbolic;
  const normed = (part: string, a: Symbolic, b: Symbolic): Symbolic => {
    const sum = tf.layers.add({ name: `${name}_${part}_sum` }).apply([a, b]) as Symbolic;
    const norm = tf.layers.layerNormalization({ name: `${name}_${part}_norm`, epsilon });
    return norm.apply(sum) as Symbolic;
  };
  const parts = ['query', 'key', 'value'].map((part) => dense(part, hidden, x));
  const attention = layers.attention({ name: `${name}_attention`, heads, padding });
  const mixed = attention.apply(ids === undefined ? parts : [...parts, ids]) as Symbolic;
  const attended = normed('attention', dense('output', hidden, mixed), x);
  const wide = dense('intermediate', intermediate, attended);
  const bent = layers.gelu({ name: `${name}_gelu` }).apply(wide) as Symbolic;
  return normed('feed', dense('feed', hidden, bent), attended);
};

/** The prefix of all names of one block's layers, counted from 0. */
export const blockName = (index: number): string => `block${index}`;

/** @throws FloeError `model_malformed` for more tokens than there are positions */
export const encoder =
  (config: EncoderConfig, { length, classes }: EncoderOptions): ModelFunction =>
  (tf) => {
    const { vocabulary, positions, types, hidden, epsilon, padding } = config;
    if (!Number.isSafeInteger(length) || length < 1 || length > positions)
      throw new FloeError(
        'model_malformed',
        `expected a length of 1 to ${positions} tokens, got ${length}`,
      );
    const layers = encoderLayers(tf);
    const ids = tf.input({ name: 'ids', shape: [length] });
    const sizes = { vocabulary, positions, types, size: hidden };
    const embeddings = layers.embeddings({ name: 'embeddings', ...sizes });
    const norm = tf.layers.layerNormalization({ name: 'embeddings_norm', epsilon });
    let x = norm.apply(embeddings.apply(ids)) as Symbolic;
    for (let i = 0; i < config.layers; i += 1) x = block(tf, config, blockName(i), x, ids);
    const pooled = layers.pooling({ name: 'pooling', padding }).apply([x, ids]) as Symbolic;
    const outputs =
      classes === undefined
        ? pooled
        : (tf.layers
            .dense({ name: 'head', units: classes, activation: 'softmax' })
            .apply(pooled) as Symbolic);
    return tf.model({ name: 'encoder', inputs: ids, outputs });
  };
