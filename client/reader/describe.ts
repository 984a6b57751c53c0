/**
 * @module Formats the results of reading a run as the lines that `floe verify` and `floe models`
 * print.
 */
import { metricsText } from '../../protocol/algorithm/metrics.ts';
import { info, result, type Line } from '../../protocol/line.ts';
import type { VersionFacts } from '../../protocol/net/sui/lineage.ts';
import type { FolderReport } from './examine-folder.ts';
import type { ReaderEvent } from './network.ts';
import type { RunVerification } from './run.ts';
import type { ListedVersions } from './versions.ts';
import { plural } from '../../protocol/plural.ts';

/** The line of an event of `openRun` and `listVersions`. */
export const describeReaderEvent = (event: ReaderEvent): readonly Line[] => [
  info(
    event.type === 'network'
      ? `network    ${event.url}, from ${event.from}`
      : `network    the devnet of this run, started again from ${event.from}`,
  ),
];

/** A folder with more files of one kind takes one line. */
const MANY = 8;

const describeFiles = ({ vouched, wrong, unverified }: FolderReport): readonly Line[] => [
  info(`files      ${vouched.length} match the signed records`),
  ...[...Map.groupBy(unverified, ({ path }) => path.split('/', 1)[0] as string)].flatMap(
    ([folder, findings]) =>
      findings.length > MANY
        ? [
            info(
              `unverified ${folder}/: ${plural(findings.length, 'file')}, such as ${findings[0]?.path}: ${findings[0]?.reason}`,
            ),
          ]
        : findings.map(({ path, reason }) => info(`unverified ${path}: ${reason}`)),
  ),
  ...wrong.map(({ path, reason }) => result(`verification failed: ${path}: ${reason}`)),
];

const describeVerdict = (found: RunVerification): readonly Line[] => {
  const { culprit, ok, beaconUnchecked, level, modelHash = 'none' } = found;
  if (culprit !== undefined) {
    const { attempt, record, entry, author, reason } = culprit;
    const signer = author === undefined ? '' : `, signed by ${author}`;
    return [
      result(
        `verification failed: attempt ${attempt}, ${record} record (entry ${entry})${signer}: ${reason}`,
      ),
    ];
  }
  if (!ok) return [];
  const verified = beaconUnchecked.length > 0 ? 'verified except for the beacons' : 'verified';
  return [result(`${verified}, level ${level}; model ${modelHash}`)];
};

/** `1-40, 42`: numbers in order, with those that follow each other as one range. */
export const rangesText = (numbers: readonly number[]): string => {
  const ranges: [first: number, last: number][] = [];
  for (const number of numbers) {
    const range = ranges.at(-1);
    if (range !== undefined && range[1] === number - 1) range[1] = number;
    else ranges.push([number, number]);
  }
  return ranges
    .map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    .join(', ');
};

/** What privacy a run claims and what is spent; a fork does not count what its parent spent. */
const describeSpending = (privacy: RunVerification['privacy']): readonly Line[] => {
  if (privacy === undefined) return [];
  const { words, spent, participations, parent } = privacy;
  return [
    info(`privacy    ${words}`),
    info(
      `spent      epsilon ${Number(spent.epsilon.toPrecision(3))}, in ${spent.participations} of ${participations} participations of the member that has most` +
        (parent === undefined
          ? ''
          : `; what was spent on the model ${parent.slice(0, 16)} that it begins with comes on top`),
    ),
  ];
};

/** The lines of a verification; the last ones are the verdict. */
export const describeVerification = (found: RunVerification): readonly Line[] => {
  const { attempts, beaconUnchecked, files } = found;
  const count = (...outcomes: readonly string[]): number =>
    attempts.filter(({ outcome }) => outcomes.includes(outcome)).length;
  const removed = attempts.flatMap((attempt) =>
    attempt.removed === true ? [attempt.attempt] : [],
  );
  return [
    info(
      `rounds     ${count('committed')} committed, ${count('aborted')} aborted, ${count('open', 'pending')} unfinished`,
    ),
    ...attempts.flatMap(({ attempt, culprits }) =>
      culprits === undefined
        ? []
        : [info(`excluded   with proof, after attempt ${attempt}: ${culprits.join(', ')}`)],
    ),
    ...(removed.length === 0
      ? []
      : [
          info(
            `removed    the blobs of attempts ${rangesText(removed)}, as the specification allows: their records are valid, their sums and models cannot be recomputed`,
          ),
        ]),
    ...(beaconUnchecked.length === 0
      ? []
      : [
          info(
            `beacon     not checked in ${beaconUnchecked.length} of ${plural(attempts.length, 'attempt')}: the ledger that drew it is needed; name its network (--network)`,
          ),
        ]),
    ...describeSpending(found.privacy),
    ...(files === undefined ? [] : describeFiles(files)),
    ...describeVerdict(found),
  ];
};

const measured = ({ examples, metrics }: VersionFacts): string => {
  const list = Object.entries(metrics).map(([name, value]) => ({ name, value }));
  if (examples === 0) return 'nothing measured';
  return list.length === 0
    ? `${examples} counted, without metrics`
    : `${plural(examples, 'example')}: ${metricsText(list)}`;
};

/** The lines of listed versions: one block for each. */
export const describeVersions = (found: ListedVersions): readonly Line[] => {
  const list = found.type === 'run' ? found.versions : found.lineage;
  return [
    info(
      found.type === 'run'
        ? `run "${found.name}" ${found.id}: ${plural(list.length, 'version')}`
        : `version ${found.id}: ${list.length} in its line, the newest first`,
    ),
    ...list.flatMap((version, at) => {
      const { id, attempt, run, parent, privacy, blob } = version;
      const before = list[at - 1];
      const place = before === undefined || before.run === run ? '' : ` of the run ${run}`;
      const bound =
        privacy === undefined
          ? 'no differential privacy'
          : `${privacy.mechanism} noise, epsilon ${privacy.epsilon} at delta ${privacy.delta}`;
      return [
        result(`attempt ${attempt}${place}  ${id}`),
        result(`  ${measured(version)}; ${bound}`),
        result(`  blob ${blob.id}, ${blob.size} bytes; parent ${parent ?? 'none'}`),
      ];
    }),
  ];
};
