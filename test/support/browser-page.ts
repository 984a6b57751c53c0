/**
 * @module The page of test/client/chromium.test.ts: trains one small model in a browser on each
 * backend that it is told of, and shows what a participant there would be told.
 */
import { createDataset, join, tfjsTrainer } from '../../client/browser.ts';
import type { BackendOptions } from '../../client/tfjs/backends.ts';
import type { ModelFunction } from '../../client/tfjs/models.ts';
import { initialModel } from '../../protocol/model/first-model.ts';

const SIZE = 24;
const FEATURES = 6 * 6;
const CLASSES = 3;

/** Examples that every engine gets; for the run, as rows of numbers. */
export const examples = (featureShape: readonly number[] = [6, 6, 1]) =>
  createDataset({
    features: Float32Array.from({ length: SIZE * FEATURES }, (_, i) => Math.sin(i * i)),
    labels: Int32Array.from({ length: SIZE }, (_, i) => i % CLASSES),
    featureShape: [...featureShape],
    classes: CLASSES,
  });

/** A convolution, pooling and a dense layer. */
export const small: ModelFunction = (tf) =>
  tf.sequential({
    layers: [
      tf.layers.conv2d({ filters: 4, kernelSize: 3, activation: 'relu', inputShape: [6, 6, 1] }),
      tf.layers.maxPooling2d({ poolSize: 2 }),
      tf.layers.flatten(),
      tf.layers.dense({ units: CLASSES, activation: 'softmax' }),
    ],
  });

export interface Trained {
  /** The engine's description, or the reason why it does not run. */
  readonly backend: string;
  readonly weights?: readonly number[];
  readonly lossSum?: number;
  /** Of `evaluate` on the trained weights. */
  readonly evaluated?: number;
}

export const trainOn = async (backend: BackendOptions): Promise<Trained> => {
  try {
    const trainer = await tfjsTrainer({ model: small, data: examples(), backend });
    const seed = new Uint8Array(32).fill(3);
    const weights = initialModel({ ...trainer.manifest, seed });
    const request = { weights, round: 1, epochs: 3, batchSize: 8, learningRate: 0.1, seed };
    const trained = await trainer.train(request);
    const { lossSum } = await trainer.evaluate(trained.weights);
    const result = {
      backend: trainer.backend,
      weights: [...trained.weights],
      lossSum: trained.lossSum,
      evaluated: lossSum,
    };
    trainer.dispose();
    return result;
  } catch (thrown) {
    const { code, message } = thrown as { readonly code?: string; readonly message: string };
    return { backend: `${code}: ${message}` };
  }
};

/** Takes part in the run at `url`. @returns the lines that its user reads, and how it ended */
const takePart = async (url: string): Promise<Taken> => {
  const lines: string[] = [];
  const run = await join(url, {
    data: examples([FEATURES]),
    backend: 'fastest',
    wasmPath: '/files/',
    require: { minimum: 3, known: 0, steps: 1 },
    log: (_, line) => lines.push(line),
  });
  const { type } = await run.finished;
  return { lines, type };
};

export interface Taken {
  readonly lines: readonly string[];
  readonly type: string;
}

export interface PageResult {
  readonly trained: Partial<
    Readonly<Record<'named' | 'software' | 'fastest' | 'auto' | 'noWasm' | 'again', Trained>>
  >;
  readonly taken: Taken;
}

/** In a frame of its own, which has a tfjs of its own: it asks for its files once. */
const inFrame = (query: string): Promise<PageResult> =>
  new Promise((resolve) => {
    const frame = document.createElement('iframe');
    frame.src = `/?${query}`;
    addEventListener('message', ({ data }) => resolve(data as PageResult), { once: true });
    document.body.append(frame);
  });

/** Without its files, and once more with them. */
const withoutFiles = async (): Promise<Partial<PageResult['trained']>> => ({
  noWasm: await trainOn({ wasmPath: '/nowhere/' }),
  again: await trainOn({ wasmPath: '/files/' }),
});

export const page = async (query: URLSearchParams): Promise<Partial<PageResult>> => {
  const coordinator = query.get('coordinator');
  if (coordinator === null) return { trained: await withoutFiles() };
  const wasmPath = '/files/';
  return {
    trained: {
      named: await trainOn({ prefer: 'webgpu', wasmPath }),
      software: await trainOn({ prefer: 'webgpu', softwareGpu: true, wasmPath }),
      fastest: await trainOn({ prefer: 'fastest', wasmPath }),
      auto: await trainOn({ wasmPath }),
      ...(await inFrame('frame')).trained,
    },
    taken: await takePart(coordinator),
  };
};
