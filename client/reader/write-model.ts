/**
 * @module A model in clear as files: safetensors, and the format of tfjs. Node only.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeSafetensors } from '../../protocol/model/index.ts';
import { writeWhole } from '../../protocol/ports/files.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import type { RunSpec } from '../../protocol/spec/run-spec.ts';
import type { Topology } from '../tfjs/models.ts';

/** The model in clear: safetensors, and tfjs's own format where the topology is known. */
export const writeModel = async (
  folder: string,
  spec: RunSpec,
  weights: Float32Array,
  topology: Topology | undefined,
): Promise<void> => {
  const manifest = { tensors: spec.model.tensors };
  await writeWhole(join(folder, RUN_FILES.model), encodeSafetensors(manifest, weights));
  if (topology === undefined) return;
  await mkdir(join(folder, RUN_FILES.tfjs), { recursive: true });
  const { exportTfjs } = await import('../tfjs/topology.ts');
  for (const [name, bytes] of Object.entries(exportTfjs(manifest, weights, topology)))
    // oxlint-disable-next-line no-await-in-loop
    await writeWhole(join(folder, RUN_FILES.tfjs, name), bytes);
};
