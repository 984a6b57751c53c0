/** A run of test participants behind a real server, which `join` reaches by its address. */
import { functionTrainer } from '../../client/index.ts';
import {
  serve,
  type Coordinator,
  type CoordinatorInit,
  type Served,
} from '../../coordinator/index.ts';
import type { ServeOptions } from '../../coordinator/index.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import { stepOf } from './participants.ts';
import { createStage, DIMENSION, silent } from './run.ts';

/** A step in a direction that the seed gives: no data. */
export const stepTrainer = functionTrainer({
  manifest: { tensors: [{ name: 'w', shape: [DIMENSION], dtype: 'float32' }] },
  train: ({ weights, seed }) => ({
    weights: stepOf(weights, seed),
    examples: 5,
    lossSum: 1,
    correct: 2,
  }),
});

export interface ServedRun {
  readonly coordinator: Coordinator;
  readonly served: Served;
  /** `ws://host:port` or `wss://...` */
  readonly url: string;
  stop(): Promise<void>;
}

/** Started, on a free port of this machine. */
export const serveRun = async (
  spec: RunSpec,
  {
    init = {},
    ...options
  }: Partial<Pick<ServeOptions, 'host' | 'tls'>> & {
    readonly init?: Partial<CoordinatorInit>;
  } = {},
): Promise<ServedRun> => {
  const stage = await createStage(spec);
  const coordinator = stage.create(init);
  const served = await serve(coordinator, {
    host: '127.0.0.1',
    port: 0,
    store: stage.store,
    log: silent,
    ...options,
  });
  await coordinator.start();
  return {
    coordinator,
    served,
    url: served.url.replace('http', 'ws'),
    stop: async () => {
      await served.close();
      await coordinator.stop();
    },
  };
};
