/**
 * @module A random encoder of a few hundred weights under the names of PyTorch, its tokenizer, and
 * its forward pass in plain TypeScript over float64, written from the paper and not from Floe's.
 */
import { encodeSafetensors } from '../../protocol/model/safetensors.ts';
import { elementCount, type TensorSpec } from '../../protocol/model/manifest.ts';
import { randomStream } from '../../client/random.ts';
import { utf8 } from '../../protocol/bytes.ts';

export const TINY = {
  vocab_size: 40,
  max_position_embeddings: 12,
  type_vocab_size: 2,
  hidden_size: 8,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  intermediate_size: 16,
  layer_norm_eps: 1e-12,
  pad_token_id: 0,
  hidden_act: 'gelu',
  position_embedding_type: 'absolute',
  model_type: 'bert',
} as const;

type Tensors = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array }
>;

const shapes = (): [string, number[]][] => {
  const { hidden_size: h, intermediate_size: wide } = TINY;
  const linear = (name: string, out: number, into: number): [string, number[]][] => [
    [`${name}.weight`, [out, into]],
    [`${name}.bias`, [out]],
  ];
  const norm = (name: string): [string, number[]][] => [
    [`${name}.weight`, [h]],
    [`${name}.bias`, [h]],
  ];
  return [
    ['embeddings.word_embeddings.weight', [TINY.vocab_size, h]],
    ['embeddings.position_embeddings.weight', [TINY.max_position_embeddings, h]],
    ['embeddings.token_type_embeddings.weight', [TINY.type_vocab_size, h]],
    ...norm('embeddings.LayerNorm'),
    ...Array.from({ length: TINY.num_hidden_layers }, (_, i) => [
      ...['query', 'key', 'value'].flatMap((part) =>
        linear(`encoder.layer.${i}.attention.self.${part}`, h, h),
      ),
      ...linear(`encoder.layer.${i}.attention.output.dense`, h, h),
      ...norm(`encoder.layer.${i}.attention.output.LayerNorm`),
      ...linear(`encoder.layer.${i}.intermediate.dense`, wide, h),
      ...linear(`encoder.layer.${i}.output.dense`, h, wide),
      ...norm(`encoder.layer.${i}.output.LayerNorm`),
    ]).flat(),
    ...linear('pooler.dense', h, h),
  ];
};

/** The same for a seed. */
export const tinyTensors = (seed = 1): Tensors => {
  const stream = randomStream(new Uint8Array(32).fill(seed), 'tiny-encoder');
  return new Map(
    shapes().map(([name, shape]) => {
      const data = Float32Array.from({ length: elementCount(shape) }, () => {
        const uniform = stream.uint32() / 2 ** 31 - 1;
        return name.endsWith('LayerNorm.weight') ? 1 + 0.2 * uniform : 0.7 * uniform;
      });
      return [name, { shape, data }];
    }),
  );
};

/** As a file; `prefix` as some publish it. */
export const tinyFile = (tensors: Tensors, prefix = ''): Uint8Array<ArrayBuffer> => {
  const specs = [...tensors].map(([name, { shape }]): TensorSpec => ({
    name: prefix + name,
    shape,
    dtype: 'float32',
  }));
  const flat = new Float32Array(specs.reduce((sum, { shape }) => sum + elementCount(shape), 0));
  let at = 0;
  for (const { data } of tensors.values()) {
    flat.set(data, at);
    at += data.length;
  }
  return encodeSafetensors({ tensors: specs }, flat);
};

const WORDS =
  '[PAD] [UNK] [CLS] [SEP] win money now free prize call meeting list patch thanks code ##s ##ing the a to ' +
  '! . , $ 1 2 ##0 you we your we ##ly';

/** A WordPiece tokenizer of a few words, as tokenizer.json has it. */
export const tinyTokenizer = (): string => {
  const words = [...new Set(WORDS.split(' '))];
  const special = words.slice(0, 4).map((content, id) => ({
    id,
    content,
    special: true,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
  }));
  return JSON.stringify({
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, i) => [word, i])),
    },
  });
};

export const tinyConfig = (): Uint8Array => utf8(JSON.stringify(TINY));

type Rows = number[][];

/** x W' + b for W as PyTorch has it. */
const linear = (tensors: Tensors, name: string, rows: Rows): Rows => {
  const { shape, data } = tensors.get(`${name}.weight`)!;
  const bias = tensors.get(`${name}.bias`)!.data;
  const [out = 0, into = 0] = shape;
  return rows.map((row) =>
    Array.from({ length: out }, (_, j) =>
      row.reduce((sum, value, i) => sum + value * data[j * into + i]!, bias[j]!),
    ),
  );
};

const layerNorm = (tensors: Tensors, name: string, rows: Rows): Rows => {
  const gamma = tensors.get(`${name}.weight`)!.data;
  const beta = tensors.get(`${name}.bias`)!.data;
  return rows.map((row) => {
    const mean = row.reduce((a, b) => a + b, 0) / row.length;
    const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / row.length;
    const deviation = Math.sqrt(variance + TINY.layer_norm_eps);
    return row.map((value, i) => ((value - mean) / deviation) * gamma[i]! + beta[i]!);
  });
};

/** erf by its Taylor series, which converges for all x; enough terms for |x| < 6. */
const erf = (x: number): number => {
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n += 1) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
};

export const exactGelu = (x: number): number => (x / 2) * (1 + erf(x / Math.SQRT2));

const added = (a: Rows, b: Rows): Rows => a.map((row, i) => row.map((v, j) => v + b[i]![j]!));

const attend = (tensors: Tensors, name: string, x: Rows, ids: readonly number[]): Rows => {
  const [q, k, values] = ['query', 'key', 'value'].map((part) =>
    linear(tensors, `${name}.self.${part}`, x),
  ) as [Rows, Rows, Rows];
  const { hidden_size: hidden, num_attention_heads: heads } = TINY;
  const width = hidden / heads;
  return x.map((_, row) =>
    Array.from({ length: heads }, (__, head) => {
      const part = (vector: number[]): number[] => vector.slice(head * width, (head + 1) * width);
      const own = part(q[row]!);
      const weights = ids.map((id, at) => {
        if (id === TINY.pad_token_id) return 0;
        const product = part(k[at]!).reduce((sum, value, i) => sum + value * own[i]!, 0);
        return Math.exp(product / Math.sqrt(width));
      });
      const total = weights.reduce((a, b) => a + b, 0);
      return Array.from({ length: width }, (___, i) =>
        weights.reduce((sum, weight, at) => sum + (weight / total) * part(values[at]!)[i]!, 0),
      );
    }).flat(),
  );
};

/** The mean over the tokens of one text. */
export const referenceEmbedding = (tensors: Tensors, ids: readonly number[]): number[] => {
  const { hidden_size: h } = TINY;
  const row = (name: string, index: number): number[] => [
    ...tensors
      .get(`embeddings.${name}_embeddings.weight`)!
      .data.subarray(index * h, (index + 1) * h),
  ];
  const sums = ids.map((id, place) => {
    const parts = [row('word', id), row('position', place), row('token_type', 0)];
    return Array.from({ length: h }, (_, i) => parts.reduce((sum, part) => sum + part[i]!, 0));
  });
  let x = layerNorm(tensors, 'embeddings.LayerNorm', sums);
  for (let i = 0; i < TINY.num_hidden_layers; i += 1) {
    const name = `encoder.layer.${i}`;
    const mixed = linear(
      tensors,
      `${name}.attention.output.dense`,
      attend(tensors, `${name}.attention`, x, ids),
    );
    x = layerNorm(tensors, `${name}.attention.output.LayerNorm`, added(mixed, x));
    const wide = linear(tensors, `${name}.intermediate.dense`, x).map((r) => r.map(exactGelu));
    const fed = linear(tensors, `${name}.output.dense`, wide);
    x = layerNorm(tensors, `${name}.output.LayerNorm`, added(fed, x));
  }
  const kept = x.filter((_, i) => ids[i] !== TINY.pad_token_id);
  return Array.from({ length: h }, (_, i) => kept.reduce((s, r) => s + r[i]!, 0) / kept.length);
};
