/**
 * @module A dense layer with a low-rank adapter: y = f(x W + b + s (x A) B) with s = alpha / rank
 * (LoRA, Hu et al. 2022). W and b are the base's and do not train. Of kind `ffa` A is drawn from a
 * public seed and does not train either (FFA-LoRA, Sun et al. 2024), so that the mean of the
 * participants' B gives the mean of their products A B exactly.
 */
import type * as Tfjs from '@tensorflow/tfjs';
import { sha256, utf8 } from '../../protocol/bytes.ts';
import { FloeError } from '../../protocol/errors.ts';
import { fillUniform } from '../../protocol/model/first-model.ts';

type Tf = typeof Tfjs;
type Tensor = Tfjs.Tensor;
type Weight = ReturnType<Tfjs.layers.Layer['addWeight']>;

export type AdapterKind = 'ffa' | 'lora';

/** The configuration of an adapter in a topology, in addition to that of its dense layer. */
export interface AdapterArgs {
  readonly rank: number;
  readonly alpha: number;
  readonly adapter: AdapterKind;
  /** Of `ffa`: what A is drawn from, as text. */
  readonly seed: string;
}

/** Nothing up the sleeve: everybody's A unless a seed is given. */
export const DEFAULT_SEED = 'floe/ffa-lora/v1';

export const MAX_RANK = 1024;
/** The names of the two factors. Tensors named `lora_b` start as zeros (first-model.ts). */
export const FACTOR_A = 'lora_a';
export const FACTOR_B = 'lora_b';

/**
 * The frozen factor of `ffa`: [inputs, rank], row-major, uniform in (-1, 1) / sqrt(inputs), the
 * same bits on every machine for a seed, a layer's name and its sizes.
 */
export const frozenFactor = (
  seed: string,
  layer: string,
  inputs: number,
  rank: number,
): Float32Array => {
  const out = new Float32Array(inputs * rank);
  const key = sha256(utf8(JSON.stringify([DEFAULT_SEED, seed, layer, inputs, rank])));
  fillUniform(out, 1 / Math.sqrt(inputs), key);
  return out;
};

/** What tfjs's dense layer has, and does not declare. */
interface DenseParts {
  readonly kernel: Weight;
  readonly bias: Weight | null;
  readonly units: number;
  readonly activation: { apply(x: Tensor): Tensor };
}
type DenseArgs = Parameters<Tf['layers']['dense']>[0];

/** An adapted layer, for what reads its parts. */
export interface AdaptedDense extends Tfjs.layers.Layer, DenseParts {
  readonly args: AdapterArgs;
  /** A and B, [inputs, rank] and [rank, units], as they are now. */
  factors(): { readonly a: Tensor; readonly b: Tensor };
}

export const isAdapted = (layer: Tfjs.layers.Layer): layer is AdaptedDense =>
  layer.getClassName() === 'AdaptedDense';

/** @throws FloeError `model_malformed`: a topology may come from outside */
const checkArgs = (name: string, { rank, alpha, adapter, seed }: AdapterArgs): AdapterArgs => {
  const fail = (what: string, got: unknown): never => {
    throw new FloeError('model_malformed', `${name}: expected ${what}, got ${String(got)}`);
  };
  if (!Number.isSafeInteger(rank) || rank < 1 || rank > MAX_RANK)
    fail(`a rank of 1 to ${MAX_RANK}`, rank);
  if (!Number.isFinite(alpha) || alpha <= 0) fail('an alpha above 0', alpha);
  if (adapter !== 'ffa' && adapter !== 'lora') fail('an adapter of kind ffa or lora', adapter);
  if (typeof seed !== 'string' || seed.length > 200) fail('a seed of at most 200 characters', seed);
  return { rank, alpha, adapter, seed };
};

const adaptedDense = (tf: Tf) => {
  const Dense = tf.layers.dense({ units: 1 }).constructor as unknown as new (
    args: DenseArgs,
  ) => Tfjs.layers.Layer & DenseParts;
  return class AdaptedDense extends Dense {
    static className = 'AdaptedDense';
    readonly args: AdapterArgs;
    private first: Weight | Tensor | undefined;
    private second: Weight | undefined;

    constructor(args: DenseArgs & AdapterArgs) {
      super(args);
      this.args = checkArgs(this.name, args);
    }

    override build(inputShape: (number | null)[]): void {
      super.build(inputShape);
      const inputs = inputShape.at(-1) ?? 1;
      const { rank, adapter, seed } = this.args;
      // A flag of the weights would not do: a sequential model that is applied resets it.
      this.nonTrainableWeights = this.trainableWeights;
      this.trainableWeights = [];
      const shape: [number, number] = [inputs, rank];
      this.first =
        adapter === 'lora'
          ? this.addWeight(FACTOR_A, shape, 'float32', tf.initializers.glorotUniform({}))
          : tf.keep(tf.tensor2d(frozenFactor(seed, this.name, inputs, rank), shape));
      const zeros = tf.initializers.zeros();
      this.second = this.addWeight(FACTOR_B, [rank, this.units], 'float32', zeros);
    }

    factors(): { readonly a: Tensor; readonly b: Tensor } {
      const { first, second } = this;
      if (first === undefined || second === undefined)
        throw new FloeError('internal', `${this.name} was not built`);
      return { a: 'read' in first ? first.read() : first, b: second.read() };
    }

    override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor {
      return tf.tidy(() => {
        this.invokeCallHook(inputs, kwargs);
        const input = Array.isArray(inputs) ? inputs[0] : inputs;
        if (input === undefined) throw new FloeError('internal', 'a dense layer without input');
        const x = tf.reshape(input, [-1, input.shape.at(-1) ?? 1]);
        const { a, b } = this.factors();
        const kernel = this.kernel.read() as Tfjs.Tensor2D;
        const base = tf.fused.matMul({
          a: x,
          b: kernel,
          ...(this.bias === null ? {} : { bias: this.bias.read() }),
        });
        const scale = this.args.alpha / this.args.rank;
        const adapted = tf.mul(tf.matMul(tf.matMul(x, a), b), scale);
        const y = this.activation.apply(tf.add(base, adapted));
        return tf.reshape(y, [...input.shape.slice(0, -1), this.units]);
      });
    }

    override dispose(): ReturnType<Tfjs.layers.Layer['dispose']> {
      const disposed = super.dispose();
      if (this.first !== undefined && !('read' in this.first)) this.first.dispose();
      return disposed;
    }

    override getConfig(): Tfjs.serialization.ConfigDict {
      return { ...super.getConfig(), ...this.args };
    }
  };
};

/** Batch normalisation of a frozen base: by the statistics that it came with, in training too. */
const frozenNormalization = (tf: Tf) => {
  const Normalization = tf.layers.batchNormalization({}).constructor as unknown as new (
    args: Parameters<Tf['layers']['batchNormalization']>[0],
  ) => Tfjs.layers.Layer;
  return class FrozenBatchNormalization extends Normalization {
    static className = 'FrozenBatchNormalization';

    override call(inputs: Tensor | Tensor[], kwargs: Record<string, unknown>): Tensor | Tensor[] {
      return super.call(inputs, { ...kwargs, training: false });
    }
  };
};

const known = new WeakSet<object>();

/** Makes the layers known to tfjs, so that it reads them from a topology; once for each tfjs. */
export const registerAdapterLayers = (tf: Tf): void => {
  if (known.has(tf.layers.Layer)) return;
  known.add(tf.layers.Layer);
  const register = tf.serialization.registerClass as (layer: unknown) => void;
  register(adaptedDense(tf));
  register(frozenNormalization(tf));
};
