/**
 * @module Converts the weights of a published encoder, from a safetensors file with PyTorch's
 * names, to the tensors of Floe's encoder. PyTorch stores linear layers as [outputs, inputs], Floe
 * as [inputs, outputs].
 */
import type { BaseWeights } from '../adapters/base.ts';
import { FloeError } from '../../protocol/errors.ts';
import { elementCount, type TensorSpec } from '../../protocol/model/manifest.ts';
import { decodeSafetensors } from '../../protocol/model/safetensors.ts';
import { blockName, type EncoderConfig } from './encoder.ts';

interface Source {
  readonly from: string;
  readonly to: string;
  readonly shape: readonly number[];
  /** Of a linear layer: `shape` is the transpose of the file's. */
  readonly linear?: boolean;
}

const blockMap = (index: number, { hidden, intermediate }: EncoderConfig): Source[] => {
  const file = `encoder.layer.${index}`;
  const own = blockName(index);
  const linear = (from: string, to: string, inputs: number, outputs: number): Source[] => [
    {
      from: `${file}.${from}.weight`,
      to: `${own}_${to}/kernel`,
      shape: [inputs, outputs],
      linear: true,
    },
    { from: `${file}.${from}.bias`, to: `${own}_${to}/bias`, shape: [outputs] },
  ];
  const norm = (from: string, to: string): Source[] =>
    normMap(`${file}.${from}`, `${own}_${to}`, hidden);
  return [
    ...linear('attention.self.query', 'query', hidden, hidden),
    ...linear('attention.self.key', 'key', hidden, hidden),
    ...linear('attention.self.value', 'value', hidden, hidden),
    ...linear('attention.output.dense', 'output', hidden, hidden),
    ...norm('attention.output.LayerNorm', 'attention_norm'),
    ...linear('intermediate.dense', 'intermediate', hidden, intermediate),
    ...linear('output.dense', 'feed', intermediate, hidden),
    ...norm('output.LayerNorm', 'feed_norm'),
  ];
};

const normMap = (from: string, to: string, hidden: number): Source[] => [
  { from: `${from}.weight`, to: `${to}/gamma`, shape: [hidden] },
  { from: `${from}.bias`, to: `${to}/beta`, shape: [hidden] },
];

/** Every tensor of an encoder without its head: its name in the file and here. */
export const encoderMap = (config: EncoderConfig): readonly Source[] => {
  const { vocabulary, positions, types, hidden, layers } = config;
  const table = (name: string, to: string, rows: number): Source => ({
    from: `embeddings.${name}_embeddings.weight`,
    to: `embeddings/${to}`,
    shape: [rows, hidden],
  });
  return [
    table('word', 'word', vocabulary),
    table('position', 'position', positions),
    table('token_type', 'type', types),
    ...normMap('embeddings.LayerNorm', 'embeddings_norm', hidden),
    ...Array.from({ length: layers }, (_, i) => blockMap(i, config)).flat(),
  ];
};

const transpose = (
  values: Float32Array,
  rows: number,
  columns: number,
  out: Float32Array,
): void => {
  for (let i = 0; i < rows; i += 1)
    for (let j = 0; j < columns; j += 1) out[j * rows + i] = values[i * columns + j] ?? 0;
};

/** Index tables that PyTorch stores next to the weights. */
const isIndex = (name: string): boolean => /(?:^|\.)position_ids$/u.test(name);

/**
 * The base of an encoder. Names may begin with `bert.`. Tensors that the encoder lacks (the pooler)
 * are skipped.
 *
 * @param file bytes of a safetensors file
 * @throws FloeError `tensor_malformed`, `base_mismatch` naming a tensor that is missing or has
 * another shape
 */
export const readEncoder = (
  config: EncoderConfig,
  file: Uint8Array,
  name?: string,
): BaseWeights => {
  const { manifest, flat } = decodeSafetensors(file, { ignore: isIndex });
  const places = new Map<string, { readonly at: number; readonly shape: readonly number[] }>();
  let at = 0;
  for (const tensor of manifest.tensors) {
    places.set(tensor.name.replace(/^bert\./u, ''), { at, shape: tensor.shape });
    at += elementCount(tensor.shape);
  }
  const sources = encoderMap(config);
  const tensors = sources.map(({ to, shape }): TensorSpec => ({
    name: to,
    shape,
    dtype: 'float32',
  }));
  const out = new Float32Array(sources.reduce((sum, { shape }) => sum + elementCount(shape), 0));
  let to = 0;
  for (const { from, shape, linear = false } of sources) {
    const place = places.get(from);
    const wanted = linear ? shape.toReversed() : shape;
    if (place === undefined || place.shape.join() !== wanted.join())
      throw new FloeError(
        'base_mismatch',
        `the encoder: expected ${from} of shape [${wanted.join(', ')}], got ` +
          (place === undefined ? 'no such tensor' : `[${place.shape.join(', ')}]`),
      );
    const size = elementCount(shape);
    const values = flat.subarray(place.at, place.at + size);
    const target = out.subarray(to, to + size);
    if (linear) transpose(values, wanted[0] ?? 1, wanted[1] ?? 1, target);
    else target.set(values);
    to += size;
  }
  return { manifest: { tensors }, flat: out, ...(name === undefined ? {} : { name }) };
};
