/** `floe status` against a real coordinator, a stopped one, and what is none. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, it } from 'vitest';
import { describeStatus } from '../../cli/describe-status.ts';
import { join, memoryKeystore, readStatus, type RunStatus } from '../../client/index.ts';
import { TEST_ADMISSION } from '../support/admission.ts';
import { testSpec } from '../support/run.ts';
import { serveRun, stepTrainer } from '../support/served-run.ts';

const closing: (() => Promise<unknown>)[] = [];
afterAll(() => Promise.all(closing.map((close) => close())));

const textOf = (status: RunStatus): string[] => describeStatus(status).map(([, text]) => text);

/** Answers every request with these bytes. */
const answering = async (body: string, status = 200): Promise<string> => {
  const server = createServer((_, response) => response.writeHead(status).end(body));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
};

it('tells of a run that waits, of its commits, and of a coordinator that has stopped', async () => {
  const run = await serveRun(await testSpec({ rounds: 2 }));
  closing.push(() => run.stop());
  const waiting = await readStatus(run.url);
  expect(waiting).toMatchObject({ running: true, committed: 0, rounds: 2, loggedIn: 0 });
  expect(textOf(waiting).slice(0, 3)).toEqual([
    'run        0 of 2 rounds',
    expect.stringMatching(/^phase {6}waiting/u),
    'present    0 participants',
  ]);
  expect(textOf(waiting)).toContain('alarms     none; no commit was measured yet');
  const joined = await Promise.all(
    [1, 2, 3, 4].map(async (i) =>
      join(run.url, {
        keystore: await memoryKeystore(new Uint8Array(32).fill(i)),
        trainer: stepTrainer,
        require: TEST_ADMISSION,
      }),
    ),
  );
  await Promise.all(joined.map(({ finished }) => finished));
  const over = await readStatus(run.url);
  expect(over).toMatchObject({
    committed: 2,
    phase: 'finished',
    anomalies: { count: 0, since: 1 },
  });
  expect(over.commits.map(({ version, survivors }) => [version, survivors])).toEqual([
    [1, 4],
    [2, 4],
  ]);
  expect(textOf(over).at(-1)).toMatch(/^round 2 \(attempt 2\): 4 of 4 survivors.*, step norm 0/u);
  await run.coordinator.stop();
  const stopped = await readStatus(run.url);
  expect(stopped.running).toBe(false);
  expect(textOf(stopped)[0]).toBe('run        2 of 2 rounds; the coordinator has stopped');
});

const anomaly = { kind: 'step_norm', subject: 'sum', value: 2, usual: 0.5, score: 9 };
const STATUS = {
  running: true,
  phase: 'uploading',
  attempt: 7,
  committed: 5,
  rounds: 9,
  failures: 1,
  loggedIn: 4,
  connections: 4,
  untold: 0,
  members: 4,
  uploads: 3,
  lastAbort: { attempt: 6, code: 'cohort_too_small', reported: '2 x gate_unavailable' },
  commits: [
    {
      attempt: 5,
      version: 5,
      cohort: 4,
      survivors: 3,
      step: { norm: 2, normRatio: 4 },
      anomalies: [anomaly, { ...anomaly, kind: 'of_a_later_version' }],
    },
  ],
  anomalies: { count: 3, since: 1, last: { version: 5, found: [anomaly] } },
} satisfies RunStatus;

it('names each alarm with its rule, and the attempt in progress', async () => {
  const status = await readStatus(await answering(JSON.stringify({ ...STATUS, later: 'field' })));
  expect(status).toEqual(STATUS);
  expect(describeStatus(status)).toEqual([
    ['result', 'run        5 of 9 rounds'],
    ['result', 'phase      uploading, attempt 7: 3 of 4 members have uploaded'],
    ['result', 'present    4 participants'],
    [
      'warn',
      'aborted    1 attempt since the last commit, attempt 6 with cohort_too_small; reported: 2 x gate_unavailable',
    ],
    ['result', 'alarms     3 since round 1'],
    [
      'warn',
      'round 5: step_norm of the sum: the length of the step is far from usual: L2 norm 2, median of the last rounds 0.5, modified z-score 9',
    ],
    [
      'warn',
      'round 5: of_a_later_version of the sum: value 2, median of the last rounds 0.5, modified z-score 9',
    ],
    ['result', 'round 5 (attempt 5): 3 of 4 survivors, step norm 2 (4 of the median)'],
  ]);
  const { commits: _, ...older } = STATUS;
  const without = await readStatus(await answering(JSON.stringify(older)));
  expect(textOf(without).filter((line) => line.startsWith('round 5'))).toHaveLength(1);
});

it.each([
  ['no JSON', '<html>', 200, 'frame_malformed'],
  ['another service', '{"ok":true}', 200, 'frame_malformed'],
  ['a number that is none', JSON.stringify({ ...STATUS, loggedIn: -1 }), 200, 'frame_malformed'],
  ['a proxy that closes it', 'no', 403, 'wrong_protocol'],
  ['more than a status', `"${'x'.repeat(2 << 20)}"`, 200, 'frame_too_large'],
])('refuses %s', async (_, body, status, code) => {
  await expect(readStatus(await answering(body, status))).rejects.toMatchObject({ code });
});

it('refuses what is no address', async () => {
  await expect(readStatus('runs/latest')).rejects.toMatchObject({ code: 'usage' });
});
