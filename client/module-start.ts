/**
 * @module The first model of a run, by a user's own module: its model function, or the manifest of
 * the weights that the trainers of the participants train. Node only.
 */
import { FloeError } from '../protocol/errors.ts';
import type { Beginning } from '../protocol/model/run-start.ts';
import { modelOfModule } from './own-module.ts';
import { beginningOf, type ModelSettings } from './run-start.ts';

/**
 * @param url of the module
 * @throws FloeError `usage`, `file_not_found`, and what `beginningOf` throws
 */
export const beginningOfModule = async (
  url: string,
  settings: ModelSettings,
): Promise<Beginning> => {
  if (settings.model !== undefined)
    throw new FloeError('usage', '--model: expected it or --module, not both');
  const { model, manifest } = await modelOfModule(url);
  if (model !== undefined) return beginningOf({ ...settings, model });
  if (settings.from !== undefined)
    throw new FloeError('usage', '--from: expected a module with a model; it has a manifest alone');
  const tensors = (manifest?.tensors ?? []).map((tensor) => ({
    ...tensor,
    shape: [...tensor.shape],
  }));
  return { model: { architecture: 'custom', tensors } };
};
