/**
 * kill -9 in every phase, with real processes on real data: one `floe coordinator`, five
 * `floe join` over WebSocket. The reference is an undisturbed run with the same seeds: the final
 * model must be the same, bit for bit.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ATTEMPT_PHASES } from '../../coordinator/machine/phases.ts';
import { FloeProcess, freePort, killAll, phaseOf, LOWERED } from './processes.ts';

/** One round for each phase, and a last one in which nothing happens. */
const ROUNDS = ATTEMPT_PHASES.length + 1;
const PARTICIPANTS = 5;
const TIMEOUT = 600_000;

let folder: string;
let reference: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'floe-crash-'));
  reference = await undisturbed();
}, TIMEOUT);
afterEach(async ({ task }) => {
  const printed = await killAll();
  if (task.result?.state === 'fail') console.log(printed);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const coordinator = (name: string, port: number, rounds = ROUNDS, more: string[] = []) =>
  new FloeProcess(
    `coordinator --port ${port} --seed crash --rounds ${rounds} --cohort ${PARTICIPANTS} --minimum 3 --verbose`,
    ['--state', join(folder, name), ...more],
  );

/** Participant `i`: of equal identity and training randomness in every run of this file. */
const participant = (port: number, i: number, keystore: string[] = []): FloeProcess =>
  new FloeProcess(`join ws://127.0.0.1:${port} --shard ${i + 1}/200 --seed p${i}`, [
    ...LOWERED,
    ...keystore,
  ]);

const participants = (port: number): FloeProcess[] =>
  Array.from({ length: PARTICIPANTS }, (_, i) => participant(port, i));

const finalModel = async (process: FloeProcess): Promise<string> => {
  const line = await process.line((text) => text.startsWith('finished after'));
  expect(await process.exited, process.stderr.slice(-2000)).toBe(0);
  return /model ([0-9a-f]{64})/.exec(line)?.[1] ?? 'no hash';
};

const undisturbed = async (): Promise<string> => {
  const port = await freePort();
  const server = coordinator('reference', port);
  await server.line((line) => line.startsWith('listening'));
  const joined = participants(port);
  const model = await finalModel(server);
  expect(await Promise.all(joined.map(({ exited }) => exited))).toEqual(joined.map(() => 0));
  return model;
};

/** Recomputes the run with the coordinator's own key. */
const expectVerified = async (name: string): Promise<void> => {
  const state = join(folder, name);
  const verify = new FloeProcess('verify', [state, '--keystore', join(state, 'keystore')]);
  expect(await verify.exited, verify.stdout).toBe(0);
  expect(verify.stdout).toContain('level L1');
};

describe('kill -9', () => {
  it(
    'of the coordinator in each phase in turn: the run completes with the same model',
    async () => {
      const port = await freePort();
      let server = coordinator('crashed', port);
      await server.line((line) => line.startsWith('listening'));
      const joined = participants(port);
      for (const [i, phase] of ATTEMPT_PHASES.entries()) {
        await server.line((line) => {
          const seen = phaseOf(line);
          return seen !== undefined && seen.attempt === i + 1 && seen.phase === phase;
        });
        await server.kill();
        server = coordinator('crashed', port);
      }
      expect(await finalModel(server)).toBe(reference);
      expect(server.stdout).toContain(`finished after ${ROUNDS} rounds (${ROUNDS} attempts)`);
      expect(await Promise.all(joined.map(({ exited }) => exited))).toEqual(joined.map(() => 0));
      await expectVerified('crashed');
    },
    TIMEOUT,
  );

  it(
    'of a participant in each phase in turn: it continues from its keystore, with the same model',
    async () => {
      const port = await freePort();
      const server = coordinator('steady', port);
      await server.line((line) => line.startsWith('listening'));
      const keystore = ['--keystore', join(folder, 'victim')];
      let victim = participant(port, 0, keystore);
      const others = [1, 2, 3, 4].map((i) => participant(port, i));
      for (const [i, phase] of ATTEMPT_PHASES.entries()) {
        await server.line((line) => {
          const seen = phaseOf(line);
          return seen !== undefined && seen.attempt === i + 1 && seen.phase === phase;
        });
        await victim.kill();
        victim = participant(port, 0, keystore);
      }
      expect(await finalModel(server)).toBe(reference);
      const all = [victim, ...others];
      expect(await Promise.all(all.map(({ exited }) => exited))).toEqual(all.map(() => 0));
      await expectVerified('steady');
    },
    TIMEOUT,
  );

  it(
    'of a participant that does not come back: the round continues without it and verifies',
    async () => {
      const port = await freePort();
      const server = coordinator('lost', port, 2, ['--grace', '0']);
      await server.line((line) => line.startsWith('listening'));
      const joined = participants(port);
      await server.line((line) => phaseOf(line)?.phase === 'upload');
      await joined[0]?.kill();
      await finalModel(server);
      expect(server.stdout).toMatch(/round 1\/2 committed: [45]\/5 survived/);
      expect(server.stdout).toMatch(/round 2\/2 committed: 4\/[45] survived/);
      await expectVerified('lost');
    },
    TIMEOUT,
  );
});
