/**
 * @module What local statistics and local layers ask of a model: that it has them, and that
 * something travels.
 */
import type { TensorSpec } from '../model/manifest.ts';
import { isOfLayer, localTensors, partsOf, type LocalSettings } from '../model/parts.ts';

/** @param fieldOf the place of a setting in the specification */
export const partViolations = (
  tensors: readonly TensorSpec[],
  settings: LocalSettings,
  fieldOf: (name: 'statistics' | 'localLayers') => string,
): readonly string[] => {
  const { statistics, localLayers = [] } = settings;
  const stranger = localLayers.find((layer) => !tensors.some((tensor) => isOfLayer(tensor, layer)));
  const hasNone = statistics === 'local' && localTensors(tensors, { statistics }).length === 0;
  const isAllLocal = partsOf(tensors, settings).trainable.length === 0;
  const cause = localLayers.length === 0 ? 'statistics' : 'localLayers';
  return [
    ...(stranger === undefined
      ? []
      : [`${fieldOf('localLayers')}: ${stranger}: the model has no such layer that trains`]),
    ...(hasNone ? [`${fieldOf('statistics')}: local, and the model has no statistics`] : []),
    ...(isAllLocal ? [`${fieldOf(cause)}: local, and no trainable tensor would travel`] : []),
  ];
};
