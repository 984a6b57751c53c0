/**
 * @module Every record that the machine must refuse, failed work, and a restart. Time is a number;
 * the records carry real signatures.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { cryptoReady } from '../../protocol/ports/identity.ts';
import { toHex } from '../../protocol/bytes.ts';
import { decodeRecord } from '../../protocol/records/records.ts';
import { pendingWork, step, type Effect } from '../../coordinator/machine/index.ts';
import { codesOf, framesOf, reach, type Player } from '../support/machine.ts';
import { deriveKeys } from '../../protocol/secagg/index.ts';
import { attemptOf } from '../../coordinator/machine/index.ts';
import { ALL, maskedPlayer, playerAt } from '../support/machine-phases.ts';

const KEYS = deriveKeys(new Uint8Array(32).fill(9), 'mask').public;

beforeAll(() => cryptoReady);

describe('culprits and failed work', () => {
  it('who is named is not invited again', async () => {
    const player = await maskedPlayer();
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
    const player = await playerAt('finishing');
    player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
    player.wait(1000);
    const { state } = player;
    for (const type of ['cohort-frozen', 'registered', 'work-failed', 'folded'] as const)
      player.apply({ type, attempt: 1, member: player.people[0]!.publicKey } as never);
    expect(player.state).toBe(state);
  });

  it('a signed commit is not aborted', async () => {
    const player = await playerAt('registering');
    const { state } = player;
    player.apply({ type: 'work-failed', attempt: 1, code: 'internal', reason: '', culprits: [] });
    player.wait(10_000_000);
    expect(player.state).toBe(state);
  });

  it('a rejected upload is named to its author and left out of the survivors', async () => {
    const player = await playerAt('upload');
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
    const player = await playerAt('share');
    refused(player, 'record_replayed', () =>
      player.say(0, 'share', {}, { run: new Uint8Array(32) }),
    );
    refused(player, 'record_replayed', () => player.say(0, 'share', {}, { attempt: 0 }));
    refused(player, 'record_replayed', () => player.say(0, 'share', {}, { attempt: 2 }));
    refused(player, 'record_replayed', () => player.say(0, 'share', {}, { from: 1 }));
  });

  it('of a type that only the coordinator signs', async () => {
    const player = await playerAt('share');
    refused(player, 'unexpected_frame', () => player.say(0, 'abort'));
  });

  it('of who is not in the cohort', async () => {
    const player = await playerAt('share');
    player.join(4);
    refused(player, 'not_in_cohort', () => player.say(4, 'share'));
  });

  it('before their phase and after it', async () => {
    const player = await playerAt('share');
    refused(player, 'unexpected_frame', () => player.say(0, 'upload'));
    const later = await playerAt('consistency');
    const key = { mask: deriveKeys(new Uint8Array(32).fill(1), 'mask').public };
    refused(later, 'record_conflict', () => later.say(0, 'register', key));
    const late = await playerAt('share');
    for (const i of [0, 1, 2]) late.say(i, 'share');
    late.time += 20_000;
    expect(codesOf(late.say(3, 'share'))).toEqual(['phase_closed']);
  });

  it('after the attempt is over', async () => {
    const player = await playerAt('finished');
    refused(player, 'phase_closed', () => player.say(0, 'unmask'));
  });

  it('with another context, open record, survivor set', async () => {
    const wrong = new Uint8Array(32).fill(7);
    const register = await playerAt('register');
    refused(register, 'record_replayed', () => register.say(0, 'register', { open: wrong }));
    const share = await playerAt('share');
    refused(share, 'context_mismatch', () => share.say(0, 'share', { context: wrong }));
    const upload = await playerAt('upload');
    refused(upload, 'context_mismatch', () => upload.say(0, 'upload', { context: wrong }));
    const consistency = await playerAt('consistency');
    refused(consistency, 'survivors_inconsistent', () =>
      consistency.say(0, 'consistent', { survivors: wrong }),
    );
    const unmask = await playerAt('unmask');
    refused(unmask, 'survivors_inconsistent', () => unmask.say(0, 'unmask', { survivors: wrong }));
    refused(unmask, 'share_invalid', () => unmask.say(0, 'unmask', { answer: wrong }));
  });

  it('with weak keys, wrong entries, a blob of another size', async () => {
    const register = await playerAt('register');
    refused(register, 'key_invalid', () =>
      register.say(0, 'register', { mask: { ...KEYS, x25519: new Uint8Array(32) } }),
    );
    refused(register, 'key_invalid', () =>
      register.say(0, 'register', {
        seal: { ...KEYS, mlkem: new Uint8Array(1184).fill(255) },
      }),
    );
    const share = await playerAt('share');
    const tree = { root: new Uint8Array(32), size: 4 };
    refused(share, 'share_invalid', () => share.say(0, 'share', { entries: { ...tree, size: 5 } }));
    const swapped = { ...tree, root: new Uint8Array(32) };
    refused(share, 'share_invalid', () => share.say(0, 'share', { entries: swapped }));
    const upload = await playerAt('upload');
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
      const player = await playerAt(phase);
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
    const player = await playerAt('registering', { rounds: 3 });
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
    const first = await playerAt('share');
    expect(codesOf(first.say(0, 'share', { check: { commit, leaf: 0 } }))).toEqual([
      'record_malformed',
    ]);
  });

  it('is not asked for without masks', async () => {
    const player = await playerAt('registering', { rounds: 3, secagg: 'none' });
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
      const player = await playerAt(phase);
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
      const player = await playerAt(phase);
      kinds[phase] = pendingWork(player.state).map(({ type }) => type);
    }
    expect(kinds).toEqual({
      opening: ['wrap-model'],
      'freezing-cohort': ['freeze-cohort'],
      'freezing-survivors': ['freeze-survivors'],
      finishing: ['finish'],
      registering: ['register-model'],
    });
    const upload = await playerAt('upload');
    upload.work(...upload.say(0, 'upload'));
    upload.say(1, 'upload');
    expect(pendingWork(upload.state).map(({ type }) => type)).toEqual(['fold', 'fold']);
  });
});

it('is pure: the same events give the same states and effects', async () => {
  const player = await playerAt('finished', { rounds: 1 });
  let { state } = await maskedPlayer();
  const effects: Effect[] = [];
  for (const event of player.events.slice(1)) {
    const result = step(player.config, state, event);
    state = result.state;
    effects.push(...result.effects);
  }
  expect(state).toEqual(player.state);
  expect(effects).toEqual(player.effects);
});
