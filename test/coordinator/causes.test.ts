/**
 * Why attempts fail: what participants report is counted in the abort record, and the same cause at
 * everybody makes the run pause longer each time, or ends it by name where no repeat can help.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { openAttempt } from '../../coordinator/machine/between-attempts.ts';
import { MAX_ATTEMPTS } from '../../coordinator/machine/config.ts';
import type { Progress } from '../../coordinator/index.ts';
import { progressFields } from '../../coordinator/log.ts';
import { toHex } from '../../protocol/bytes.ts';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { decodeRecordOf } from '../../protocol/records/records.ts';
import { createPlayer, framesOf, reach, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { decodeSnapshot, encodeSnapshot, attemptOf } from '../../coordinator/machine/index.ts';

beforeAll(() => cryptoReady);

const ALL = [0, 1, 2, 3];

const playerIn = async (phase: string): Promise<Player> => {
  const deadlines = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6, grace: 2 };
  const player = await createPlayer(await testSpec({ deadlines }), 8);
  reach(player, phase, ALL);
  return player;
};

const published = <Type extends Progress['type']>(player: Player, type: Type) =>
  player.effects.flatMap((effect) =>
    effect.type === 'publish' && effect.progress.type === type
      ? [effect.progress as Extract<Progress, { type: Type }>]
      : [],
  );

const withdraw = (player: Player, who: number, code: string, detail?: string): void => {
  const key = player.people[who]!.publicKey;
  const more = detail === undefined ? {} : { detail };
  player.apply({ type: 'withdrawn', key, attempt: player.state.attempt, code, ...more });
};

/** The bytes of a record that the machine appended. */
const recordWith = (player: Player, hash: Uint8Array): Uint8Array => {
  for (const effect of player.effects)
    if (effect.type === 'append' && toHex(effect.record.hash) === toHex(hash))
      return effect.record.bytes;
  throw new Error('no such record');
};

const report = (player: Player, who: number, code: string): void => {
  const key = player.people[who]!.publicKey;
  player.apply({ type: 'reported', key, attempt: player.state.attempt, code });
};

/** The invited are in the upload phase of a fresh attempt, however long the pause before it is. */
const next = (player: Player): void => {
  const { phase } = player.state;
  if (phase.type !== 'waiting') throw new Error(`expected a pause, got ${phase.type}`);
  player.work(...player.wait(phase.until - player.time));
  const invited = new Set(attemptOf(player.state)?.invited);
  const who = player.people.flatMap(({ publicKey }, i) =>
    invited.has(toHex(publicKey)) ? [i] : [],
  );
  for (const type of ['register', 'share'] as const)
    for (const i of who) player.work(...player.say(i, type));
  expect(player.state.phase.type).toBe('upload');
};

describe('an abort record', () => {
  it('counts what participants reported, by code, and the operator reads it in one line', async () => {
    const player = await playerIn('upload');
    for (const i of [0, 1]) withdraw(player, i, 'gate_unavailable');
    withdraw(player, 2, 'update_not_finite');
    report(player, 3, 'store_unavailable');
    player.wait(30_000);
    const { closing } = player.state;
    const { body } = decodeRecordOf('abort', closing!.bytes);
    expect(body.code).toBe('cohort_too_small');
    expect(body.reported).toEqual([
      { code: 'gate_unavailable', count: 2 },
      { code: 'store_unavailable', count: 1 },
      { code: 'update_not_finite', count: 1 },
    ]);
    const [progress] = published(player, 'aborted');
    expect(progressFields(progress!)).toMatchObject({
      code: 'cohort_too_small',
      reported: '2 x gate_unavailable, 1 x store_unavailable, 1 x update_not_finite',
    });
  });

  it('holds no text of a participant: what is no code of the catalogue counts as internal', async () => {
    const player = await playerIn('upload');
    withdraw(player, 0, '\u001b[31mgate_unavailable');
    withdraw(player, 1, 'gate_unavailable');
    player.wait(30_000);
    expect(decodeRecordOf('abort', player.state.closing!.bytes).body.reported).toEqual([
      { code: 'gate_unavailable', count: 1 },
      { code: 'internal', count: 1 },
    ]);
  });

  it('nor does a survivors record, which participants would call a broken rule', async () => {
    const player = await playerIn('upload');
    withdraw(player, 0, 'no code at all');
    for (const i of [1, 2, 3]) player.work(...player.say(i, 'upload'));
    player.work(...player.effects.slice(-1));
    const { rejected } = attemptOf(player.state)!.survivors!.body;
    expect(rejected.map(({ code }) => code)).toEqual(['internal']);
  });

  it('does not count a trouble that is over: the participant has answered since', async () => {
    const player = await playerIn('upload');
    report(player, 0, 'gate_unavailable');
    player.work(...player.say(0, 'upload'));
    player.wait(30_000);
    expect(decodeRecordOf('abort', player.state.closing!.bytes).body.reported).toBeUndefined();
  });

  it('counts each participant once, and a few changes of mind at most are kept', async () => {
    const player = await playerIn('upload');
    const before = player.events.length;
    for (let i = 0; i < 50; i += 1)
      report(player, 0, i % 2 === 0 ? 'gate_unavailable' : 'store_unavailable');
    expect(player.events.length - before).toBeLessThanOrEqual(8);
    player.wait(30_000);
    const { reported } = decodeRecordOf('abort', player.state.closing!.bytes).body;
    expect(reported?.map(({ count }) => count)).toEqual([1]);
  });
});

describe('the same cause at everybody, attempt after attempt', () => {
  it('an outage: the run says what it waits for, and pauses longer each time, up to ten minutes', async () => {
    const player = await playerIn('upload');
    const pauses: number[] = [];
    for (let attempt = 1; attempt <= 9; attempt += 1) {
      for (const i of ALL) withdraw(player, i, 'gate_unavailable');
      const { phase } = player.state;
      expect(phase.type).toBe('waiting');
      if (phase.type === 'waiting') pauses.push(phase.until - player.time);
      if (attempt >= 3) expect(phase).toMatchObject({ pause: /gate_unavailable/ });
      next(player);
    }
    expect(pauses.slice(2)).toEqual([60, 120, 240, 480, 600, 600, 600].map((s) => s * 1000));
    const reasons = published(player, 'waiting').map(({ reason }) => reason);
    expect(reasons).toHaveLength(7);
    expect(reasons[0]).toMatch(/3 attempts in a row .*gate_unavailable.*resumes in 60 s/u);
  });

  it('an operator who starts the coordinator again does not wait for the pause', async () => {
    const player = await playerIn('upload');
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      for (const i of ALL) withdraw(player, i, 'store_unavailable');
      if (attempt < 5) next(player);
    }
    player.apply({ type: 'resumed', startWith: 4 });
    expect(player.state.phase).toMatchObject({ type: 'waiting', until: player.time });
    player.join(...ALL);
    expect(player.state.phase.type).toBe('opening');
  });

  it('is forgotten as soon as one attempt commits or fails otherwise', async () => {
    const player = await playerIn('upload');
    for (const code of ['gate_unavailable', 'gate_unavailable', 'store_unavailable']) {
      for (const i of ALL) withdraw(player, i, code);
      next(player);
    }
    expect(player.state.streak).toEqual({
      code: 'store_unavailable',
      attempts: 1,
      everybody: true,
    });
    expect(published(player, 'waiting')).toEqual([]);
  });

  it('a trainer that throws at everybody: the run says which error and whose, and waits', async () => {
    const player = await playerIn('upload');
    const detail = 'expected # features\u001b[2J, got #';
    for (let attempt = 1; attempt <= 4; attempt += 1) {
      for (const i of ALL) withdraw(player, i, 'trainer_failed', detail);
      if (attempt < 4) next(player);
    }
    const [reason] = published(player, 'waiting').map((each) => each.reason);
    expect(reason).toMatch(/3 attempts in a row failed for trainer_failed/u);
    expect(reason).toContain('"expected # features?[2J, got #"');
    expect(reason).toMatch(/in the trainer or the data of the participants/u);
    expect(player.state).toMatchObject({
      phase: { type: 'waiting', pause: expect.stringContaining('same error') as string },
      streak: { code: 'trainer_failed', attempts: 4 },
    });
    // A snapshot keeps it.
    const again = await decodeSnapshot(encodeSnapshot(player.state), {
      records: async (hashes) => hashes.map((hash) => recordWith(player, hash)),
      entries: new Map(),
    });
    expect(again.streak).toEqual(player.state.streak);
  });

  it('a cause at one member without which too few are left: its number is said, not all', async () => {
    const player = await createPlayer(await testSpec({ cohort: { size: 4, minimum: 4 } }), 4);
    reach(player, 'upload', ALL);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      withdraw(player, 2, 'trainer_failed', 'expected # features');
      if (player.state.phase.type !== 'waiting') player.wait(600_000);
      if (attempt < 3) next(player);
    }
    const [reason] = published(player, 'waiting').map((each) => each.reason);
    expect(reason).toMatch(/failed for trainer_failed, the last at 1 of 4 members: /u);
    expect(reason).toMatch(/Its trainer throws an error \("expected # features"/u);
    expect(reason).not.toMatch(/all/u);
  });

  it('trainers that throw differently: the code alone is said', async () => {
    const player = await playerIn('upload');
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      for (const i of ALL) withdraw(player, i, 'trainer_failed', `other ${'abcd'[i] as string}`);
      if (attempt < 3) next(player);
    }
    const [reason] = published(player, 'waiting').map((each) => each.reason);
    expect(reason).toMatch(/failed for trainer_failed/u);
    expect(reason).not.toMatch(/same error/u);
  });

  it('NaN at everybody: the third attempt ends the run by name, and everybody is told', async () => {
    const player = await playerIn('upload');
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      for (const i of ALL) withdraw(player, i, 'update_not_finite');
      if (attempt < 3) next(player);
    }
    expect(player.state).toMatchObject({
      phase: { type: 'finished' },
      failure: 'update_not_finite',
      committed: 0,
    });
    expect(framesOf(player.effects).slice(-2)).toEqual(['record', 'finished']);
    expect(published(player, 'finished')).toEqual([
      { type: 'finished', rounds: 0, failure: 'update_not_finite' },
    ]);
    // Who comes back later hears of it as well.
    player.leave(0);
    player.effects.length = 0;
    player.join(0);
    const [, told] = player.effects.flatMap((effect) =>
      effect.type === 'send' ? [effect.frame] : [],
    );
    expect(told).toEqual({ type: 'finished', rounds: 0, failure: 'update_not_finite' });
  });

  it('the last attempt that is allowed ends the run by name, and everybody is told', async () => {
    const player = await playerIn('upload');
    const { state, effects } = openAttempt(
      player.config,
      { ...player.state, attempt: MAX_ATTEMPTS },
      player.time,
    );
    const failure = 'attempts_exhausted';
    expect(state).toMatchObject({ phase: { type: 'finished' }, failure, committed: 0 });
    expect(effects).toContainEqual({
      type: 'send',
      to: 'everyone',
      frame: { type: 'finished', rounds: 0, failure },
    });
  });

  it('NaN at all but one that is here: a pause, since another cohort may do without them', async () => {
    const player = await playerIn('upload');
    player.join(4);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const members = player.members();
      for (const i of members) withdraw(player, i, 'update_not_finite');
      expect(player.state.failure).toBeUndefined();
      if (attempt < 3) next(player);
    }
    expect(player.state.phase.type).toBe('waiting');
  });
});
