import { createDataset, join } from '../../client/index.ts';
import { trainer } from './trainer.ts';

/** `inputs`: five numbers for each example, in the order of the run's contract. */
export const takePart = async (
  url: string,
  inputs: readonly number[][],
  labels: readonly number[],
  signal: AbortSignal,
) => {
  const features = Float32Array.from(inputs.flat());
  const examples = { features, labels: Int32Array.from(labels), featureShape: [5], classes: 2 };
  const run = await join(url, {
    trainer: trainer({ data: createDataset(examples) }),
    require: { minimum: 3, known: 0 },
    signal, // of the page's stop button
    onEvent: (event) => console.log(event.type), // joined, training, trained, committed
  });
  return run.finished;
};
