/**
 * @module Readers: who may open a model that should not, what can be read out of what may be opened, and what a reader is told that
 * everything holds of.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { toHex } from '../../protocol/bytes.ts';
import { makeScenario, runScenario, RUN_FILES } from '../../sim/index.ts';
import { floeIn } from '../support/floe.ts';
import { testIdentity } from '../support/run.ts';
import { writeTable } from '../support/table.ts';
import { byHand } from './collusion.ts';
import {
  eventually,
  fastClock,
  PATIENT,
  readBundle,
  readModel,
  realRun,
  type RealRun,
} from './real-run.ts';
import { cosine, minus, times } from './support.ts';

describe('who may read', () => {
  let run: RealRun;
  afterEach(() => run.stop());

  const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `h${i}`);

  it('who only logged in, and was in no cohort, opens the model and the bundle, and so the sum', async () => {
    run = await realRun({ cohort: { size: 5, minimum: 3 } });
    const members = await Promise.all(names(5).map((name) => run.join(name)));
    await eventually(() => run.records('open').length === 1, 'the round is open');
    const outsider = await testIdentity('outsider');
    byHand(run, outsider, () => undefined);
    await run.committed(1);
    const [commit] = run.records('commit');
    const model = await readModel(run, commit!.body.model, outsider);
    const bundle = await readBundle(run, commit!, outsider);

    expect(model).toEqual(await readModel(run, commit!.body.model, members[0]!.keystore.identity));
    expect(bundle.secrets).toHaveLength(5);
    expect(run.records('open')[0]!.body.invited.map(toHex)).not.toContain(
      toHex(outsider.publicKey),
    );
  });

  it('who was excluded for a proven lie still opens every later model', async () => {
    run = await realRun(
      { cohort: { size: 5, minimum: 3 }, deadlines: PATIENT },
      { clock: fastClock() },
    );
    await Promise.all(names(4).map((name) => run.join(name)));
    const liar = await run.liar('liar', { lie: { commitment: true } });
    await run.committed(1);
    const [failure] = await run.aborted(1);
    const [commit] = run.records('commit');

    expect(failure!.culprits).toEqual([toHex(liar.identity.publicKey)]);
    expect(await readModel(run, commit!.body.model, liar.identity)).toHaveLength(20);
    expect(await readBundle(run, commit!, liar.identity)).toMatchObject({ shares: [] });
  });

  it('who left after the first round still opens the model of the last', async () => {
    run = await realRun({ rounds: 2, cohort: { size: 5, minimum: 3 } });
    const leaver = await run.join('leaver');
    await Promise.all(names(4).map((name) => run.join(name)));
    await run.committed(1);
    await leaver.participant.stop();
    await run.committed(2);
    const commit = run.records('commit').at(-1);

    expect(await readModel(run, commit.body.model, leaver.keystore.identity)).toHaveLength(20);
  });

  it('any member subtracts two rounds, and has what the one late member added', async () => {
    run = await realRun({ rounds: 2, cohort: { size: 5, minimum: 3 } }, { startWith: 4 });
    const members = await Promise.all(names(4).map((name) => run.join(name)));
    await eventually(() => run.records('open').length === 1, 'the first round is open');
    const late = await run.join('late');
    await run.committed(2);
    const reader = members[0]!.keystore.identity;
    const [first, second] = run.records('commit');
    const [open] = run.records('open');
    const models = [
      await readModel(run, open!.body.model, run.stage.coordinatorIdentity),
      await readModel(run, first!.body.model, reader),
      await readModel(run, second!.body.model, reader),
    ] as const;
    const sums = [
      times(minus(models[1], models[0]), first!.body.weight),
      times(minus(models[2], models[1]), second!.body.weight),
    ] as const;

    expect(run.records('cohort').map(({ body }) => body.members.length)).toEqual([4, 5]);
    expect(cosine(minus(sums[1], sums[0]), late.update)).toBeGreaterThan(0.99);
  });
});

describe('what floe verify says of a folder', () => {
  let home: string;
  let folder: string;
  const floe = floeIn(() => home);
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'floe-reader-'));
    const data = await writeTable(join(home, 'table.csv'), { rows: 60, features: 4, classes: 2 });
    const scenario = makeScenario({
      participants: 3,
      cohort: 3,
      rounds: 1,
      seed: 'reader',
      data,
      model: 'linear',
      backend: 'wasm',
      workers: 1,
      baseline: false,
      substrate: 'local',
    });
    ({ folder } = await runScenario(scenario, { outDir: join(home, 'runs') }));
  }, 60_000);
  afterAll(() => rm(home, { recursive: true, force: true }));

  const changed = async (path: string) => {
    const whole = await readFile(join(folder, path));
    const copy = Buffer.from(whole);
    const at = copy.length >> 1;
    copy[at] = copy[at]! ^ 1;
    await writeFile(join(folder, path), copy);
    const ended = await floe(['verify', folder]);
    await writeFile(join(folder, path), whole);
    return ended;
  };

  it.each([
    ['the exported model', RUN_FILES.model],
    ['the weights exported for tfjs', `${RUN_FILES.tfjs}/weights.bin`],
    ['the topology exported for tfjs', `${RUN_FILES.tfjs}/model.json`],
    ['the specification that people read', RUN_FILES.specJson],
    ['the summary', RUN_FILES.summary],
    ['the report', RUN_FILES.report],
  ])('a byte of %s was changed', async (_, path) => {
    const { code, stdout } = await changed(path);

    expect(stdout).toContain('everything holds');
    expect(code).toBe(0);
  });

  it('a file was put there that is not of the run', async () => {
    await writeFile(join(folder, 'model-final.safetensors'), 'anything');
    const { code, stdout } = await floe(['verify', folder]);
    await rm(join(folder, 'model-final.safetensors'));

    expect(await readdir(folder)).toContain(RUN_FILES.model);
    expect(stdout).toContain('everything holds');
    expect(code).toBe(0);
  });
});
