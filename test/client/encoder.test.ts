/**
 * @module The transformer encoder against a forward pass of its own in plain TypeScript, its
 * gradients against finite differences, and what it refuses. Eager and recorded, on wasm.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { baseOf, loadBase, selectBase } from '../../client/adapters/base.ts';
import { createDataset } from '../../client/data/dataset.ts';
import { encoder, parseEncoderConfig } from '../../client/models/encoder.ts';
import { readEncoder } from '../../client/models/encoder-weights.ts';
import { gelu } from '../../client/models/layers.ts';
import { type Backend, selectBackend } from '../../client/tfjs/backends.ts';
import { modelFromTopology } from '../../client/tfjs/models.ts';
import { topologyOf } from '../../client/tfjs/topology.ts';
import { tfjsTrainer } from '../../client/tfjs/trainer.ts';
import { FloeError } from '../../protocol/errors.ts';
import { parameterCount } from '../../protocol/model/manifest.ts';
import { encodeSafetensors } from '../../protocol/model/safetensors.ts';
import {
  exactGelu,
  referenceEmbedding,
  TINY,
  tinyFile,
  tinyTensors,
} from '../support/tiny-encoder.ts';

const tensors = tinyTensors();
const config = parseEncoderConfig(JSON.stringify(TINY));
/** Two texts: one fills the length, one is padded. */
const TEXTS = [
  [2, 9, 4, 17, 30, 3],
  [2, 21, 3, 0, 0, 0],
];
let wasm: Backend;

beforeAll(async () => {
  wasm = await selectBackend({ prefer: 'wasm' });
});

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (thrown) {
    return thrown instanceof FloeError ? thrown.code : String(thrown);
  }
  return 'nothing thrown';
};

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((max, value, i) => Math.max(max, Math.abs(value - (b[i] ?? NaN))), 0);

const embedder = async () => {
  const model = await encoder(config, { length: 6 })(wasm.tf);
  for (const layer of model.layers) layer.trainable = false;
  loadBase(wasm.tf, model, readEncoder(config, tinyFile(tensors)));
  return model;
};

describe('the encoder', () => {
  it('embeds as the plain forward pass does, padded or not', async () => {
    const model = await embedder();
    const { tf } = wasm;
    const got = (model.predict(tf.tensor2d(TEXTS)) as ReturnType<typeof tf.tensor>).dataSync();
    const wanted = TEXTS.flatMap((ids) => referenceEmbedding(tensors, ids));
    expect(worst(got, wanted)).toBeLessThan(2e-5);
    model.dispose();
  });

  it('is the same model from its topology, and from a file whose names begin with bert.', async () => {
    const first = await embedder();
    const second = await modelFromTopology(topologyOf(first))(wasm.tf);
    loadBase(wasm.tf, second, readEncoder(config, tinyFile(tensors, 'bert.')));
    expect(baseOf(second).flat).toEqual(baseOf(first).flat);
    first.dispose();
    second.dispose();
  });

  it('takes GELU within 1e-6 of the exact one', () => {
    const { tf } = wasm;
    const at = Array.from({ length: 101 }, (_, i) => (i - 50) / 10);
    const got = tf.tidy(() => gelu(tf, tf.tensor1d(at)).dataSync());
    expect(worst(got, at.map(exactGelu))).toBeLessThan(1e-6);
  });

  it('ignores the table of indices that PyTorch keeps, and no other integers', () => {
    const file = tinyFile(tensors);
    const view = new DataView(file.buffer);
    const header = Number(view.getBigUint64(0, true));
    const json = JSON.parse(
      new TextDecoder().decode(file.subarray(8, 8 + header)).trim(),
    ) as object;
    const end = file.length - 8 - header;
    const withTable = (name: string): Uint8Array => {
      const entry = { dtype: 'I64', shape: [1, 2], data_offsets: [end, end + 16] };
      const text = new TextEncoder().encode(JSON.stringify({ ...json, [name]: entry }));
      const out = new Uint8Array(8 + text.length + end + 16);
      new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
      out.set(text, 8);
      out.set(file.subarray(8 + header), 8 + text.length);
      return out;
    };
    const plain = readEncoder(config, file);
    expect(readEncoder(config, withTable('embeddings.position_ids')).flat).toEqual(plain.flat);
    expect(codeOf(() => readEncoder(config, withTable('embeddings.other')))).toBe(
      'tensor_malformed',
    );
  });

  it('names what is missing, and a config that it cannot be', () => {
    const fewer = new Map([...tensors].filter(([name]) => !name.includes('layer.1.output.dense')));
    expect(codeOf(() => readEncoder(config, tinyFile(fewer)))).toBe('base_mismatch');
    const one = encodeSafetensors(
      { tensors: [{ name: 'x', shape: [1], dtype: 'float32' }] },
      new Float32Array(1),
    );
    expect(() => readEncoder(config, one)).toThrow('embeddings.word_embeddings.weight');
    for (const wrong of [
      { ...TINY, hidden_size: 9 },
      { ...TINY, hidden_act: 'relu' },
      { ...TINY, num_hidden_layers: 0 },
      { ...TINY, position_embedding_type: 'relative_key' },
    ])
      expect(codeOf(() => parseEncoderConfig(JSON.stringify(wrong)))).toBe('model_malformed');
    expect(codeOf(() => parseEncoderConfig('no'))).toBe('model_malformed');
    expect(codeOf(() => encoder(config, { length: 13 })(wasm.tf))).toBe('model_malformed');
  });
});

describe('training all of an encoder', () => {
  const data = createDataset({
    features: Float32Array.from(TEXTS.flat()),
    labels: Int32Array.of(0, 1),
    featureShape: [6],
    classes: 2,
  });
  const model = encoder(config, { length: 6, classes: 2 });

  it('is recorded on wasm, and its gradients are those of finite differences', async () => {
    const trainer = await tfjsTrainer({ model, data, backend: wasm });
    expect(trainer.backend).toContain('recorded once');
    const start = Float32Array.from({ length: parameterCount(trainer.manifest) }, (_, i) =>
      Math.sin(i),
    );
    const source = readEncoder(config, tinyFile(tensors));
    const body = {
      tensors: trainer.manifest.tensors.filter(({ name }) => !name.startsWith('head')),
    };
    // The head is last, as in the model.
    start.set(selectBase(body, source).flat);
    const rate = 1e-2;
    const { weights } = await trainer.train({
      weights: start,
      round: 1,
      epochs: 1,
      batchSize: 2,
      learningRate: rate,
      seed: new Uint8Array(32),
    });
    const lossAt = async (index: number, by: number): Promise<number> => {
      const moved = start.slice();
      moved[index] = (moved[index] ?? 0) + by;
      return (await trainer.evaluate(moved)).lossSum / data.size;
    };
    const step = 1e-2;
    for (let i = 3; i < start.length; i += 61) {
      const slope = ((await lossAt(i, step)) - (await lossAt(i, -step))) / (2 * step);
      expect(Math.abs((start[i]! - weights[i]!) / rate - slope), `weight ${i}`).toBeLessThan(2e-3);
    }
    trainer.dispose();
  });
});
