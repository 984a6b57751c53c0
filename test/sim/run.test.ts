/**
 * Whole runs of small scenarios with the production coordinator and participants, in worker
 * threads.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sealedBoxGate } from '../../protocol/ports/sealed-box-gate.ts';
import { directoryStore } from '../../protocol/ports/directory-store.ts';
import { identityFromSeed } from '../../protocol/ports/identity.ts';
import { hashRunSpec } from '../../protocol/spec/run-spec.ts';
import { decodeTranscript } from '../../protocol/records/transcript.ts';
import { openModel, verifyRun } from '../../protocol/verify/index.ts';
import {
  makeScenario,
  readRun,
  RUN_FILES,
  runScenario,
  summarySchema,
  type RunResult,
  type ScenarioEvent,
  type ScenarioInput,
} from '../../sim/index.ts';
import { writeTable } from '../support/table.ts';

let folder: string;
let table: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-sim-'));
  table = await writeTable(join(folder, 'table.csv'), { rows: 360, features: 6, classes: 3 });
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const run = async (
  input: ScenarioInput,
  onEvent?: (event: ScenarioEvent) => void,
  signal?: AbortSignal,
): Promise<RunResult> =>
  runScenario(
    makeScenario({
      participants: 5,
      cohort: 5,
      rounds: 2,
      data: table,
      model: 'mlp:8',
      backend: 'wasm',
      workers: 1,
      baseline: false,
      substrate: 'local',
      ...input,
    }),
    {
      outDir: join(folder, 'runs'),
      ...(onEvent === undefined ? {} : { onEvent }),
      ...(signal === undefined ? {} : { signal }),
    },
  );

describe('runScenario', () => {
  it('ends with a folder that is whole, says what happened, and verifies to level 1', async () => {
    const events: ScenarioEvent[] = [];
    const { summary, folder: own } = await run({ baseline: true, rounds: 3 }, (event) =>
      events.push(event),
    );
    expect(
      v.parse(summarySchema, JSON.parse(await readFile(join(own, 'summary.json'), 'utf8'))),
    ).toEqual(summary);
    expect(summary).toMatchObject({
      status: 'complete',
      rounds: 3,
      participants: 5,
      cohort: 5,
      masked: true,
      attemptsAborted: 0,
      seed: '1',
    });
    expect(summary.testAccuracy).toBeGreaterThan(0.8);
    expect(summary.baselineAccuracy).toBeGreaterThan(0.8);
    expect(summary.history.every((attempt) => attempt.testAccuracy !== undefined)).toBe(true);
    // Every member uploads the ring vector of all lanes: more than two bytes a parameter for each
    // round.
    expect(summary.bytesUp).toBeGreaterThan(3 * 5 * 2 * summary.parameters);
    expect(events.filter((event) => event.type === 'round')).toHaveLength(3);
    expect((await readdir(own)).toSorted()).toEqual([
      'auditor.key',
      'blobs',
      'contract.json',
      'history.jsonl',
      'journal.sqlite',
      'model.safetensors',
      'report.html',
      'scenario.json',
      'spec.cbor',
      'spec.json',
      'summary.json',
      'tfjs',
      'transcript.bin',
    ]);
    expect((await stat(join(own, 'auditor.key'))).mode & 0o777).toBe(0o600);
    expect(join(folder, 'runs', await readlink(join(folder, 'runs', 'latest')))).toBe(own);
    const stored = await readRun(join(folder, 'runs', 'latest'));
    const result = await verifyRun({
      spec: stored.spec,
      transcript: stored.transcript,
      store: directoryStore(join(stored.folder, RUN_FILES.blobs)),
      gate: sealedBoxGate(await identityFromSeed(stored.auditorSeed as Uint8Array)),
    });
    expect(result).toMatchObject({ ok: true, level: 'L1', modelHash: summary.modelHash });
  });

  it('the same seed gives the same model, on any number of workers; another seed another', async () => {
    const first = await run({});
    const again = await run({ workers: 2 });
    const other = await run({ seed: '2' });
    expect(again.summary.modelHash).toBe(first.summary.modelHash);
    expect(again.summary.run).toBe(first.summary.run);
    expect(other.summary.modelHash).not.toBe(first.summary.modelHash);
  });

  // More participants than fit a round, so who is invited counts too; the ring's arithmetic is
  // exact, so the sums are equal.
  it.each([
    ['nobody lost', {}],
    ['some lost', { register: 1 / 7, upload: 1 / 7 }],
  ] as const)(
    'masked and unmasked runs of one seed end with the same model: %s',
    async (_, drops) => {
      const input: ScenarioInput = { participants: 10, cohort: 7, rounds: 4, drops };
      const [masked, open] = [await run(input), await run({ ...input, mask: false })];
      expect(masked.summary.run).not.toBe(open.summary.run);
      expect(open.summary.modelHash).toBe(masked.summary.modelHash);
      const survivors = 'register' in drops ? 6 : 7;
      expect(masked.summary.history.map((attempt) => attempt.survivors)).toEqual(
        Array(4).fill(survivors),
      );
      expect(open.summary.history.map((attempt) => attempt.survivors)).toEqual(
        Array(4).fill(survivors),
      );
    },
  );

  // Cohort of 7: threshold 5, so two may be lost in any phase.
  it.each([
    ['register', 5],
    ['share', 5],
    ['upload', 7],
    ['consistent', 7],
    ['unmask', 7],
  ] as const)('two of seven lost after %s: the run continues', async (phase, survivors) => {
    const input: ScenarioInput = {
      participants: 9,
      cohort: 7,
      drops: { [phase]: 2 / 7 },
      mask: true,
    };
    const dropped: string[] = [];
    const first = await run(input, (event) => {
      if (event.type === 'dropped') dropped.push(`${event.attempt}/${event.phase}`);
    });
    expect(dropped.toSorted()).toEqual([`1/${phase}`, `1/${phase}`, `2/${phase}`, `2/${phase}`]);
    expect(first.summary.rounds).toBe(2);
    expect(first.summary.attemptsAborted).toBe(0);
    expect(first.summary.history.map((attempt) => attempt.survivors)).toEqual([
      survivors,
      survivors,
    ]);
    expect(first.summary.history.map((attempt) => attempt.cohort)).toEqual([7, 7]);
  });

  it('a run that loses some in every phase repeats', async () => {
    const input: ScenarioInput = {
      participants: 9,
      cohort: 7,
      rounds: 3,
      drops: { register: 1 / 7, share: 1 / 7, unmask: 1 / 7 },
    };
    const [first, again] = [await run(input), await run({ ...input, workers: 2 })];
    expect(again.summary.modelHash).toBe(first.summary.modelHash);
    expect(first.summary.history.map((attempt) => attempt.survivors)).toEqual([5, 5, 5]);
  });

  it('stops cleanly in the middle and leaves a folder that does not look finished', async () => {
    const abort = new AbortController();
    const stopped = run(
      { rounds: 500, seed: 'stopped' },
      (event) => {
        if (event.type === 'round' && event.round.version === 2) abort.abort();
      },
      abort.signal,
    );
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    const names = (await readdir(join(folder, 'runs'))).filter((name) => name.includes('stopped'));
    expect(names).toHaveLength(1);
    expect(names[0]).toMatch(/\.partial$/);
    const files = await readdir(join(folder, 'runs', names[0] as string));
    expect(files).toContain('transcript.bin');
    expect(files).not.toContain('summary.json');
    expect(files).not.toContain('model.safetensors');
  });

  it('stops at the wanted accuracy', async () => {
    const { summary } = await run({ rounds: 200, targetAccuracy: 0.6 });
    expect(summary.status).toBe('target');
    expect(summary.rounds).toBeLessThan(200);
    expect(
      Math.max(...summary.history.map((attempt) => attempt.testAccuracy ?? 0)),
    ).toBeGreaterThanOrEqual(0.6);
  });

  it('no artefact but the export holds any model in clear, neither while the run continues nor after', async () => {
    const kept: { name: string; bytes: Buffer }[] = [];
    const keep = (own: string): void => {
      for (const entry of readdirSync(own, { recursive: true, withFileTypes: true }))
        if (entry.isFile())
          kept.push({ name: entry.name, bytes: readFileSync(join(entry.parentPath, entry.name)) });
    };
    let partial = '';
    // Such an attacker keeps models from round to round.
    const attack = ['free-rider-last:0.2'];
    const result = await run({ rounds: 3, drops: { share: 1 / 5 }, attack }, (event) => {
      if (event.type === 'started') partial = event.folder;
      // The journal is open now: its write-ahead log is a file of its own.
      if (event.type === 'round') keep(partial);
    });
    const names = kept.map(({ name }) => name);
    expect(names).toContain('journal.sqlite-wal');
    expect(names.some((name) => name.endsWith('.attack'))).toBe(true);
    keep(result.folder);
    const { spec, transcript, auditorSeed } = await readRun(result.folder);
    const gate = sealedBoxGate(await identityFromSeed(auditorSeed as Uint8Array));
    const store = directoryStore(join(result.folder, RUN_FILES.blobs));
    const hash = hashRunSpec(spec);
    const models: Float32Array[] = [];
    for (const { record } of decodeTranscript(hash, transcript).entries)
      if (record.type === 'commit' || (record.type === 'open' && record.attempt === 1)) {
        const { model } = record.body;
        const cipher = await store.get(model.blob);
        models.push(await openModel({ run: hash, model, cipher }, spec.model, gate));
      }
    expect(models).toHaveLength(4);
    // Four weights in a row from the middle of the first layer, of each model and of each step
    // between two.
    const steps = models.slice(1).map((after, i) => after.map((w, k) => w - models[i]![k]!));
    const holders = [...models, ...steps].map((values) => {
      // A unit that never fires has equal steps: four that differ are looked for.
      const at = values.findIndex((_, k) => k >= 16 && new Set(values.slice(k, k + 4)).size === 4);
      expect(at).toBeGreaterThanOrEqual(16);
      const pattern = Buffer.from(values.slice(at, at + 4).buffer);
      return [...new Set(kept.flatMap(({ name, bytes }) => (bytes.includes(pattern) ? name : [])))];
    });
    // The last model is found where it is exported, so the search can find.
    expect(holders[3]?.toSorted()).toEqual(['model.safetensors', 'weights.bin']);
    expect(holders.toSpliced(3, 1).flat()).toEqual([]);
  });

  it('refuses data that does not fit, before anything is written', async () => {
    const before = await readdir(join(folder, 'runs'));
    await expect(run({ model: 'cnn' })).rejects.toMatchObject({ code: 'usage' });
    await expect(run({ task: { type: 'binary' } })).rejects.toMatchObject({ code: 'data_unfit' });
    await expect(run({ data: join(folder, 'missing.csv') })).rejects.toMatchObject({
      code: 'file_not_found',
    });
    await expect(run({ participants: 400, cohort: 5 })).rejects.toMatchObject({ code: 'usage' });
    expect(await readdir(join(folder, 'runs'))).toEqual(before);
  });
});

describe('makeScenario', () => {
  it.each([
    [{ participants: 2 }, /--participants/],
    [{ cohort: 11, participants: 10 }, /--cohort/],
    [{ cohort: 5, minimum: 6 }, /--minimum/],
    [{ rounds: 0 }, /--rounds/],
    [{ rounds: 1.5 }, /--rounds/],
    [{ seed: '' }, /--seed/],
    [{ bits: 3 }, /--bits/],
    [{ learningRate: Number.NaN }, /--learning-rate/],
    [{ targetAccuracy: 1.5 }, /--target-accuracy/],
    [{ mask: false, drops: { share: 0.1 } }, /no phase share/],
    [{ drops: { share: 0.5 } }, /--drop/],
    [{ surprise: 1 }, /surprise/],
  ])('refuses %j', (input, message) => {
    expect(() => makeScenario(input as ScenarioInput)).toThrow(message);
    expect(() => makeScenario(input as ScenarioInput)).toThrow(
      expect.objectContaining({ code: 'usage' }),
    );
  });
});
