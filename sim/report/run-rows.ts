/**
 * @module The run in words: its settings and where it is.
 */
import { plural } from '../../protocol/plural.ts';
import type { Summary } from '../summary.ts';
import { worldRows } from '../world-summary.ts';
import { formatPercent } from './html.ts';
import { ruleRows } from './robust-rule.ts';

const describeStrategy = ({ name, parameters }: Summary['strategy']): string =>
  [name, ...Object.entries(parameters).map(([key, value]) => `${key} ${value}`)].join(', ');

/** Rows of the table of settings. */
const guards = ({ privacy, drops }: Summary): readonly (readonly [string, string])[] => [
  ...(privacy === undefined ? [] : ([['differential privacy', privacy.words]] as const)),
  ['drop-outs', drops],
];

const baselineText = ({ baseline, baselineAccuracy }: Summary): string =>
  baseline === undefined
    ? 'not trained (--baseline)'
    : `${formatPercent(baselineAccuracy)}: the same model on all training data in one place, ${plural(baseline.epochs, 'epoch')}, batch ${baseline.batchSize}, learning rate ${baseline.learningRate}; its points lie at the round by which the federation had seen as many examples`;

const encodingText = (of: Summary['encoding']): string => {
  const { ring, bits, clipNorm, clipping, modelPrecision, rounding } = of;
  const norm =
    clipping === undefined
      ? `clip norm ${clipNorm}`
      : `clip norm ${clipNorm} at first, then adaptive: quantile ${clipping.quantile}, rate ${clipping.rate}, from ${clipping.floor} to ${clipping.ceiling}`;
  return [
    ring,
    ...(bits === undefined ? [] : [`${bits} bits`]),
    ...(modelPrecision === undefined ? [] : [`models in ${modelPrecision}`]),
    `${norm}; ${rounding.words}`,
  ].join(', ');
};

const bufferRow = ({ buffer }: Summary): readonly (readonly [string, string])[] =>
  buffer === undefined
    ? []
    : [
        [
          'buffered rounds',
          `the first ${buffer.size} updates that are ready, at most ${plural(buffer.maxStaleness, 'commit')} old`,
        ],
      ];

/** The run in words: what it was and where it is. */
export const runRows = (summary: Summary): readonly (readonly [string, string])[] => [
  ['run', summary.run],
  ['model hash', summary.modelHash],
  ['transcript root', summary.transcriptRoot],
  ['seed', summary.seed],
  ['model', `${summary.model}, ${summary.parameters} parameters`],
  [
    'data',
    `${summary.data.source}: ${summary.data.train} training, ${summary.data.test} test examples`,
  ],
  [
    'partition',
    `${summary.partition.scheme}: ${summary.partition.smallest} to ${summary.partition.largest} examples${summary.partition.meanLabels === undefined ? '' : `, ${summary.partition.meanLabels.toFixed(1)} labels on average`}`,
  ],
  [
    'local training',
    `${plural(summary.training.epochs, 'epoch')}, batch ${summary.training.batchSize}, learning rate ${summary.training.learningRate}`,
  ],
  ['strategy', describeStrategy(summary.strategy)],
  ...bufferRow(summary).concat(ruleRows(summary)),
  ['encoding', encodingText(summary.encoding)],
  ...guards(summary),
  ...(summary.world === undefined ? [] : worldRows(summary.world)),
  ...(summary.attackSuccess === undefined
    ? []
    : ([['success of the attackers', formatPercent(summary.attackSuccess)]] as const)),
  ['aborted attempts', String(summary.attemptsAborted)],
  ['baseline', baselineText(summary)],
  ['backend', summary.backend],
  ['model blob', summary.published.blob],
  ...(summary.published.object === undefined
    ? []
    : ([
        ['model version on Sui', summary.published.object],
        ['run on Sui', summary.published.runObject ?? ''],
        ['transcript blob', summary.published.transcript ?? ''],
      ] as const)),
  ['store, gate, ledger', `${summary.store}, ${summary.gate}, ${summary.ledger}`],
  [
    'versions',
    Object.entries(summary.versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', '),
  ],
];
