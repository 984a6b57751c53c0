/**
 * @module The folder of a run has its data contract, as a file that `floe contract check` takes.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type NewRun, planRun } from '../../coordinator/state-folder.ts';
import { RUN_FILES } from '../../protocol/records/run-files.ts';
import { readContract } from '../../protocol/spec/contract-file.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import { makeRunSpec } from '../../protocol/spec/run-spec.ts';

it('a new run writes its contract beside the specification', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'floe-contract-file-'));
  try {
    const data: Contract = {
      version: 1,
      input: { type: 'array', shape: [4] },
      target: { type: 'classes', name: 'class', classes: ['a', 'b'] },
    };
    const model = {
      architecture: 'custom',
      tensors: [{ name: 'w', shape: [1], dtype: 'float32' as const }],
    };
    const begin = async () => ({ model });
    const spec: NewRun['spec'] = (fixed) => makeRunSpec({ ...fixed, data });
    const run = { begin, spec };
    const write = await planRun(folder, run, false);
    await write(new Uint8Array(32));
    expect(await readContract('contract', join(folder, RUN_FILES.contract))).toEqual(data);
  } finally {
    await rm(folder, { recursive: true });
  }
});
