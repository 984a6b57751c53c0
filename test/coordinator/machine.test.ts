/**
 * @module Every transition of the machine, by event and by time. Time is a number; the records
 * carry real signatures.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { toHex } from '../../protocol/bytes.ts';
import { nextWake } from '../../coordinator/machine/index.ts';
import { codesOf, framesOf, reach, workIn } from '../support/machine.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';
import { ALL, abortedBy, maskedPlayer, playerAt } from '../support/machine-phases.ts';

beforeAll(() => cryptoReady);

describe('the phases, when all behave', () => {
  it('follow one another, with the frames and the work each needs', async () => {
    const player = await maskedPlayer({ rounds: 1 });
    expect(player.state.phase.type).toBe('waiting');
    player.join(0, 1, 2);
    expect(player.state.phase.type).toBe('waiting');
    player.join(3);
    expect(player.state.phase.type).toBe('opening');
    player.work(player.effects.at(-1));
    expect(player.state.phase.type).toBe('register');
    expect(framesOf(player.effects)).toEqual(['record']);

    const registered = ALL.flatMap((i) => [...player.say(i, 'register')]);
    expect(framesOf(registered)).toEqual(['ack', 'ack', 'ack', 'ack']);
    expect(player.state.phase.type).toBe('freezing-cohort');
    player.work(registered.at(-1));
    expect(player.state.phase.type).toBe('share');
    expect(attemptOf(player.state)?.cohort?.body.threshold).toBe(3);
    expect(framesOf(player.effects).at(-1)).toBe('cohort');

    const shared = ALL.flatMap((i) => [...player.say(i, 'share')]);
    expect(framesOf(shared).filter((type) => type === 'sharers')).toHaveLength(4);
    expect(player.state.phase.type).toBe('upload');

    const folds = ALL.flatMap((i) => [...player.say(i, 'upload')]);
    expect(workIn(folds)).toEqual(['fold', 'fold', 'fold', 'fold']);
    expect(player.state.phase.type).toBe('upload');
    player.work(...folds);
    expect(player.state.phase.type).toBe('freezing-survivors');
    player.work(player.effects.at(-1));
    expect(player.state.phase.type).toBe('consistency');
    expect(attemptOf(player.state)?.survivors?.body.rejected).toEqual([]);

    for (const i of ALL) player.say(i, 'consistent');
    expect(player.state.phase.type).toBe('unmask');
    expect(framesOf(player.effects).at(-1)).toBe('consistency');
    for (const i of ALL) player.say(i, 'unmask');
    expect(player.state.phase.type).toBe('finishing');
    player.work(player.effects.at(-1));
    expect(player.state.phase.type).toBe('registering');
    player.work(player.effects.at(-1));
    expect(player.state).toMatchObject({ phase: { type: 'finished' }, committed: 1 });
    expect(framesOf(player.effects).slice(-2)).toEqual(['record', 'finished']);
  });

  it('leave out sharing, consistency and unmasking in a run without masks', async () => {
    const player = await maskedPlayer({ secagg: 'none' });
    reach(player, 'finished', ALL);
    const phases = player.effects.flatMap((effect) =>
      effect.type === 'publish' && effect.progress.type === 'phase' ? [effect.progress.phase] : [],
    );
    expect(phases).toEqual([
      'opening',
      'register',
      'freezing-cohort',
      'upload',
      'freezing-survivors',
      'finishing',
      'registering',
    ]);
  });

  it('the next round starts from the model that was committed', async () => {
    const player = await maskedPlayer({ rounds: 2 });
    reach(player, 'registering', ALL);
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    expect(player.state).toMatchObject({ committed: 1, attempt: 2, phase: { type: 'opening' } });
    expect(player.effects.at(-1)).toMatchObject({ work: { model: { version: 1 } } });
  });
});

describe('invitations', () => {
  it('go to ceil(size * overSelect) by the smallest tickets; the first `size` to register are taken', async () => {
    const player = await maskedPlayer({ cohort: { size: 4, minimum: 3, overSelect: 1.25 } });
    player.join(0, 1, 2, 3);
    expect(attemptOf(player.state)?.invited).toHaveLength(4);
    const crowd = await maskedPlayer({ cohort: { size: 4, minimum: 3, overSelect: 1.25 } });
    crowd.apply({ type: 'resumed', startWith: 6 });
    crowd.join(0, 1, 2, 3, 4, 5);
    const invited = attemptOf(crowd.state)?.invited ?? [];
    expect(invited).toHaveLength(5);
    crowd.work(crowd.effects.at(-1));
    const order = invited.map((key) =>
      crowd.people.findIndex(({ publicKey }) => toHex(publicKey) === key),
    );
    for (const i of order.slice(0, 4)) crowd.say(i, 'register');
    expect(crowd.state.phase.type).toBe('freezing-cohort');
    expect(codesOf(crowd.say(order[4]!, 'register'))).toEqual(['phase_closed']);
    const outsider = [0, 1, 2, 3, 4, 5].find((i) => !order.includes(i))!;
    expect(codesOf(crowd.say(outsider, 'register'))).toEqual(['phase_closed']);
  });

  it('leave a late joiner for the next round', async () => {
    const player = await playerAt('register', { rounds: 2 });
    player.join(4);
    expect(framesOf(player.effects).filter((type) => type === 'record')).toHaveLength(1);
    expect(codesOf(player.say(4, 'register'))).toEqual(['not_in_cohort']);
  });
});

describe('deadlines and departures', () => {
  const DEADLINES = { register: 10, share: 20, upload: 30, consistency: 5, unmask: 6 } as const;
  const SAYS = {
    register: 'register',
    share: 'share',
    upload: 'upload',
    consistency: 'consistent',
    unmask: 'unmask',
  } as const;
  const phases = Object.keys(DEADLINES) as (keyof typeof DEADLINES)[];
  const after: Readonly<Record<string, string>> = {
    register: 'freezing-cohort',
    share: 'upload',
    upload: 'freezing-survivors',
    consistency: 'unmask',
    unmask: 'finishing',
  };

  it.each(phases)('%s ends at its deadline with those who answered', async (phase) => {
    const player = await playerAt(phase);
    for (const i of [0, 1, 2]) player.work(...player.say(i, SAYS[phase]));
    player.wait(DEADLINES[phase] * 1000 - 1);
    expect(player.state.phase.type).toBe(phase);
    player.wait(1);
    expect(player.state.phase.type).toBe(after[phase]);
  });

  it.each(phases)(
    '%s with too few answers is aborted at its deadline, and a new attempt opens',
    async (phase) => {
      const player = await playerAt(phase);
      for (const i of [0, 1]) player.work(...player.say(i, SAYS[phase]));
      const code = abortedBy(player.wait(DEADLINES[phase] * 1000));
      expect(code).toBe(
        phase === 'consistency' || phase === 'unmask' ? 'not_enough_shares' : 'cohort_too_small',
      );
      expect(player.state).toMatchObject({ phase: { type: 'waiting' }, failures: 1, attempt: 1 });
      player.wait(1000);
      expect(player.state).toMatchObject({ phase: { type: 'opening' }, attempt: 2 });
    },
  );

  it.each(phases)(
    '%s ends early when who is missing has been gone for the grace time',
    async (phase) => {
      const player = await playerAt(phase);
      for (const i of [0, 1, 2]) player.work(...player.say(i, SAYS[phase]));
      player.leave(3);
      player.wait(1999);
      expect(player.state.phase.type).toBe(phase);
      player.wait(1);
      expect(player.state.phase.type).toBe(after[phase]);
    },
  );

  it.each(phases)('%s continues at once when who is missing withdraws', async (phase) => {
    const player = await playerAt(phase);
    for (const i of [0, 1, 2]) player.work(...player.say(i, SAYS[phase]));
    const key = player.people[3]!.publicKey;
    player.apply({ type: 'withdrawn', key, attempt: 1, code: 'trainer_failed' });
    expect(player.state.phase.type).toBe(after[phase]);
  });

  it.each(phases)('%s waits for who comes back within the grace time', async (phase) => {
    const player = await playerAt(phase);
    for (const i of [0, 1, 2]) player.work(...player.say(i, SAYS[phase]));
    player.leave(3);
    player.wait(1000);
    const before = player.effects.length;
    player.join(3);
    expect(framesOf(player.effects.slice(before)).length).toBeGreaterThan(0);
    player.wait(1500);
    expect(player.state.phase.type).toBe(phase);
    const last = player.say(3, SAYS[phase]);
    if (phase === 'upload') player.work(...last);
    expect(player.state.phase.type).toBe(after[phase]);
  });

  it('the reason for which a member is missing among the survivors is written down', async () => {
    const player = await playerAt('upload');
    player.work(...player.say(0, 'upload'), ...player.say(1, 'upload'), ...player.say(2, 'upload'));
    player.leave(3);
    player.wait(2000);
    player.work(player.effects.at(-1));
    expect(attemptOf(player.state)?.survivors?.body.rejected).toEqual([
      { member: player.people[3]!.publicKey, code: 'connection_lost' },
    ]);
  });

  it('an upload recorded before the deadline is waited for while it is folded', async () => {
    const player = await playerAt('upload');
    const folds = ALL.flatMap((i) => [...player.say(i, 'upload')]);
    player.work(...folds.slice(0, 6));
    player.wait(30_000);
    expect(player.state.phase.type).toBe('upload');
    player.work(...folds.slice(6));
    expect(player.state.phase.type).toBe('freezing-survivors');
    expect(attemptOf(player.state)?.uploads.size).toBe(4);
  });

  it('a fold that never comes back ends as a rejection', async () => {
    const player = await playerAt('upload');
    const folds = ALL.flatMap((i) => [...player.say(i, 'upload')]);
    player.work(...folds.filter((effect) => effect.type === 'work').slice(1));
    player.wait(30_000 + 600_000);
    expect(player.state.phase.type).toBe('freezing-survivors');
    player.work(player.effects.at(-1));
    expect(attemptOf(player.state)?.survivors?.body.rejected).toMatchObject([
      { code: 'store_unavailable' },
    ]);
  });

  it.each(['opening', 'freezing-cohort', 'freezing-survivors', 'finishing'] as const)(
    'work that never ends in %s is aborted',
    async (phase) => {
      const player = await playerAt(phase);
      expect(abortedBy(player.wait(600_000))).toBe('attempt_aborted');
    },
  );

  it('the pause between failed attempts doubles up to a minute and starts anew after a commit', async () => {
    const player = await maskedPlayer();
    player.join(...ALL);
    const pauses: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      const attempt = player.state.attempt;
      player.apply({
        type: 'work-failed',
        attempt,
        code: 'ledger_unavailable',
        reason: '',
        culprits: [],
      });
      const { phase } = player.state;
      const pause = phase.type === 'waiting' ? phase.until - player.time : 0;
      pauses.push(pause);
      expect(nextWake(player.config, player.state, player.time)).toBe(player.time + pause);
      player.wait(pause);
      expect(player.state.phase.type).toBe('opening');
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60].map((s) => s * 1000));
  });

  it('the machine always knows when to wake while it waits for somebody', async () => {
    for (const phase of phases) {
      const player = await playerAt(phase);
      expect(nextWake(player.config, player.state, player.time)).toBe(
        player.time + DEADLINES[phase] * 1000,
      );
      player.leave(0);
      expect(nextWake(player.config, player.state, player.time)).toBe(player.time + 2000);
    }
  });

  it('fewer than it started with open the next round after the grace time, never fewer than the minimum', async () => {
    const player = await playerAt('registering', { rounds: 3 });
    player.leave(3);
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    expect(player.state.phase.type).toBe('waiting');
    player.wait(2000);
    expect(player.state.phase.type).toBe('opening');
    // Also whom R draws and who is away: who does not come is a no-show.
    expect(attemptOf(player.state)?.invited).toHaveLength(4);
    player.leave(2);
    player.apply({ type: 'work-failed', attempt: 2, code: 'internal', reason: '', culprits: [] });
    player.wait(3_600_000);
    expect(player.state.phase.type).toBe('waiting');
    player.join(2);
    expect(player.state.phase.type).toBe('opening');
  });

  it('the first round waits for all it was told to wait for', async () => {
    const player = await maskedPlayer();
    player.join(0, 1, 2);
    player.wait(3_600_000);
    expect(player.state.phase.type).toBe('waiting');
  });
});
