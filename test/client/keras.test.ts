/**
 * Models in JSON: `to_json()` of Keras 3.15 (written by Keras itself), the forms of Keras 2.15, and
 * tfjs's own; what is code or unknown is refused by the layer's name.
 */
import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseModelJson } from '../../client/models/keras.ts';
import { modelByName, modelFromTopology } from '../../client/tfjs/models.ts';
import { selectBackend, type Tf } from '../../client/tfjs/backends.ts';
import { exportTfjs, manifestOf, topologyOf } from '../../client/tfjs/topology.ts';
import { wholeWeights } from '../../client/tfjs/whole-weights.ts';

let tf: Tf;
beforeAll(async () => {
  ({ tf } = await selectBackend({ prefer: 'cpu' }));
});

const fixture = (name: string): Promise<string> =>
  readFile(new URL(`keras/${name}.json`, import.meta.url), 'utf8');
const opened = async (text: string, shape?: readonly number[]) =>
  modelFromTopology(parseModelJson(text, shape))(tf);

describe('a model of Keras', () => {
  it.each([
    ['keras3-seq', [null, 4], [null, 3], 67],
    ['keras3-fun', [null, 16, 16, 3], [null, 5], 216 + 32 + 72 + 85],
    ['keras3-gru', [null, 10, 6], [null, 1], 3 * (6 * 7 + 49 + 7) + 8],
    ['keras3-lstm', [null, 10, 6], [null, 1], 2 * 4 * (6 * 7 + 49 + 7) + 45 + 6 + 31],
    ['keras2-seq', [null, 8, 8, 1], [null, 10], 40 + 16 + 1450],
    ['keras2-fun', [null, 6], [null, 1], 35 + 30 + 6],
  ])('%s has its shapes and parameters', async (name, input, output, parameters) => {
    const model = await opened(await fixture(name));
    expect(model.inputs[0]?.shape).toEqual(input);
    expect(model.outputs[0]?.shape).toEqual(output);
    expect(model.countParams()).toBe(parameters);
    const example = tf.ones([2, ...input.slice(1)] as number[]);
    const [first] = await (model.predict(example) as typeof example).data();
    expect(first).toBeTypeOf('number');
    // What the specification holds gives the same model again.
    const again = await modelFromTopology(topologyOf(model))(tf);
    expect(manifestOf(again)).toEqual(manifestOf(model));
  });

  it('keeps what its layers mean', async () => {
    const model = await opened(await fixture('keras3-fun'));
    expect(model.getLayer('leaky_re_lu').getConfig()['alpha']).toBe(0.2);
    expect(model.getLayer('dense_2').losses).toHaveLength(1);
    expect(model.getLayer('batch_normalization').getConfig()).toMatchObject({ momentum: 0.99 });
  });

  it('without an input layer takes the shape of the examples', async () => {
    const text = await fixture('keras3-unbuilt');
    expect(() => parseModelJson(text)).toThrow(/add an Input layer/u);
    expect((await opened(text, [7])).inputs[0]?.shape).toEqual([null, 7]);
  });
});

it('a model.json of tfjs gives the model, its weights left out', async () => {
  const model = await modelByName('cnn')(tf);
  const files = exportTfjs(manifestOf(model), wholeWeights(model), topologyOf(model));
  const again = await opened(new TextDecoder().decode(files['model.json']));
  expect(manifestOf(again)).toEqual(manifestOf(model));
});

describe('what is refused', () => {
  const changed = async (name: string, from: string | RegExp, to: string): Promise<string> => {
    const text = await fixture(name);
    const other = text.replace(from, to);
    expect(other).not.toBe(text);
    return other;
  };

  it.each([
    ['a Lambda', 'keras3-lambda', '', '', /Lambda "twice" is code/u],
    [
      'a Lambda of Keras 2',
      'keras2-fun',
      '"class_name":"Add"',
      '"class_name":"TFOpLambda"',
      /TFOpLambda "add" is code/u,
    ],
    [
      'a function as an activation',
      'keras3-seq',
      '"activation":"relu"',
      '"activation":{"module":"builtins","class_name":"function","config":"mine","registered_name":"function"}',
      /Dense "dense" holds a function/u,
    ],
    [
      "a class of the author's",
      'keras3-seq',
      '"noise_shape":null},"registered_name":null',
      '"noise_shape":null},"registered_name":"Mine>Noise"',
      /Dropout "dropout" is a class of its author's/u,
    ],
    [
      'a layer that tfjs lacks',
      'keras3-seq',
      '"class_name":"Dropout"',
      '"class_name":"MultiHeadAttention"',
      /MultiHeadAttention/u,
    ],
    [
      'half precision',
      'keras3-seq',
      '"config":{"name":"float32"},"registered_name":null},"units":8',
      '"config":{"name":"mixed_float16"},"registered_name":null},"units":8',
      /Dense "dense": expected the type float32, got "mixed_float16"/u,
    ],
    [
      'GRU with reset_after',
      'keras3-gru',
      '"reset_after":false',
      '"reset_after":true',
      /GRU "gru": reset_after=True/u,
    ],
    [
      'hard_sigmoid of Keras 3',
      'keras3-seq',
      '"activation":"relu"',
      '"activation":"hard_sigmoid"',
      /hard_sigmoid/u,
    ],
    [
      'a subclassed model',
      'keras3-seq',
      '"class_name":"Sequential"',
      '"class_name":"MyModel"',
      /a MyModel, whose layers are in code/u,
    ],
    ['a graph model', 'keras3-seq', '{', '{"format":"graph-model",', /graph model/u],
  ])('%s', async (_, name, from, to, reason) => {
    const text = from === '' ? await fixture(name) : await changed(name, from, to);
    await expect((async () => opened(text))()).rejects.toMatchObject({
      code: 'model_malformed',
      message: expect.stringMatching(reason),
    });
  });

  it('what is no model at all', () => {
    for (const text of ['', '[]', '{}', '"x"', '{"class_name": 3}'])
      expect(() => parseModelJson(text)).toThrow(
        expect.objectContaining({ code: 'model_malformed' }),
      );
    const deep = `{"class_name":"Sequential","config":{"name":"a","x":${'['.repeat(500)}${']'.repeat(500)}}}`;
    expect(() => parseModelJson(deep)).toThrow(/nested deeper/u);
  });
});
