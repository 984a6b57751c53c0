import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { REPORT_SCRIPT } from '../../sim/report-script.ts';
import { readUplot, renderReport } from '../../sim/report.ts';
import { escapeHtml, formatBytes, jsonForScript } from '../../sim/report/html.ts';
import type { RoundSummary, Summary } from '../../sim/summary.ts';
import { summaryOf } from '../support/summary.ts';

const ATTACK = `</script><img src=x onerror="alert('1')">&amp;`;

const round = (version: number, more: Partial<RoundSummary> = {}): RoundSummary => {
  const accuracies = Array.from({ length: version }, (_, i) => 0.81 + i / 100);
  return { ...summaryOf({ testAccuracies: accuracies }).history.at(-1), ...more };
};

const summary = (more: Partial<Summary>): Summary =>
  summaryOf({
    testAccuracies: [0.81, 0.82],
    more: {
      baselineAccuracy: 0.97,
      baseline: {
        epochs: 3,
        batchSize: 32,
        learningRate: 0.1,
        seconds: 9,
        points: [{ rounds: 1.5, testAccuracy: 0.97 }],
      },
      activities: {
        training: { seconds: 1, share: 0.5, besideTraining: 1 },
        storage: { seconds: 0.5, share: 0.25, besideTraining: 0.6 },
      },
      ...more,
    },
  });

const statistics = {
  smallest: 2,
  largest: 3,
  mean: 2.5,
  meanLabels: 2,
  histogram: [
    [1, 1],
    [2, 1],
  ],
};
const render = async (more: Partial<Summary> = {}, classNames = ['a', 'b']): Promise<string> =>
  renderReport({ summary: summary(more), statistics, classNames, uplot: await readUplot() });

const VOID = new Set(['meta', 'img', 'br', '!doctype']);

/**
 * The elements of a page, in order, with what stands in scripts and styles taken out; throws where
 * they do not nest.
 */
const elements = (page: string): string[] => {
  const bare = page.replaceAll(/<(script|style)([^>]*)>[\s\S]*?<\/\1>/giu, '<$1$2></$1>');
  const open: string[] = [];
  const all: string[] = [];
  for (const [, end, name = ''] of bare.matchAll(/<(\/?)([a-z!][a-z0-9]*)[^>]*>/giu)) {
    const tag = name.toLowerCase();
    if (end === '/') {
      const last = open.pop();
      if (last !== tag) throw new Error(`</${tag}> closes <${String(last)}>`);
    } else {
      all.push(tag);
      if (!VOID.has(tag)) open.push(tag);
    }
  }
  if (open.length > 0) throw new Error(`<${open.at(-1)}> is not closed`);
  return all;
};

interface Chart {
  readonly columns: unknown[][];
  readonly series: readonly { readonly label?: string; readonly stroke?: string }[];
  readonly axes: readonly {
    values(plot: object, values: number[], axis: number, space: number, step: number): unknown;
  }[];
}

/**
 * The page's own script against a recorder in place of the browser: every series has a value for
 * every point on the x axis.
 */
const draw = (page: string): readonly Chart[] => {
  const json = /<script type="application\/json" id="data">(.*?)<\/script>/su.exec(page)?.[1] ?? '';
  const charts: Chart[] = [];
  class Recorder {
    static paths = { stepped: () => () => null };
    constructor(options: Pick<Chart, 'series' | 'axes'>, columns: unknown[][]) {
      charts.push({ columns, series: options.series, axes: options.axes });
    }
  }
  const host = { clientWidth: 500, replaceChildren: () => undefined };
  runInNewContext(REPORT_SCRIPT, {
    uPlot: Recorder,
    document: {
      documentElement: {},
      getElementById: (id: string) => (id === 'data' ? { textContent: json } : host),
    },
    getComputedStyle: () => ({ getPropertyValue: () => '#123456' }),
    matchMedia: () => ({ addEventListener: () => undefined }),
    addEventListener: () => undefined,
  });
  return charts;
};

describe('renderReport', () => {
  it('is one well-formed page with its plots, tables, and nothing from the network', async () => {
    const page = await render();
    const all = elements(page);
    expect(all.filter((tag) => tag === 'html')).toHaveLength(1);
    expect(all.filter((tag) => tag === 'script')).toHaveLength(3);
    for (const id of ['accuracy', 'loss', 'bytes', 'phases', 'survivors'])
      expect(page).toContain(`id="${id}"`);
    expect(page).toContain("default-src 'none'");
    const own = page.replace((await readUplot()).script, '');
    expect(own).not.toMatch(/(src|href)\s*=|url\(|@import|https?:/iu);
    expect(page).toContain('82.00 %');
    expect(page).toContain('97.00 %');
  });

  it('escapes every text from outside', async () => {
    const page = await render(
      {
        seed: ATTACK,
        model: ATTACK,
        backend: ATTACK,
        drops: ATTACK,
        data: { source: ATTACK, train: 1, test: 1 },
        phaseSeconds: { [ATTACK]: 1 },
        history: [round(1, { phases: { [ATTACK]: 1 } })],
        versions: { [ATTACK]: ATTACK },
      },
      [ATTACK, 'b'],
    );
    expect(elements(page)).not.toContain('img');
    expect(page).not.toContain('<img');
    expect(page.match(/<\/script>/gu)).toHaveLength(3);
  });

  it('shows an adaptive clip norm, buffered rounds and the precision of models', async () => {
    const { encoding, history } = summary({});
    const plain = await render();
    for (const word of ['next clip norm', 'mean staleness', 'buffered rounds', 'models in'])
      expect(plain).not.toContain(word);
    const page = await render({
      encoding: {
        ...encoding,
        clipping: { quantile: 0.5, rate: 0.2, floor: 0.001, ceiling: 64 },
        modelPrecision: 'bfloat16',
      },
      buffer: { size: 5, maxStaleness: 10 },
      history: history.map((of) => ({ ...of, clipNorm: 3.25, staleness: [0, 0, 3] })),
    });
    expect(page).toContain('models in bfloat16');
    expect(page).toContain('at first, then adaptive: quantile 0.5, rate 0.2, from 0.001 to 64');
    expect(page).toContain('the first 5 updates that are ready, at most 10 commits old');
    expect(page).toContain('>next clip norm</th>');
    expect(page).toContain('<td class="n">3.250</td>');
    expect(page).toContain('<td class="n">1.0</td>');
  });

  it('says plainly when updates were not masked', async () => {
    expect(await render({ masked: false })).toContain('NOT masked');
    expect(await render()).not.toContain('NOT masked');
  });

  it('has no wide table that would cut the page on a phone', async () => {
    const page = await render({
      activities: { training: { seconds: 1, share: 1, besideTraining: 0 } },
    });
    expect(page.match(/<table/gu)?.length).toBe(page.match(/<div class="scroll"><table/gu)?.length);
  });

  it('writes ticks that differ, and gives every phase a colour of its own', async () => {
    const phases = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`p${i}`, 0.1]));
    const history = [round(1, { phases }), round(2, { phases })];
    const charts = draw(await render({ history, phaseSeconds: phases }));
    const ticks = (chart: number, values: number[], step: number): unknown =>
      charts[chart]?.axes[1]?.values({}, values, 1, 50, step);
    expect(ticks(0, [0.971, 0.972, 0.973], 0.001)).toEqual(['97.1 %', '97.2 %', '97.3 %']);
    expect(ticks(0, [0.5, 1], 0.5)).toEqual(['50 %', '100 %']);
    expect(ticks(2, [0.1, 0.2, 0.1 + 0.2], 0.1)).toEqual(['0.1 s', '0.2 s', '0.3 s']);
    expect(ticks(3, [0, 0.5, 1], 0.5)).toEqual(['0', '', '1']);
    expect(ticks(1, [1.2e6, 1.25e6, 1.3e6], 5e4)).toEqual(['1.20 MB', '1.25 MB', '1.30 MB']);
    expect(ticks(4, [0.25, 0.3], 0.05)).toEqual(['0.25', '0.30']);
    const colours = charts[2]?.series.slice(1).map(({ stroke }) => stroke);
    expect(new Set(colours).size).toBe(9);
  });

  it('draws the metrics of each class together, by the names of the classes', async () => {
    const training = { trainLoss: 1, 'testRecall.0': 0.5, 'testRecall.1': 0.75, testAuc: 0.9 };
    const page = await render({ history: [round(1, { training })] }, ['benign', 'malignant']);
    const charts = draw(page);
    expect(charts).toHaveLength(9);
    const labels = charts[5]?.series.map(({ label }) => label);
    expect(labels).toEqual(['round', 'benign', 'malignant']);
    expect(page).toContain('by class');
    const plots = [...page.matchAll(/<div id="([\w-]+)" role="img" aria-label="[^"]+">/gu)];
    expect(plots.map(([, id]) => id)).toEqual([
      'accuracy',
      'loss',
      'bytes',
      'phases',
      'survivors',
      'norms',
      'cosines',
      'metric-0',
      'metric-1',
    ]);
  });

  it('lists and marks the anomalies of the steps, or says that there are none', async () => {
    const honest = { stepNorm: 0.5, stepNormRatio: 1, stepCosine: 0.9, stepCosineMean: 0.95 };
    const score = { subject: 'sum', usual: 0.95, score: -20 };
    const page = await render({
      history: [
        round(1),
        round(2, honest),
        round(3, {
          ...honest,
          stepCosineMean: -0.7,
          anomalies: [{ kind: 'step_direction', value: -0.7, ...score }],
        }),
      ],
    });
    elements(page);
    expect(page).toContain('1 anomaly in 2 measured rounds of 3.');
    expect(page).toMatch(
      /round 3<\/th><td class="wide">step_direction of the sum: .*cosine -0\.7/u,
    );
    const [norms, cosines] = draw(page).slice(-2);
    expect(norms?.columns).toEqual([
      [1, 2, 3],
      [null, 0.5, 0.5],
      [null, null, null],
    ]);
    expect(cosines?.columns).toEqual([
      [1, 2, 3],
      [null, 0.9, 0.9],
      [null, 0.95, -0.7],
      [null, null, -0.7],
    ]);
    const silent = await render({ history: [round(1, honest)] });
    expect(silent).toContain('No anomalies in 1 measured round of 1.');
  });

  it('has a table of the last round by class, where one was measured', async () => {
    const training = { trainLoss: 1, 'testRecall.0': 0.25, 'testRecall.1': 0.5 };
    const page = await render({ history: [round(1, { training }), round(2)] }, ['<a>', 'b']);
    elements(page);
    expect(page).toMatch(
      /By class, round 1<[\s\S]*&lt;a&gt;<\/th><td class="n">0\.2500<[\s\S]*>b<\/th><td class="n">0\.5000</u,
    );
    expect(await render()).not.toContain('By class');
  });

  it('shows the participants: distributions, attackers, what an observer saw', async () => {
    const sizes = Array.from({ length: 300 }, (_, i) => i);
    const page = renderReport({
      summary: summary({
        world: { sizes, attackers: [{ attack: 'ipm:0.1', participants: [7, 299] }] },
      }),
      statistics,
      classNames: ['a', 'b'],
      observations: [
        { attempt: 1, participant: 3, trainLoss: 0.5, norm: 2, uploadAfter: 12.5 },
        { attempt: 2, participant: 3, dropped: 'share' },
      ],
      uplot: await readUplot(),
    });
    elements(page);
    const cells = (row: string): string[] =>
      [...row.matchAll(/<td[^>]*>([^<]*)<\/td>/gu)].map(([, text]) => text ?? '');
    const rowOf = (name: string): string[] =>
      cells(
        page
          .split('Each participant')[1]
          ?.split(`<th scope="row">${name}</th>`)[1]
          ?.split('</tr>')[0] ?? '',
      );
    // Attack, examples, trainings, times lost, loss, norm, upload.
    expect(rowOf('3')).toEqual(['–', '3', '1', '1', '0.5000', '2.000', '12.50']);
    expect(rowOf('299').slice(0, 2)).toEqual(['ipm:0.1', '299']);
    expect(rowOf('298')).toEqual([]);
    expect(page).toContain('and 100 more participants');
    const examples = page.split('<th scope="row">examples</th>')[1]?.split('</tr>')[0] ?? '';
    expect(cells(examples)).toEqual(['0', '75', '150', '224', '299']);
  });

  it('hands uPlot columns of equal length', async () => {
    const charts = draw(await render({ history: [round(1), round(2, {}), round(3)] }));
    expect(charts).toHaveLength(7);
    for (const { columns, series } of charts) {
      expect(columns).toHaveLength(series.length);
      for (const column of columns) expect(column).toHaveLength(columns[0]?.length ?? -1);
    }
    // x of the accuracy plot: rounds 1, 2, 3 and the baseline's point at 1.5.
    expect(charts[0]?.columns[0]).toEqual([1, 1.5, 2, 3]);
    // Stacked phases: the first column drawn is the sum of all.
    expect(charts[2]?.columns[1]).toEqual([1.5, 1.5, 1.5]);
  });
});

describe('formatting', () => {
  it('escapes and formats', () => {
    expect(escapeHtml(`<a b='c'>"&`)).toBe('&lt;a b=&#39;c&#39;&gt;&quot;&amp;');
    expect(jsonForScript({ a: '</script>\u2028' })).toBe('{"a":"\\u003c/script>\\u2028"}');
    expect(JSON.parse(jsonForScript({ a: ATTACK }))).toEqual({ a: ATTACK });
    expect([0, 999, 1500, 2.5e6, 3e9].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.5 kB',
      '2.5 MB',
      '3.0 GB',
    ]);
  });
});
