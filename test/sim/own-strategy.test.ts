/**
 * A strategy from a module outside the project: simulated, verified with the same module, refused
 * without.
 */
import { execFile } from 'node:child_process';
import { appendFile, copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sha256 } from '../../protocol/bytes.ts';
import { openVersion, verifyRun } from '../../protocol/verify/index.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { makeScenario, readRun, RUN_FILES, runScenario } from '../../sim/index.ts';
import { modelsOf } from '../../client/reader/signed-models.ts';
import { writeTable } from '../support/table.ts';

const EXAMPLE = 'examples/strategy/heavy-ball.ts';
const run = promisify(execFile);

let folder: string;
let module: string;
let own: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-own-'));
  // Outside of the project: what it imports are types alone.
  module = join(folder, 'mine.ts');
  await copyFile(EXAMPLE, module);
  const table = await writeTable(join(folder, 'table.csv'), { rows: 200, features: 5, classes: 2 });
  const scenario = makeScenario({
    participants: 5,
    cohort: 5,
    rounds: 3,
    data: table,
    model: 'mlp:4',
    backend: 'wasm',
    workers: 1,
    baseline: false,
    substrate: 'local',
    strategy: { name: 'heavy-ball', parameters: { fullSteps: 5 } },
    strategyModules: [module],
  });
  ({ folder: own } = await runScenario(scenario, { outDir: join(folder, 'runs') }));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const opened = async () => {
  const { spec, transcript, auditorSeed } = await readRun(own);
  const gate = sealedBoxGate(await identityFromSeed(auditorSeed!));
  return { spec, transcript, gate, store: directoryStore(join(own, RUN_FILES.blobs)) };
};

const verify = async (...flags: string[]): Promise<{ code: number; text: string }> => {
  try {
    const { stdout } = await run('node', ['cli/main.ts', 'verify', own, '--json', ...flags]);
    return { code: 0, text: stdout };
  } catch (thrown) {
    const { code, stdout, stderr } = thrown as { code: number; stdout: string; stderr: string };
    return { code, text: stdout + stderr };
  }
};

describe('a strategy of a module outside the project', () => {
  it('runs masked, carries its state, and verifies to level 1', async () => {
    const { spec, transcript, gate, store } = await opened();
    expect(spec.strategy).toMatchObject({
      name: 'heavy-ball',
      code: sha256(await readFile(module)),
      parameters: [
        { name: 'friction', value: 0.1 },
        { name: 'fullSteps', value: 5 },
      ],
    });
    expect(await verifyRun({ spec, transcript, store, gate })).toMatchObject({
      ok: true,
      level: 'L1',
    });
    const contents = await Promise.all(
      modelsOf({ spec, transcript }).map(async (model) => {
        const cipher = await store.get(model.blob);
        return openVersion({ run: hashRunSpec(spec), model, cipher }, spec.model, gate);
      }),
    );
    expect(contents).toHaveLength(4);
    // The velocity is what the model moved by, in each round, up to one rounding of a sum.
    for (const [i, { weights, state }] of contents.slice(1).entries())
      for (let k = 0; k < weights.length; k += 1)
        expect(weights[k]).toBe(Math.fround(contents[i]!.weights[k]! + state[k]!));
    expect(contents[3]!.state.some((value) => value !== 0)).toBe(true);
  });

  it('is verified in another process with the same module, and not without it or with another', async () => {
    const changed = join(folder, 'changed.ts');
    await copyFile(module, changed);
    await appendFile(changed, '// one comment more\n');
    // One after the other: the journal is opened by one process at a time.
    const same = await verify('--strategy-module', module);
    const none = await verify();
    const other = await verify('--strategy-module', changed);
    expect(same).toMatchObject({ code: 0, text: expect.stringContaining('"level":"L1"') });
    expect(none.text).toContain('strategy_unknown');
    expect(none.text).toContain('it is not registered');
    expect(other.text).toContain('other code has this name here');
    expect([none.code, other.code]).not.toContain(0);
  });
});
