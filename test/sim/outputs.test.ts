/** Results in the forms of other tools, read by readers that share no code with the writers. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as task from '../../examples/simulation/task.ts';
import { simulate, type RunResult } from '../../sim/index.ts';
import { crc32c, maskedCrc32c } from '../../sim/outputs/crc32c.ts';
import { csvOf } from '../../sim/outputs/csv.ts';
import { seriesOf } from '../../sim/outputs/series.ts';
import { tensorboardFile } from '../../sim/outputs/tensorboard.ts';
import { summaryOf } from '../support/summary.ts';

/** Bit by bit, from the definition. */
const slowCrc = (bytes: Uint8Array): number => {
  let crc = ~0;
  for (const byte of bytes)
    for (let bit = 0; bit < 8; bit += 1) {
      const carry = (crc ^ (byte >> bit)) & 1;
      crc = (crc >>> 1) ^ (carry === 0 ? 0 : 0x82f63b78);
    }
  return ~crc >>> 0;
};

const unmasked = (masked: number): number => {
  const rotated = (masked - 0xa282ead8) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
};

type Field = readonly [field: number, value: number | Uint8Array];

/** A message of protocol buffers as its fields, in order. */
const fieldsOf = (bytes: Uint8Array): readonly Field[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const fields: Field[] = [];
  let at = 0;
  const varint = (): number => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = view.getUint8(at);
      at += 1;
      value += (byte & 127) * scale;
      scale *= 128;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const field = key >> 3;
    if ((key & 7) === 0) fields.push([field, varint()]);
    else if ((key & 7) === 1) fields.push([field, view.getFloat64((at += 8) - 8, true)]);
    else if ((key & 7) === 5) fields.push([field, view.getFloat32((at += 4) - 4, true)]);
    else {
      const length = varint();
      fields.push([field, bytes.subarray(at, (at += length))]);
    }
  }
  return fields;
};

const valueOf = (fields: readonly Field[], wanted: number) =>
  fields.find(([field]) => field === wanted)?.[1];

/** Steps with their scalars; throws where a checksum is wrong. */
const readEvents = (file: Uint8Array) => {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const events: { step: unknown; version: string; scalars: Record<string, unknown> }[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(view.getBigUint64(at, true));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(slowCrc(file.subarray(at, at + 8))).toBe(unmasked(view.getUint32(at + 8, true)));
    expect(slowCrc(data)).toBe(unmasked(view.getUint32(at + 12 + length, true)));
    const fields = fieldsOf(data);
    const text = (bytes: unknown) => new TextDecoder().decode(bytes as Uint8Array | undefined);
    const values = fieldsOf((valueOf(fields, 5) ?? new Uint8Array()) as Uint8Array);
    const scalars = values.map(([, value]) => {
      const own = fieldsOf(value as Uint8Array);
      return [text(valueOf(own, 1)), valueOf(own, 2)];
    });
    events.push({
      step: valueOf(fields, 2),
      version: text(valueOf(fields, 3)),
      scalars: Object.fromEntries(scalars),
    });
    at += 12 + length + 4;
  }
  return events;
};

describe('CRC-32C', () => {
  it('has the values of RFC 3720', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(new TextEncoder().encode('123456789'))).toBe(0xe3069283);
    expect(unmasked(maskedCrc32c(Uint8Array.of(1, 2, 3)))).toBe(slowCrc(Uint8Array.of(1, 2, 3)));
  });
});

it('an event file of TensorBoard has the scalars of every round', () => {
  const summary = summaryOf({ testAccuracies: [0.25, 0.75] });
  const [first, ...rounds] = readEvents(tensorboardFile(summary, 1_800_000_000));
  expect(first).toMatchObject({ version: 'brain.Event:2' });
  expect(rounds.map(({ step }) => step)).toEqual([1, 2]);
  expect(rounds[1]?.scalars).toMatchObject({ 'test/accuracy': 0.75, 'bytes/up': 1000 });
});

it('a buffered run has the mean age of the updates of each round, a plain run has none', () => {
  const { history } = summaryOf({ testAccuracies: [0.5, 0.6] });
  const names = seriesOf({ history }).map(({ name }) => name);
  expect(names).not.toContain('round/meanStaleness');
  const aged = history.map((round, i) => ({ ...round, staleness: [0, i, 2] }));
  const ages = seriesOf({ history: aged }).find(({ name }) => name === 'round/meanStaleness');
  expect(ages?.points).toEqual([
    { step: 1, value: 2 / 3 },
    { step: 2, value: 1 },
  ]);
});

it('CSV quotes what must be quoted', () => {
  expect(
    csvOf(
      ['a', 'b,c'],
      [
        [1, 'x"y'],
        [undefined, 'z'],
      ],
    ),
  ).toBe('a,"b,c"\n1,"x""y"\n,z\n');
});

it('CSV gives a spreadsheet no formula to run, and leaves numbers as they are', () => {
  const bad = ['=1+1', '+cmd|x', '-2+3', '@SUM(A1)', ' =A1', '\t=A1', '\uff1dA1'];
  for (const text of bad) expect(csvOf(['h'], [[text]])).toMatch(/^h\n"?'/u);
  expect(csvOf(['=h'], [['=a,b']])).toBe('\'=h\n"\'=a,b"\n');
  const good = [-1.5, '-1.5', '+2e-3', 'a=b', 'noniid-labeldir', -0.25, '1e5'];
  expect(
    csvOf(
      ['h'],
      good.map((cell) => [cell]),
    ),
  ).toBe(`h\n${good.join('\n')}\n`);
});

describe('a run with all exports', () => {
  let folder: string;
  let result: RunResult;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'floe-outputs-'));
    const { data, trainer } = task;
    result = await simulate({
      participants: 6,
      cohort: 5,
      rounds: 3,
      learningRate: 0.5,
      drops: { upload: 1 / 5 },
      substrate: 'local',
      outDir: folder,
      exports: ['csv', 'jsonl', 'tensorboard', 'mlflow'],
      data,
      trainer,
    });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  const read = (path: string) => readFile(join(result.folder, path), 'utf8');
  const rowsIn = async (path: string) =>
    (await read(path))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);

  it('has a row for each round, and one for each participant of each attempt', async () => {
    const rounds = await rowsIn('metrics/rounds.jsonl');
    expect(rounds.map(({ round }) => round)).toEqual([1, 2, 3]);
    expect(rounds[2]).toMatchObject({
      'test/accuracy': result.summary.testAccuracy,
      modelHash: result.summary.modelHash,
    });
    const participants = await rowsIn('metrics/participants.jsonl');
    expect(participants).toHaveLength(15);
    expect(participants.filter(({ dropped }) => dropped === 'upload')).toHaveLength(3);
    for (const row of participants)
      expect(row).toMatchObject({ examples: 100, norm: expect.any(Number) });
    const csv = (await read('metrics/participants.csv')).trim().split('\n');
    expect(csv).toHaveLength(16);
    expect(csv[0]).toMatch(/^attempt,round,participant,examples,trainLoss/);
    expect(await readdir(result.folder)).not.toContain('observations.jsonl');
  });

  it('has the same numbers for TensorBoard and MLflow', async () => {
    const [name = ''] = await readdir(join(result.folder, 'tensorboard'));
    expect(name).toContain('tfevents');
    const events = readEvents(await readFile(join(result.folder, 'tensorboard', name)));
    const accuracy = result.summary.history.map(({ testAccuracy }) =>
      Math.fround(Number(testAccuracy)),
    );
    expect(events.slice(1).map(({ scalars }) => scalars['test/accuracy'])).toEqual(accuracy);
    const [run = ''] = (await readdir(join(result.folder, 'mlruns/0'))).filter(
      (entry) => entry !== 'meta.yaml',
    );
    expect(parse(await read(`mlruns/0/${run}/meta.yaml`))).toMatchObject({
      run_id: run,
      status: 3,
      lifecycle_stage: 'active',
    });
    const lines = (await read(`mlruns/0/${run}/metrics/test/accuracy`)).trim().split('\n');
    expect(lines.map((line) => Number(line.split(' ')[1]))).toEqual(
      result.summary.history.map(({ testAccuracy }) => testAccuracy),
    );
    expect(await read(`mlruns/0/${run}/params/learningRate`)).toBe('0.5');
  });
});
