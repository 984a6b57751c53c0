/**
 * @module Every transition of the machine, by event and by time, and every record that must be
 * refused. Time is a number; the records carry real signatures.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { toHex } from '../../protocol/bytes.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { nextWake, pendingWork, step, type Effect } from '../../coordinator/machine/index.ts';
import { codesOf, createPlayer, framesOf, reach, workIn, type Player } from '../support/machine.ts';
import { testSpec } from '../support/run.ts';
import { deriveKeys } from '../../protocol/secagg/index.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';

const KEYS = deriveKeys(new Uint8Array(32).fill(9), 'mask').public;

beforeAll(() => cryptoReady);

const ALL = [0, 1, 2, 3];

const masked = async (over: Parameters<typeof testSpec>[0] = {}) => {
  const deadlines = {
    register: 10,
    share: 20,
    upload: 30,
    uploadFloor: 30,
    consistency: 5,
    unmask: 6,
    grace: 2,
  };
  return createPlayer(await testSpec({ deadlines, ...over }), 8);
};

const at = async (phase: string, over: Parameters<typeof testSpec>[0] = {}): Promise<Player> => {
  const player = await masked(over);
  reach(player, phase, ALL);
  return player;
};

const aborted = (effects: readonly Effect[]): string | undefined =>
  effects
    .flatMap((effect) =>
      effect.type === 'publish' && effect.progress.type === 'aborted' ? [effect.progress.code] : [],
    )
    .at(0);

describe('the phases, when all behave', () => {
  it('follow one another, with the frames and the work each needs', async () => {
    const player = await masked({ rounds: 1 });
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
    const player = await masked({ secagg: 'none' });
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
    const player = await masked({ rounds: 2 });
    reach(player, 'registering', ALL);
    player.apply({ type: 'registered', attempt: 1, receipt: 'r' });
    expect(player.state).toMatchObject({ committed: 1, attempt: 2, phase: { type: 'opening' } });
    expect(player.effects.at(-1)).toMatchObject({ work: { model: { version: 1 } } });
  });
});

describe('invitations', () => {
  it('go to ceil(size * overSelect) by the smallest tickets; the first `size` to register are taken', async () => {
    const player = await masked({ cohort: { size: 4, minimum: 3, overSelect: 1.25 } });
    player.join(0, 1, 2, 3);
    expect(attemptOf(player.state)?.invited).toHaveLength(4);
    const crowd = await masked({ cohort: { size: 4, minimum: 3, overSelect: 1.25 } });
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
    const player = await at('register', { rounds: 2 });
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
    const player = await at(phase);
    for (const i of [0, 1, 2]) player.work(...player.say(i, SAYS[phase]));
    player.wait(DEADLINES[phase] * 1000 - 1);
    expect(player.state.phase.type).toBe(phase);
    player.wait(1);
    expect(player.state.phase.type).toBe(after[phase]);
  });

  it.each(phases)(
    '%s with too few answers is aborted at its deadline, and a new attempt opens',
    async (phase) => {
      const player = await at(phase);
      for (const i of [0, 1]) player.work(...player.say(i, SAYS[phase]));
      const code = aborted(player.wait(DEADLINES[phase] * 1000));
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
      const player = await at(phase);
      for (const i of [0, 1, 2]) player.work(...player.say(i, SAYS[phase]));
      player.leave(3);
      player.wait(1999);
      expect(player.state.phase.type).toBe(phase);
      player.wait(1);
      expect(player.state.phase.type).toBe(after[phase]);
    },
  );

  it.each(phases)('%s continues at once when who is missing withdraws', async (phase) => {
    const player = await at(phase);
    for (const i of [0, 1, 2]) player.work(...player.say(i, SAYS[phase]));
    const key = player.people[3]!.publicKey;
    player.apply({ type: 'withdrawn', key, attempt: 1, code: 'trainer_failed' });
    expect(player.state.phase.type).toBe(after[phase]);
  });

  it.each(phases)('%s waits for who comes back within the grace time', async (phase) => {
    const player = await at(phase);
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
    const player = await at('upload');
    player.work(...player.say(0, 'upload'), ...player.say(1, 'upload'), ...player.say(2, 'upload'));
    player.leave(3);
    player.wait(2000);
    player.work(player.effects.at(-1));
    expect(attemptOf(player.state)?.survivors?.body.rejected).toEqual([
      { member: player.people[3]!.publicKey, code: 'connection_lost' },
    ]);
  });

  it('an upload recorded before the deadline is waited for while it is folded', async () => {
    const player = await at('upload');
    const folds = ALL.flatMap((i) => [...player.say(i, 'upload')]);
    player.work(...folds.slice(0, 6));
    player.wait(30_000);
    expect(player.state.phase.type).toBe('upload');
    player.work(...folds.slice(6));
    expect(player.state.phase.type).toBe('freezing-survivors');
    expect(attemptOf(player.state)?.uploads.size).toBe(4);
  });

  it('a fold that never comes back ends as a rejection', async () => {
    const player = await at('upload');
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
      const player = await at(phase);
      expect(aborted(player.wait(600_000))).toBe('attempt_aborted');
    },
  );

  it('the pause between failed attempts doubles up to a minute and starts anew after a commit', async () => {
    const player = await masked();
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
      const player = await at(phase);
      expect(nextWake(player.config, player.state, player.time)).toBe(
        player.time + DEADLINES[phase] * 1000,
      );
      player.leave(0);
      expect(nextWake(player.config, player.state, player.time)).toBe(player.time + 2000);
    }
  });

  it('fewer than it started with open the next round after the grace time, never fewer than the minimum', async () => {
    const player = await at('registering', { rounds: 3 });
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
    const player = await masked();
    player.join(0, 1, 2);
    player.wait(3_600_000);
    expect(player.state.phase.type).toBe('waiting');
  });
});

describe('culprits and failed work', () => {
  it('who is named is not invited again', async () => {
    const player = await masked();
    reach(player, 'finishing', ALL);
    const culprit = player.people[1]!.publicKey;
    const code = 'not_enough_shares';
    player.apply({ type: 'work-failed', attempt: 1, code, reason: 'b', culprits: [culprit] });
    // What only the coordinator has seen is no proof: the record blames nobody.
    expect(player.state.closing?.body).toMatchObject({ code, culprits: [] });
    // The others have answered for a set with it: members that have not uploaded carry the run.
    player.wait(2000);
    expect(player.state.phase.type).toBe('waiting');
    player.join(1, 4, 5, 6, 7);
    player.wait(2000);
    expect(player.state.phase.type).toBe('opening');
    expect(attemptOf(player.state)?.invited).not.toContain(toHex(culprit));
  });

  it('results for an attempt that is over change nothing', async () => {
    const player = await at('finishing');
    player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
    player.wait(1000);
    const { state } = player;
    for (const type of ['cohort-frozen', 'registered', 'work-failed', 'folded'] as const)
      player.apply({ type, attempt: 1, member: player.people[0]!.publicKey } as never);
    expect(player.state).toBe(state);
  });

  it('a signed commit is not aborted', async () => {
    const player = await at('registering');
    const { state } = player;
    player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
    player.wait(10_000_000);
    expect(player.state).toBe(state);
  });

  it('a rejected upload is named to its author and left out of the survivors', async () => {
    const player = await at('upload');
    const folds = ALL.flatMap((i) => [...player.say(i, 'upload')]);
    const works = folds.filter((effect) => effect.type === 'work');
    player.work(...works.slice(1));
    const member = player.people[0]!.publicKey;
    const effects = player.apply({
      type: 'upload-rejected',
      attempt: 1,
      member,
      code: 'blob_corrupt',
      reason: 'bytes',
    });
    expect(codesOf(effects)).toEqual(['blob_corrupt']);
    player.work(player.effects.at(-1));
    expect(attemptOf(player.state)?.survivors?.body.rejected).toEqual([
      { member, code: 'blob_corrupt' },
    ]);
    expect(codesOf(player.say(0, 'consistent'))).toEqual(['not_in_cohort']);
  });
});

describe('records that are refused, and change nothing', () => {
  const refused = (player: Player, code: string, say: () => readonly Effect[]): void => {
    const { state } = player;
    const effects = say();
    expect(codesOf(effects)).toEqual([code]);
    expect(effects).toHaveLength(1);
    expect(player.state).toBe(state);
  };

  it('from another run, another round, another author', async () => {
    const player = await at('share');
    refused(player, 'record_replayed', () =>
      player.say(0, 'share', {}, { run: new Uint8Array(32) }),
    );
    refused(player, 'record_replayed', () => player.say(0, 'share', {}, { attempt: 0 }));
    refused(player, 'record_replayed', () => player.say(0, 'share', {}, { attempt: 2 }));
    refused(player, 'record_replayed', () => player.say(0, 'share', {}, { from: 1 }));
  });

  it('of a type that only the coordinator signs', async () => {
    const player = await at('share');
    refused(player, 'unexpected_frame', () => player.say(0, 'abort'));
  });

  it('of who is not in the cohort', async () => {
    const player = await at('share');
    player.join(4);
    refused(player, 'not_in_cohort', () => player.say(4, 'share'));
  });

  it('before their phase and after it', async () => {
    const player = await at('share');
    refused(player, 'unexpected_frame', () => player.say(0, 'upload'));
    const later = await at('consistency');
    const key = { mask: deriveKeys(new Uint8Array(32).fill(1), 'mask').public };
    refused(later, 'record_conflict', () => later.say(0, 'register', key));
    const late = await at('share');
    for (const i of [0, 1, 2]) late.say(i, 'share');
    late.time += 20_000;
    expect(codesOf(late.say(3, 'share'))).toEqual(['phase_closed']);
  });

  it('after the attempt is over', async () => {
    const player = await at('finished');
    refused(player, 'phase_closed', () => player.say(0, 'unmask'));
  });

  it('with another context, open record, survivor set', async () => {
    const wrong = new Uint8Array(32).fill(7);
    const register = await at('register');
    refused(register, 'record_replayed', () => register.say(0, 'register', { open: wrong }));
    const share = await at('share');
    refused(share, 'context_mismatch', () => share.say(0, 'share', { context: wrong }));
    const upload = await at('upload');
    refused(upload, 'context_mismatch', () => upload.say(0, 'upload', { context: wrong }));
    const consistency = await at('consistency');
    refused(consistency, 'survivors_inconsistent', () =>
      consistency.say(0, 'consistent', { survivors: wrong }),
    );
    const unmask = await at('unmask');
    refused(unmask, 'survivors_inconsistent', () => unmask.say(0, 'unmask', { survivors: wrong }));
    refused(unmask, 'share_invalid', () => unmask.say(0, 'unmask', { answer: wrong }));
  });

  it('with weak keys, wrong entries, a blob of another size', async () => {
    const register = await at('register');
    refused(register, 'key_invalid', () =>
      register.say(0, 'register', { mask: { ...KEYS, x25519: new Uint8Array(32) } }),
    );
    refused(register, 'key_invalid', () =>
      register.say(0, 'register', {
        seal: { ...KEYS, mlkem: new Uint8Array(1184).fill(255) },
      }),
    );
    const share = await at('share');
    const tree = { root: new Uint8Array(32), size: 4 };
    refused(share, 'share_invalid', () => share.say(0, 'share', { entries: { ...tree, size: 5 } }));
    const swapped = { ...tree, root: new Uint8Array(32) };
    refused(share, 'share_invalid', () => share.say(0, 'share', { entries: swapped }));
    const upload = await at('upload');
    const blob = { id: 'x', sha256: new Uint8Array(32), size: 101 };
    refused(upload, 'upload_mismatch', () => upload.say(0, 'upload', { blob }));
    refused(upload, 'upload_mismatch', () =>
      upload.say(0, 'upload', { envelope: new Uint8Array(1) }),
    );
  });

  it.each([
    ['register', 'register', { mask: KEYS }],
    ['share', 'share', { commitment: new Uint8Array(32) }],
    ['upload', 'upload', { chunkRoot: new Uint8Array(32) }],
    ['unmask', 'unmask', { answer: new Uint8Array(32) }],
  ] as const)(
    'a second, different %s record is a conflict; the same again is acknowledged again',
    async (phase, type, over) => {
      const player = await at(phase);
      player.say(0, type);
      const { state } = player;
      expect(framesOf(player.say(0, type))).toEqual(['ack']);
      refused(player, 'record_conflict', () => player.say(0, type, over));
      expect(player.state).toBe(state);
    },
  );
});

describe('the check of the newest commit', () => {
  const second = async (): Promise<Player> => {
    const player = await at('registering', { rounds: 3 });
    const from = player.effects.length;
    player.work(player.effects.at(-1));
    // Opening, register and the freeze of the second round.
    for (let seen = from; seen < player.effects.length; seen += 1) {
      player.work(player.effects[seen]!);
      if (player.state.phase.type === 'register' && attemptOf(player.state)?.registers.size === 0)
        for (const who of ALL) player.say(who, 'register');
    }
    expect(player.state).toMatchObject({ attempt: 2, phase: { type: 'share' } });
    return player;
  };

  it('is asked for once there is a commit: Open names it, and its records come before the cohort', async () => {
    const player = await second();
    const { evidence } = player.state;
    const attempt = attemptOf(player.state);
    expect(evidence?.commit.attempt).toBe(1);
    expect(attempt?.open?.body.bundle).toEqual({
      commit: evidence?.commit.hash,
      envelope: new Uint8Array(8),
    });
    expect(framesOf(player.effects).slice(-2)).toEqual(['evidence', 'cohort']);
    const types = evidence?.records.map((bytes) => decodeRecord(bytes).type);
    const four = (type: string): string[] => Array.from({ length: 4 }, () => type);
    expect(types).toEqual(
      [
        'open',
        four('register'),
        'cohort',
        four('share'),
        'sharers',
        four('upload'),
        'survivors',
        four('consistent'),
        'commit',
      ].flat(),
    );
  });

  it('a share without it, of another commit, or at a leaf that is none is refused', async () => {
    const player = await second();
    const commit = player.state.evidence?.commit.hash as Uint8Array;
    for (const check of [undefined, { commit: new Uint8Array(32), leaf: 0 }, { commit, leaf: 1 }]) {
      expect(codesOf(player.say(0, 'share', { check }))).toEqual(['record_malformed']);
    }
    expect(framesOf(player.say(0, 'share'))).toEqual(['ack']);
    const first = await at('share');
    expect(codesOf(first.say(0, 'share', { check: { commit, leaf: 0 } }))).toEqual([
      'record_malformed',
    ]);
  });

  it('is not asked for without masks', async () => {
    const player = await at('registering', { rounds: 3, secagg: 'none' });
    player.work(player.effects.at(-1));
    expect(player.state.evidence).toBe(undefined);
  });

  it('after a restart in the round whoever returns gets the records again', async () => {
    const player = await second();
    player.apply({ type: 'resumed', startWith: 4 });
    const before = player.effects.length;
    player.join(0);
    expect(framesOf(player.effects.slice(before))).toEqual(['record', 'evidence', 'cohort']);
  });
});

describe('a restart of the coordinator', () => {
  it.each(['register', 'share', 'upload', 'consistency', 'unmask'] as const)(
    'in %s gives the phase its whole time again and sends all who return what they need',
    async (phase) => {
      const player = await at(phase);
      player.time += 1_000_000;
      player.apply({ type: 'resumed', startWith: 4 });
      expect(player.state.phase.type).toBe(phase);
      const before = player.effects.length;
      player.join(0);
      const frames = framesOf(player.effects.slice(before));
      expect(frames).toEqual(
        {
          register: ['record'],
          share: ['record', 'cohort'],
          upload: ['record', 'cohort', 'sharers'],
          consistency: ['record', 'cohort', 'sharers', 'record'],
          unmask: ['record', 'cohort', 'sharers', 'record', 'consistency'],
        }[phase],
      );
    },
  );

  it('does the work of its phase again', async () => {
    const kinds: Record<string, string[]> = {};
    for (const phase of [
      'opening',
      'freezing-cohort',
      'freezing-survivors',
      'finishing',
      'registering',
    ]) {
      const player = await at(phase);
      kinds[phase] = pendingWork(player.state).map(({ type }) => type);
    }
    expect(kinds).toEqual({
      opening: ['wrap-model'],
      'freezing-cohort': ['freeze-cohort'],
      'freezing-survivors': ['freeze-survivors'],
      finishing: ['finish'],
      registering: ['register-model'],
    });
    const upload = await at('upload');
    upload.work(...upload.say(0, 'upload'));
    upload.say(1, 'upload');
    expect(pendingWork(upload.state).map(({ type }) => type)).toEqual(['fold', 'fold']);
  });
});

it('is pure: the same events give the same states and effects', async () => {
  const player = await at('finished', { rounds: 1 });
  let { state } = await masked();
  const effects: Effect[] = [];
  for (const event of player.events.slice(1)) {
    const result = step(player.config, state, event);
    state = result.state;
    effects.push(...result.effects);
  }
  expect(state).toEqual(player.state);
  expect(effects).toEqual(player.effects);
});
