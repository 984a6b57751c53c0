/**
 * @module Errors of data, tensors and training.
 */
import { entry } from './entry.ts';

export const DATA = {
  tensor_malformed: entry(
    'data',
    'operator',
    false,
    'A tensor file or manifest is broken.',
    'Fetch or export the file again.',
  ),
  tensor_mismatch: entry(
    'data',
    'operator',
    false,
    'Tensors do not match the manifest in name, shape or type.',
    'Train the architecture that the run specification names.',
  ),
  base_mismatch: entry(
    'data',
    'participant',
    false,
    'The frozen base of this site differs from the one that the run specification names.',
    'Fetch the base whose hash the specification names, and give that file as the base.',
  ),
  adapters_inexact: entry(
    'data',
    'operator',
    false,
    'The run would average LoRA adapters, and the mean of both factors differs from the mean of their product.',
    'Use adapters of kind `ffa`, or set `inexactAverage` to accept it.',
  ),
  update_not_finite: entry(
    'data',
    'participant',
    false,
    'An update contains NaN or infinity.',
    'Lower the learning rate or check the data for NaN.',
  ),
  weight_out_of_range: entry(
    'data',
    'participant',
    false,
    'A claimed example count is not an integer in the allowed range.',
    'Report the number of examples trained on.',
  ),
  metric_out_of_range: entry(
    'data',
    'participant',
    false,
    'A metric is negative, not finite or too large to encode.',
    'Report loss sums and counts as finite numbers >= 0.',
  ),
  encoding_overflow: entry(
    'data',
    'coordinator',
    false,
    'The ring is too small for the cohort and the number of bits.',
    'Use fewer bits, a smaller cohort or a wider ring.',
  ),
  data_malformed: entry(
    'data',
    'participant',
    false,
    'A data file is not valid in its declared format.',
    'Check the file and the format.',
  ),
  data_unfit: entry(
    'data',
    'participant',
    false,
    'The data does not fit the model: shape, range, NaN or labels.',
    'See the preflight report for the first offending row.',
  ),
  trainer_failed: entry(
    'data',
    'participant',
    true,
    'The trainer threw an error.',
    'Correct the trainer of this participant, or its data. The message is the text of the thrown error. The participant takes part again in the next attempt.',
  ),
  trainer_lost: entry(
    'data',
    'participant',
    true,
    'The training thread ended unexpectedly.',
    'Nothing to do: the next attempt starts a new thread. If the error repeats, use a smaller batch or a machine with more memory.',
  ),
  correction_unsupported: entry(
    'data',
    'participant',
    false,
    "The strategy of the run corrects local steps, and this participant's trainer does not support corrections.",
    'Add the correction in the request to each gradient and set `corrections` of the trainer, or use the tfjs trainer.',
  ),
  backend_unavailable: entry(
    'data',
    'participant',
    false,
    'The requested training backend cannot run on this machine.',
    'Run `floe doctor` and choose a backend it lists.',
  ),
  model_malformed: entry(
    'data',
    'operator',
    false,
    'The model topology cannot be loaded.',
    'Export the model again with tf.LayersModel.',
  ),
} as const;
