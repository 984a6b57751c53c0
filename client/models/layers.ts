/**
 * @module The layers of a transformer encoder that tfjs does not have: embeddings of tokens and
 * positions, attention with several heads (Vaswani et al. 2017), GELU (Hendrycks and Gimpel 2016),
 * the mean over the tokens. Weights that may take adapters are in separate plain dense layers.
 * Every operation can be recorded.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { FloeError } from '../../protocol/errors.ts';

type Tf = typeof Tfjs;
type Tensor = Tfjs.Tensor;
type Shape = (number | null)[];
/** What `tf.layers.Layer` keeps of a weight, and does not export. */
type Weight = ReturnType<Tfjs.layers.Layer['addWeight']>;
type LayerArgs = ConstructorParameters<typeof Tfjs.layers.Layer>[0];

export interface EmbeddingArgs {
  readonly vocabulary: number;
  readonly positions: number;
  readonly types: number;
  readonly size: number;
}

export interface AttentionArgs {
  readonly heads: number;
  /** The id of padding tokens, which attention ignores. */
  readonly padding: number;
}

const BIG = 1e9;

/** Abramowitz and Stegun 7.1.26, of |x|: at most 1.5e-7 from erf. */
const ERF = {
  p: 0.3275911,
  a: [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592],
};

/** The distribution function of the normal distribution, from exp alone: every engine has it. */
const normalCdf = (tf: Tf, x: Tensor): Tensor => {
  const z = tf.mul(tf.abs(x), Math.SQRT1_2);
  const t = tf.div(1, tf.add(tf.mul(z, ERF.p), 1));
  let sum: Tensor = tf.mul(t, ERF.a[0] ?? 0);
  for (const a of ERF.a.slice(1)) sum = tf.mul(tf.add(sum, a), t);
  const tail = tf.mul(tf.mul(sum, tf.exp(tf.neg(tf.square(z)))), 0.5);
  // x < 0: the tail itself; else what it leaves of 1.
  const negative = tf.cast(tf.less(x, 0), 'float32');
  return tf.add(tf.mul(negative, tail), tf.mul(tf.sub(1, negative), tf.sub(1, tail)));
};

/** x times the probability of a normal variable below x; its gradient is exact for that value. */
export const gelu = (tf: Tf, x: Tensor): Tensor => {
  const operation = tf.customGrad((...args: unknown[]) => {
    const [value, save] = args as [Tensor, (tensors: Tensor[]) => void];
    save([value]);
    const gradFunc = (dy: Tensor, saved: Tensor[]): Tensor => {
      const at = saved[0] ?? value;
      const density = tf.mul(tf.exp(tf.mul(tf.square(at), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.mul(dy, tf.add(normalCdf(tf, at), tf.mul(at, density)));
    };
    return { value: tf.mul(value, normalCdf(tf, value)), gradFunc };
  });
  return operation(x);
};

const several = (inputs: Tensor | Tensor[], count: number, name: string): Tensor[] => {
  const list = Array.isArray(inputs) ? inputs : [inputs];
  if (list.length !== count)
    throw new FloeError('model_malformed', `${name}: expected ${count} inputs, got ${list.length}`);
  return list;
};

const sizeOf = (value: number | null | undefined): number => value ?? 1;

/** 1 where a token is, 0 where padding is. */
const present = (tf: Tf, ids: Tensor, padding: number): Tensor =>
  tf.cast(tf.notEqual(ids, padding), 'float32');

const embeddingLayer = (tf: Tf) =>
  class TokenEmbeddings extends tf.layers.Layer {
    static className = 'TokenEmbeddings';
    private readonly sizes: EmbeddingArgs;
    private words: Weight | undefined;
    private places: Weight | undefined;
    private kinds: Weight | undefined;

    constructor(args: LayerArgs & EmbeddingArgs) {
      super(args);
      const { vocabulary, positions, types, size } = args;
      this.sizes = { vocabulary, positions, types, size };
    }

    override build(): void {
      const { vocabulary, positions, types, size } = this.sizes;
      const small = tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05 });
      this.words = this.addWeight('word', [vocabulary, size], 'float32', small);
      this.places = this.addWeight('position', [positions, size], 'float32', small);
      this.kinds = this.addWeight('type', [types, size], 'float32', small);
      this.built = true;
    }

    override computeOutputShape(input: Shape): Shape {
      return [...input, this.sizes.size];
    }

    override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor {
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        const [ids] = several(inputs, 1, this.name) as [Tensor];
        const { words, places, kinds } = this;
        if (words === undefined || places === undefined || kinds === undefined)
          throw new FloeError('internal', `${this.name} was not built`);
        const length = sizeOf(ids.shape[1]);
        const { size } = this.sizes;
        const word = tf.gather(words.read(), tf.cast(ids, 'int32'));
        const place = tf.slice(places.read(), [0, 0], [length, size]);
        return tf.add(word, tf.add(place, tf.slice(kinds.read(), [0, 0], [1, size])));
      });
    }

    override getConfig(): Tfjs.serialization.ConfigDict {
      return { ...super.getConfig(), ...this.sizes };
    }
  };

/** Heads apart: [batch, length, heads x width] to [batch, heads, length, width]. */
const apart = (tf: Tf, x: Tensor, heads: number): Tensor => {
  const [batch, length, size] = x.shape.map(sizeOf) as [number, number, number];
  return tf.transpose(tf.reshape(x, [batch, length, heads, size / heads]), [0, 2, 1, 3]);
};

const attentionLayer = (tf: Tf) =>
  /** Takes queries, keys, values, and the ids that tell where padding is, if anywhere. */
  class AttentionCore extends tf.layers.Layer {
    static className = 'AttentionCore';
    private readonly how: AttentionArgs;

    constructor(args: LayerArgs & AttentionArgs) {
      super(args);
      this.how = { heads: args.heads, padding: args.padding };
    }

    override computeOutputShape(input: Shape[]): Shape {
      return input[2] ?? [];
    }

    override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor {
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        const given = Array.isArray(inputs) ? inputs.length : 1;
        const parts = several(inputs, Math.max(3, Math.min(4, given)), this.name);
        const [q, k, v, ids] = parts as [Tensor, Tensor, Tensor, Tensor | undefined];
        const { heads, padding } = this.how;
        const [batch, length, size] = v.shape.map(sizeOf) as [number, number, number];
        const scores = tf.matMul(apart(tf, q, heads), apart(tf, k, heads), false, true);
        const scaled = tf.mul(scores, 1 / Math.sqrt(size / heads));
        const hidden =
          ids === undefined
            ? scaled
            : tf.add(
                scaled,
                tf.reshape(tf.mul(tf.sub(present(tf, ids, padding), 1), BIG), [
                  batch,
                  1,
                  1,
                  length,
                ]),
              );
        const weights = tf.softmax(hidden);
        const mixed = tf.matMul(weights, apart(tf, v, heads));
        return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch, length, size]);
      });
    }

    override getConfig(): Tfjs.serialization.ConfigDict {
      return { ...super.getConfig(), ...this.how };
    }
  };

const positionLayer = (tf: Tf) =>
  /** Adds a vector of its own to each step of a sequence. */
  class Positions extends tf.layers.Layer {
    static className = 'Positions';
    private places: Weight | undefined;

    override build(input: Shape | Shape[]): void {
      const [, steps, size] = input as Shape;
      const small = tf.initializers.randomUniform({ minval: -0.05, maxval: 0.05 });
      this.places = this.addWeight('position', [sizeOf(steps), sizeOf(size)], 'float32', small);
      this.built = true;
    }

    override computeOutputShape(input: Shape): Shape {
      return input;
    }

    override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor {
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        const [x] = several(inputs, 1, this.name) as [Tensor];
        if (this.places === undefined)
          throw new FloeError('internal', `${this.name} was not built`);
        return tf.add(x, tf.expandDims(this.places.read(), 0));
      });
    }
  };

const geluLayer = (tf: Tf) =>
  class Gelu extends tf.layers.Layer {
    static className = 'Gelu';

    override computeOutputShape(input: Shape): Shape {
      return input;
    }

    override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor {
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        return gelu(tf, (several(inputs, 1, this.name) as [Tensor])[0]);
      });
    }
  };

const poolingLayer = (tf: Tf) =>
  /** Takes the vectors of the tokens and their ids; the mean excludes padding. */
  class MeanPooling extends tf.layers.Layer {
    static className = 'MeanPooling';
    private readonly padding: number;

    constructor(args: LayerArgs & Pick<AttentionArgs, 'padding'>) {
      super(args);
      this.padding = args.padding;
    }

    override computeOutputShape(input: Shape[]): Shape {
      const [batch = null, , size = null] = input[0] ?? [];
      return [batch, size];
    }

    override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor {
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        const [x, ids] = several(inputs, 2, this.name) as [Tensor, Tensor];
        const kept = present(tf, ids, this.padding);
        const sum = tf.sum(tf.mul(x, tf.expandDims(kept, -1)), 1);
        return tf.div(sum, tf.maximum(tf.sum(kept, 1, true), 1));
      });
    }

    override getConfig(): Tfjs.serialization.ConfigDict {
      return { ...super.getConfig(), padding: this.padding };
    }
  };

/** One more argument than tfjs's own layers take, by name. */
export interface EncoderLayers {
  embeddings(args: LayerArgs & EmbeddingArgs): Tfjs.layers.Layer;
  attention(args: LayerArgs & AttentionArgs): Tfjs.layers.Layer;
  gelu(args: LayerArgs): Tfjs.layers.Layer;
  positions(args: LayerArgs): Tfjs.layers.Layer;
  pooling(args: LayerArgs & Pick<AttentionArgs, 'padding'>): Tfjs.layers.Layer;
}

const known = new WeakMap<object, EncoderLayers>();

/** Makes the layers known to tfjs, so that it reads them from a topology; once for each tfjs. */
export const encoderLayers = (tf: Tf): EncoderLayers => {
  const before = known.get(tf.layers.Layer);
  if (before !== undefined) return before;
  const Embeddings = embeddingLayer(tf);
  const Attention = attentionLayer(tf);
  const Gelu = geluLayer(tf);
  const Pooling = poolingLayer(tf);
  const Positions = positionLayer(tf);
  for (const layer of [Embeddings, Attention, Gelu, Pooling, Positions])
    tf.serialization.registerClass(layer);
  const made: EncoderLayers = {
    embeddings: (args) => new Embeddings(args),
    attention: (args) => new Attention(args),
    gelu: (args) => new Gelu(args),
    positions: (args) => new Positions(args),
    pooling: (args) => new Pooling(args),
  };
  known.set(tf.layers.Layer, made);
  return made;
};
