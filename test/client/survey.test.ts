/**
 * @module A survey of three sites under masks, from the draft of a contract to a model trained on
 * unscaled columns: its totals are those of the pooled table, exactly.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  applyContract,
  beginningOf,
  describeSurvey,
  join,
  memoryKeystore,
  modelOfSpec,
  openRun,
  parseContract,
  readSurvey,
  tfjsTrainer,
  weightCapOf,
  type Keystore,
  type ReadSurvey,
} from '../../client/index.ts';
import { readCsv } from '../../client/data/readers/csv.ts';
import { normal } from '../../client/data/sampling.ts';
import type { Column, Table } from '../../client/data/table.ts';
import type { NodeJoinOptions } from '../../client/join-node.ts';
import { newRun, startCoordinator, type StartedCoordinator } from '../../coordinator/index.ts';
import { FloeError } from '../../protocol/errors.ts';
import { cipherStream } from '../../protocol/ports/random.ts';
import type { Contract } from '../../protocol/spec/contract.ts';
import type { RunSettings } from '../../protocol/spec/settings.ts';
import { momentsOf } from '../../protocol/survey/facts.ts';
import { TEST_ADMISSION } from '../support/admission.ts';

const CLASSES = ['healthy', 'ill', 'recovered'] as const;

/** A draft as an operator writes it: names, types and ranges, no statistics of anybody. */
const DRAFT = parseContract({
  version: 1,
  input: {
    type: 'table',
    features: [
      { type: 'number', name: 'age', range: [0, 120] },
      { type: 'number', name: 'dose', range: [-50_000, 200_000] },
      { type: 'number', name: 'site', range: [0, 10] },
      { type: 'category', name: 'sex', values: ['f', 'm', 'x'] },
    ],
  },
  target: { type: 'classes', name: 'outcome', classes: [...CLASSES] },
});

const ROWS = 480;
/** Doses are thousands of times the ages; the column `site` is constant; some ages are missing. */
const LINES = (() => {
  const random = cipherStream(new Uint8Array(32).fill(5));
  return Array.from({ length: ROWS }, (_, i) => {
    const kind = i % 8 === 0 ? 2 : i % 2;
    const age = Math.round([35, 70, 50][kind]! + 6 * normal(random));
    const dose = ([20_000, 40_000, 90_000][kind]! + 8000 * normal(random)).toFixed(2);
    return {
      kind,
      text: `${i % 11 === 3 ? '' : age},${dose},4,${i % 3 === 0 ? 'f' : 'm'},${CLASSES[kind]}`,
    };
  });
})();

const read = (lines: readonly string[]): Promise<Table> =>
  readCsv(
    () => [new TextEncoder().encode(`age,dose,site,sex,outcome\n${lines.join('\n')}\n`)],
    'site.csv',
    {},
  );

/** The third site has nobody who recovered. */
const linesOf = (site: number): readonly string[] =>
  LINES.filter(({ kind }, i) => (kind === 2 ? Math.floor(i / 8) % 2 : i % 3) === site).map(
    ({ text }) => text,
  );

let folder: string;
let keys: Keystore;
let sites: readonly { readonly table: Table; readonly keystore: Keystore }[];
let pooled: Table;
let found: ReadSurvey;
const lines: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(joinPath(tmpdir(), 'floe-survey-'));
  keys = await memoryKeystore(new Uint8Array(32).fill(1));
  pooled = await read(LINES.map(({ text }) => text));
  sites = await Promise.all(
    [0, 1, 2].map(async (site) => ({
      table: await read(linesOf(site)),
      keystore: await memoryKeystore(new Uint8Array(32).fill(20 + site)),
    })),
  );
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = async (name: string, settings: RunSettings): Promise<StartedCoordinator> => {
  const state = joinPath(folder, name);
  const run = await newRun(state, {
    settings: { cohort: 3, minimum: 3, ...settings },
    begin: beginningOf,
  });
  return startCoordinator({ folder: state, keys, run });
};

const SURVEY = { ...TEST_ADMISSION, masked: true, survey: true };

const take = (url: string, site: number, over: Partial<NodeJoinOptions> = {}) =>
  join(url, {
    data: sites[site]!.table,
    keystore: sites[site]!.keystore,
    require: SURVEY,
    thread: false,
    log: (_, line) => lines.push(line),
    ...over,
  });

const numbersOf = (name: string): readonly number[] => {
  const column = pooled.columns.find((each) => each.name === name) as Column & { type: 'number' };
  return [...column.values].filter((value) => !Number.isNaN(value));
};

describe('a survey of three sites', () => {
  it('opens the totals of the pooled table, exactly, and verify accepts the run', async () => {
    await using coordinator = await start('survey', { survey: true, contract: DRAFT });
    const joined = await Promise.all([0, 1, 2].map((site) => take(coordinator.joinUrl, site)));
    await Promise.all(joined.map(({ finished }) => finished));
    await coordinator.finished;
    await coordinator.farewell();
    await using run = await openRun(joinPath(folder, 'survey'), {
      identity: async () => keys.identity,
    });
    found = await readSurvey(run, { classWeights: true });
    expect(await run.verify()).toMatchObject({ ok: true, level: 'L1' });

    const { totals } = found;
    expect(totals).toMatchObject({ sites: 3, rows: ROWS });
    for (const column of totals.columns)
      if (column.type === 'number') {
        const values = numbersOf(column.column.name);
        const { step, origin } = column.column.grid;
        const steps = values.map((value) => BigInt(Math.round(value / step) - origin));
        expect(column.known).toBe(values.length);
        expect(column.missing).toBe(ROWS - values.length);
        expect(column.sum).toBe(steps.reduce((a, b) => a + b, 0n));
        expect(column.squares).toBe(steps.reduce((a, b) => a + b * b, 0n));
        expect(column.bins[0]! + column.bins.at(-1)!).toBe(0);
        // Whole numbers are on the grid: no rounding at all.
        const mean = values.reduce((a, b) => a + b, 0) / values.length;
        if (column.column.name === 'age') expect(momentsOf(column).mean).toBe(mean);
        else expect(Math.abs(momentsOf(column).mean - mean)).toBeLessThan(step);
      }
    const count = (text: string): number => LINES.filter((line) => line.text.includes(text)).length;
    const counts = totals.columns.flatMap((each) => (each.type === 'values' ? [each.counts] : []));
    expect(counts).toEqual([
      [count(',f,'), count(',m,'), 0],
      CLASSES.map((name) => count(`,${name}`)),
    ]);
    expect(linesOf(2).some((line) => line.includes('recovered'))).toBe(false);
  });

  it('completes the contract: normalisation, a median for what is missing, class weights', () => {
    const { contract, facts } = found;
    const { input, target } = contract as Contract & { input: { type: 'table' } };
    const [age, dose, site, sex] = input.features;
    const ages = numbersOf('age').toSorted((a, b) => a - b);
    const median = ages[Math.floor(ages.length / 2)]!;
    expect((age as { missing: number }).missing).toBeGreaterThan(median - 3);
    expect((age as { missing: number }).missing).toBeLessThan(median + 3);
    const doses = numbersOf('dose');
    const mean = doses.reduce((a, b) => a + b, 0) / doses.length;
    const deviation = Math.sqrt(doses.reduce((a, b) => a + (b - mean) ** 2, 0) / doses.length);
    expect(dose).toMatchObject({
      normalise: {
        mean: expect.closeTo(mean, 1) as number,
        scale: expect.closeTo(deviation, 1) as number,
      },
    });
    expect(dose).not.toHaveProperty('missing');
    expect(site).toMatchObject({ normalise: { mean: 4, scale: 1 } });
    expect(sex).not.toHaveProperty('missing');
    const weights = (target as { weights: number[] }).weights;
    expect(weights[2]).toBeGreaterThan(3 * weights[0]! - 1);
    expect(weightCapOf(facts)).toBe(Math.ceil((2 * ROWS) / 3));
    const text = describeSurvey(facts).join('\n');
    expect(text).toContain('480 rows of 3 sites');
    expect(text).toMatch(/age .*missing 4\d/u);
  });

  it('says at the site what leaves', () => {
    expect(lines.filter((line) => line.startsWith('survey '))).toHaveLength(3);
    expect(lines.join('\n')).toMatch(/totals over all sites are opened/u);
  });

  it('leads to a model of unscaled columns as good as the pooled one', async () => {
    const { contract } = found;
    const training = { epochs: 3, batchSize: 16, learningRate: 0.3, rounds: 3 };
    await using coordinator = await start('train', {
      ...training,
      contract,
      model: 'linear',
      clipNorm: 8,
      ring: 'ring32',
      weightCap: weightCapOf(found.facts),
    });
    const require = { ...TEST_ADMISSION, masked: true };
    const joined = await Promise.all(
      [0, 1, 2].map((site) => take(coordinator.joinUrl, site, { require })),
    );
    await Promise.all(joined.map(({ finished }) => finished));
    const weights = (await joined[0]!.model())!;
    await coordinator.finished;
    const { spec } = coordinator;
    const { data } = applyContract(pooled, contract);
    const trainer = await tfjsTrainer({ model: modelOfSpec(spec), data, contract });
    const { correct, examples } = await trainer.evaluate(weights);
    trainer.dispose();
    expect(correct / examples).toBeGreaterThan(0.95);
  });
});

it('a site that is lost during the survey is not in its totals; those of the others are exact', async () => {
  const settings = {
    survey: true,
    contract: DRAFT,
    cohort: 4,
    minimum: 3,
    uploadDeadline: 5,
    consistencyDeadline: 5,
  };
  await using coordinator = await start('lost', settings);
  const keystore = await memoryKeystore(new Uint8Array(32).fill(60));
  const abort = new AbortController();
  const again = { survey: { again: true } };
  const lost = await take(coordinator.joinUrl, 0, {
    ...again,
    data: pooled,
    keystore,
    signal: abort.signal,
    // Its shares are with the others, so its masks can be removed from the sum.
    onEvent: ({ type }) => {
      if (type === 'trained') abort.abort();
    },
  });
  const others = await Promise.all([0, 1, 2].map((site) => take(coordinator.joinUrl, site, again)));
  await Promise.all(others.map(({ finished }) => finished));
  await lost.finished.catch(() => undefined);
  await coordinator.finished;
  await using run = await openRun(joinPath(folder, 'lost'), {
    identity: async () => keys.identity,
  });
  const { totals } = await readSurvey(run);
  expect(abort.signal.aborted).toBe(true);
  expect(totals).toMatchObject({ sites: 3, rows: ROWS });
  const age = totals.columns.find((each) => each.type === 'number' && each.column.name === 'age');
  expect(age).toMatchObject({ known: numbersOf('age').length });
}, 60_000);

describe('a participant', () => {
  it('answers one survey of a table, and another one where it is told to', async () => {
    const narrow = parseContract({
      ...DRAFT,
      input: { type: 'table', features: [{ type: 'number', name: 'age', range: [0, 110] }] },
    });
    await using coordinator = await start('second', { survey: true, contract: narrow });
    const refused = await take(coordinator.joinUrl, 0);
    await expect(refused.finished).rejects.toMatchObject({ code: 'survey_repeated' });
    const joined = await Promise.all(
      [0, 1, 2].map((site) => take(coordinator.joinUrl, site, { survey: { again: true } })),
    );
    await Promise.all(joined.map(({ finished }) => finished));
    await coordinator.finished;
  });

  it('takes part in a survey only where it consents to one, and then in nothing else', async () => {
    await using survey = await start('consent', { survey: true, contract: DRAFT });
    const unasked = await take(survey.joinUrl, 0, {
      require: { ...TEST_ADMISSION, masked: true },
      survey: { again: true },
    });
    await expect(unasked.finished).rejects.toMatchObject({
      code: 'admission_refused',
      details: { field: 'survey', flag: '--accept-survey' },
    });
    const model = { contract: found.contract, model: 'linear', rounds: 1 };
    await using training = await start('no-survey', model);
    const other = await take(training.joinUrl, 0);
    await expect(other.finished).rejects.toMatchObject({
      code: 'admission_refused',
      details: { field: 'survey' },
    });
  });

  it('asks for no file of a model, which a survey has not', async () => {
    await expect(take('ws://localhost', 0, { out: 'model' })).rejects.toMatchObject({
      code: 'usage',
    });
  });

  it('is refused for a column or value that the draft does not have', async () => {
    await using coordinator = await start('unmapped', { survey: true, contract: DRAFT });
    const run = await take(coordinator.joinUrl, 0, {
      data: await read(['30,1,4,w,healthy']),
      keystore: await memoryKeystore(new Uint8Array(32).fill(40)),
    });
    await expect(run.finished).rejects.toMatchObject({
      code: 'data_unmapped',
      details: { column: 'sex', value: 'w' },
    });
  });
});

describe('a site', () => {
  it('refuses cells so fine that a person could stand alone in one', async () => {
    const fine = { survey: true, contract: DRAFT, surveyBins: 97 };
    await using coordinator = await start('fine', fine);
    const run = await take(coordinator.joinUrl, 2, { survey: { again: true } });
    await expect(run.finished).rejects.toMatchObject({
      code: 'survey_too_fine',
      details: { column: 'age', cells: 97 },
    });
  });
});

describe('a coordinator', () => {
  it.each([
    [{ survey: true }, /expected contract as well/u],
    [
      { survey: true, contract: DRAFT, learningRate: 0.1 },
      /learningRate: a survey trains nothing/u,
    ],
    [{ survey: true, contract: DRAFT, model: 'linear' }, /model: a survey trains nothing/u],
    [{ survey: true, contract: DRAFT, mask: false }, /mask: a survey trains nothing/u],
    [
      {
        survey: true,
        contract: {
          ...DRAFT,
          input: { type: 'table', features: [{ type: 'number', name: 'height' }] },
        },
      },
      /column height: a survey needs its range/u,
    ],
  ] as [RunSettings, RegExp][])(
    'refuses settings that make no survey: %#',
    async (settings, message) => {
      const refused = start('refused', settings).then((run) => run.finished);
      await expect(refused).rejects.toThrow(message);
      await expect(refused).rejects.toBeInstanceOf(FloeError);
    },
  );
});
