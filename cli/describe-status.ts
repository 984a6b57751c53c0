/**
 * @module The state of a run as lines.
 */
import type { RunStatus } from '../client/connect/status.ts';
import { describeAnomaly, describeStep } from '../coordinator/anomalies/describe.ts';
import { plural } from '../protocol/plural.ts';
import type { Line } from '../protocol/line.ts';

const commitLine = (of: RunStatus['commits'][number]): string => {
  const { version, attempt, survivors, cohort, trainLoss, step } = of;
  return [
    `round ${version} (attempt ${attempt}): ${survivors} of ${cohort} survivors`,
    ...(trainLoss === undefined ? [] : [`train loss ${trainLoss.toFixed(4)}`]),
    describeStep(step),
  ]
    .filter((part) => part !== '')
    .join(', ');
};

const phaseText = ({ phase, attempt, members, uploads }: RunStatus): string =>
  members === undefined || members === 0
    ? `phase      ${phase}`
    : `phase      ${phase}, attempt ${attempt}: ${uploads ?? 0} of ${plural(members, 'member')} have uploaded`;

const alarmText = ({ anomalies: { count, since } }: RunStatus): string => {
  const many = count === 0 ? 'none' : String(count);
  return `alarms     ${many}${since === undefined ? '; no commit was measured yet' : ` since round ${since}`}`;
};

/** The run first, then its alarms, then its last commits. */
export const describeStatus = (status: RunStatus): readonly Line[] => {
  const { running, committed, rounds, loggedIn, failures, failure, lastAbort, waitingFor } = status;
  const alarms = status.commits.flatMap(({ version, anomalies }) =>
    anomalies.map((one): Line => ['warn', `round ${version}: ${describeAnomaly(one)}`]),
  );
  const { last } = status.anomalies;
  // An alarm may be older than the commits that are listed.
  const isListed = status.commits.some(({ version }) => version === last?.version);
  const earlier =
    last === undefined || isListed
      ? []
      : last.found.map((one): Line => ['warn', `round ${last.version}: ${describeAnomaly(one)}`]);
  return [
    [
      'result',
      `run        ${committed} of ${plural(rounds, 'round')}${running ? '' : '; the coordinator has stopped'}`,
    ],
    ['result', phaseText(status)],
    ['result', `present    ${plural(loggedIn, 'participant')}`],
    ...(waitingFor === undefined ? [] : [['result', `waits      ${waitingFor}`] satisfies Line]),
    ...(failure === undefined ? [] : [['warn', `failed     ${failure}`] satisfies Line]),
    ...(lastAbort === undefined || failures === 0
      ? []
      : [
          [
            'warn',
            `aborted    ${plural(failures, 'attempt')} since the last commit, attempt ${lastAbort.attempt} with ${lastAbort.code}${lastAbort.reported === undefined || lastAbort.reported === '' ? '' : `; reported: ${lastAbort.reported}`}`,
          ] satisfies Line,
        ]),
    ['result', alarmText(status)],
    ...earlier,
    ...alarms,
    ...status.commits.map((one): Line => ['result', commitLine(one)]),
  ];
};
